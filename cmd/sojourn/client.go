package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
)

func (p *program) client() *cobra.Command {
	return group("client", "Add, see, disable and delete apps", p.clientAdd(), p.clientList(), p.clientShow(),
		p.clientDisable(), p.clientEnable(), p.clientRotateSecret(), p.clientDelete())
}

// newClient is what `client add` was told.
type newClient struct {
	id             string
	public, secret bool
	jwksFile       string
	trusted        bool
	trustedNative  bool
	lives          identity.Lifetimes
	identity.Metadata
}

func (p *program) clientAdd() *cobra.Command {
	var n newClient
	cmd := &cobra.Command{
		Use:   "add --id ID (--public | --secret-stdin | --jwks-file FILE)",
		Short: "Add an app",
		Example: "  sojourn client add --id notes --name Notes --public \\\n" +
			"    --redirect-uri com.example.notes:/callback --scope 'openid profile offline_access'",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.act(cmd.Context(), func(ctx context.Context, o opened) error { return p.addClient(ctx, o, n) })
		},
	}
	n.flags(cmd)
	return cmd
}

func (n *newClient) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&n.id, "id", "", "the client_id")
	f.StringVar(&n.Name, "name", "", "what people see on the consent page")
	f.BoolVar(&n.public, "public", false, "an app that can keep no secret: on a phone, a desktop or in a browser")
	f.BoolVar(&n.secret, "secret-stdin", false, "read the client's secret from the standard input")
	f.StringVar(&n.jwksFile, "jwks-file", "", "JSON Web Key Set with the public keys of a client that signs assertions (private_key_jwt)")
	f.StringArrayVar(&n.RedirectURIs, "redirect-uri", nil, "where sign-ins lead back to; may be repeated")
	f.StringArrayVar(&n.PostLogoutRedirectURIs, "post-logout-redirect-uri", nil, "where sign-outs lead back to; may be repeated")
	f.StringVar(&n.BackchannelLogoutURI, "backchannel-logout-uri", "", "address that this server tells of each session that ended")
	f.StringVar(&n.FrontchannelLogoutURI, "frontchannel-logout-uri", "", "page that browsers load, unseen, when they are signed out")
	f.StringArrayVar(&n.GrantTypes, "grant-type", nil, "authorization_code, refresh_token or client_credentials; may be repeated")
	f.StringVar(&n.Scope, "scope", "", "the scopes it may ask for, with spaces between them")
	f.BoolVar(&n.trusted, "trusted", false, "the operator's own: people are not asked for consent")
	f.BoolVar(&n.trustedNative, "trusted-native", false, "people need not press Continue on redirects to loopback or to a scheme of its own. "+
		"Any app on the device can take those and would get tokens without a word (RFC 8252 section 8.6): "+
		"only where nobody else installs apps")
	f.BoolVar(&n.RequireMFA, "require-mfa", false, "people need a second factor")
	f.BoolVar(&n.RequirePKCE, "require-pkce", false, "a confidential client needs PKCE too")
	f.StringVar(&n.ApplicationType, "application-type", "", "native or web (default: as the redirect URIs say)")
	f.StringVar(&n.IDTokenAlg, "id-token-alg", "", "ES256, RS256 or EdDSA (default: ES256; RS256 costs far more)")
	f.StringVar(&n.AccessFormat, "access-token-format", "", "jwt or reference: what its access tokens are (default: jwt)")
	f.StringArrayVar(&n.Resources, "resource", nil, "resource server that it may have access tokens for, a URI; may be repeated")
	f.StringVar(&n.IntrospectionAlg, "introspection-alg", "", "RS256, ES256 or EdDSA, for signed introspection answers (default: RS256)")
	f.BoolVar(&n.DPoPBound, "dpop", false, "every token request needs a proof of the app's key (RFC 9449): recommended with --public "+
		"wherever the platform keeps a key that can't be copied")
	f.StringVar((*string)(&n.Rotation), "refresh-rotation", "", "rotate, strict, or none for clients that authenticate or use --dpop "+
		"(default: rotate)")
	f.BoolVar(&n.IDTokenOnRefresh, "id-token-on-refresh", false, "a refresh brings a new ID token")
	f.DurationVar(&n.lives.Idle, "session-idle", 0, "sessions end when unused for so long (default: the server's)")
	f.DurationVar(&n.lives.Absolute, "session-absolute", 0, "sessions end after so long (default: the server's)")
	must(cmd.MarkFlagRequired("id"))
	cmd.MarkFlagsOneRequired("public", "secret-stdin", "jwks-file")
	cmd.MarkFlagsMutuallyExclusive("public", "secret-stdin", "jwks-file")
}

// readClientSecret reads a client's secret, and says so where HTTP Basic would need it escaped (RFC 6749 §2.3.1), which many
// clients forget. It stays as it was typed.
func (p *program) readClientSecret() (string, error) {
	secret, err := p.readSecret()
	if err != nil {
		return "", err
	}
	if len(secret) < identity.MinClientSecret {
		return "", fmt.Errorf("the secret on the standard input is too short: at least %d characters, "+
			"better the output of openssl rand -hex 32", identity.MinClientSecret)
	}
	if url.QueryEscape(secret) != secret {
		fmt.Fprintln(p.err, "sojourn: warning: the secret holds characters that HTTP Basic needs escaped, which many clients "+
			"forget: better take the output of openssl rand -hex 32")
	}
	return secret, nil
}

func (p *program) addClient(ctx context.Context, o opened, n newClient) error {
	c, err := n.client(o.db.Now())
	if err != nil {
		return err
	}
	if n.secret {
		secret, err := p.readClientSecret()
		if err != nil {
			return err
		}
		c.SecretHash = o.keys.HashSecret(secret)
	}
	err = o.operators().AddClient(ctx, c)
	if identity.KindOf(err) == identity.Conflict {
		return fmt.Errorf("there is a client %s already: choose another --id", c.ID)
	}
	if err != nil {
		return err
	}
	if n.public && !c.DPoPBound && slices.Contains(c.GrantTypes, "refresh_token") {
		fmt.Fprintln(p.err, keysRecommended)
	}
	return p.print(struct {
		ID      string `json:"client_id"`
		Trusted bool   `json:"trusted,omitempty"`
		Native  bool   `json:"trusted_native,omitempty"`
		identity.Metadata
	}{c.ID, c.Trusted, c.TrustedNative, c.Metadata}, fmt.Sprintf("Added the client %s.", c.ID))
}

// keysRecommended is for whoever adds an app whose refresh tokens are worth something to a thief.
const keysRecommended = "sojourn: recommended: let the app prove a key (DPoP) wherever the platform keeps one that can't be copied: Android's\n" +
	"  Keystore, the Secure Enclave, WebCrypto. A copied token is then refused at the first try, and --dpop makes it a must.\n" +
	"  Without a key a thief is found only when the owner comes back."

// client applies the rules that registration has too, except that an operator may give any scope and resource, and that ID
// tokens are signed with ES256 where nothing else is said: an RSA signature is over half of what a code exchange costs.
func (n newClient) client(now time.Time) (identity.Client, error) {
	if n.id == "" || len(n.id) > 64 || strings.ContainsFunc(n.id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return identity.Client{}, errors.New("--id: use 1 to 64 visible ASCII characters")
	}
	if err := n.checkLives(); err != nil {
		return identity.Client{}, err
	}
	scope, err := cleanScope(n.Scope)
	if err != nil {
		return identity.Client{}, err
	}
	m := n.Metadata
	m.IDTokenAlg = cmp.Or(m.IDTokenAlg, "ES256")
	if err := n.authenticate(&m); err != nil {
		return identity.Client{}, err
	}
	if len(m.GrantTypes) == 0 {
		m.GrantTypes = []string{identity.GrantTypeCode, identity.GrantTypeRefresh}
	}
	m.Scope = ""
	clean, err := identity.CleanRegistration(m)
	if err != nil {
		return identity.Client{}, flagError(err)
	}
	unknown := func(grant string) bool { return !slices.Contains(clean.GrantTypes, grant) }
	if slices.ContainsFunc(m.GrantTypes, unknown) {
		return identity.Client{}, errors.New("--grant-type: use authorization_code, with refresh_token if you like, or client_credentials")
	}
	if scope != "" {
		clean.Scope = scope
	}
	if clean.Resources, err = identity.CleanResources(n.Resources); err != nil {
		return identity.Client{}, flagError(err)
	}
	return identity.Client{
		ID: n.id, Trusted: n.trusted, TrustedNative: n.trustedNative, Metadata: clean, Lives: n.lives, CreatedAt: now,
	}, nil
}

// authenticate says how the client proves who it is.
func (n newClient) authenticate(m *identity.Metadata) (err error) {
	switch {
	case n.public:
		m.AuthMethod = "none"
	case n.jwksFile != "":
		m.AuthMethod = "private_key_jwt"
		m.JWKS, err = os.ReadFile(n.jwksFile)
	}
	return err
}

func (n newClient) checkLives() error {
	for flag, d := range map[string]time.Duration{"session-idle": n.lives.Idle, "session-absolute": n.lives.Absolute} {
		if d != 0 && d < time.Minute {
			return fmt.Errorf("--%s: %v is too short: at least 1m", flag, d)
		}
	}
	return nil
}

// cleanScope reads scopes of any name (RFC 6749 §3.3).
func cleanScope(scope string) (string, error) {
	names := identity.SplitScope(scope)
	odd := func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }
	for _, name := range names {
		if strings.ContainsFunc(name, odd) {
			return "", fmt.Errorf("--scope: %q is no scope: use visible ASCII characters but no quotes and backslashes", name)
		}
	}
	return strings.Join(names, " "), nil
}

// flagOf says which flag a field of the registration came from.
var flagOf = map[string]string{
	"redirect_uris":                "redirect-uri",
	"grant_types":                  "grant-type",
	"client_name":                  "name",
	"application_type":             "application-type",
	"id_token_signed_response_alg": "id-token-alg",
	"jwks":                         "jwks-file",
	"refresh_rotation":             "refresh-rotation",
	"access_token_format":          "access-token-format",
	"resources":                    "resource",
	"post_logout_redirect_uris":    "post-logout-redirect-uri",
	"backchannel_logout_uri":       "backchannel-logout-uri",
	"frontchannel_logout_uri":      "frontchannel-logout-uri",

	"introspection_signed_response_alg": "introspection-alg",
}

func flagError(err error) error {
	if refusal, ok := errors.AsType[*identity.Error](err); ok && flagOf[refusal.Field] != "" {
		return fmt.Errorf("--%s: %w", flagOf[refusal.Field], err)
	}
	return err
}

func (p *program) clientList() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "list [--limit N]",
		Short: "List the apps, disabled ones too",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkLimit(limit); err != nil {
				return err
			}
			return p.work(cmd.Context(), func(ctx context.Context, o opened) error { return p.listClients(ctx, o, limit) })
		},
	}
	limitFlag(cmd, &limit)
	return cmd
}

func (p *program) listClients(ctx context.Context, o opened, limit int) error {
	all, err := o.db.Clients(ctx, identity.ClientQuery{Limit: limit + 1})
	if err != nil {
		return err
	}
	l := listing[identity.Client, admin.Client]{all, limit, admin.NewClient, clientLine, "There are no clients yet."}
	list, text, more := l.cut()
	return p.print(struct {
		Clients []admin.Client `json:"clients"`
		More    bool           `json:"more,omitempty"`
	}{list, more}, text)
}

func clientLine(c identity.Client) string {
	return fmt.Sprintf("%s  %q  %s  since %s", c.ID, c.Name, strings.Join(standing(c), ", "), c.CreatedAt.Format(time.DateTime))
}

// standing says what kind of client it is.
func standing(c identity.Client) []string {
	words := []string{"confidential"}
	if c.Public() {
		words[0] = "public"
	}
	if c.Trusted {
		words = append(words, "trusted")
	}
	if c.TrustedNative {
		words = append(words, "trusted native")
	}
	if c.SelfRegistered {
		words = append(words, "registered itself")
	}
	if !c.DisabledAt.IsZero() {
		words = append(words, "disabled")
	}
	return words
}

func (p *program) clientShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show an app as it is registered",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.work(cmd.Context(), func(ctx context.Context, o opened) error {
				client, err := o.clientOf(ctx, args[0])
				if err != nil {
					return err
				}
				return p.print(admin.NewClient(client), clientText(client))
			})
		},
	}
}

func clientText(c identity.Client) string {
	lives := func(d time.Duration) string {
		if d == 0 {
			return ""
		}
		return d.String()
	}
	return details([][2]string{
		{"client", c.ID},
		{"name", fmt.Sprintf("%q", c.Name)},
		{"kind", strings.Join(standing(c), ", ")},
		{"disabled", moment(c.DisabledAt)},
		{"added", moment(c.CreatedAt)},
		{"first used", moment(c.FirstUsedAt)},
		{"redirects", strings.Join(c.RedirectURIs, " ")},
		{"grants", strings.Join(c.GrantTypes, " ")},
		{"scope", c.Scope},
		{"idle", lives(c.Lives.Idle)},
		{"absolute", lives(c.Lives.Absolute)},
		{"logout", c.BackchannelLogoutURI},
	})
}

// clientOf finds a client, disabled or not, by its id as it was typed.
func (o opened) clientOf(ctx context.Context, id string) (identity.Client, error) {
	client, err := o.db.RegisteredClient(ctx, id)
	return client, noClient(id, err)
}

// noClient says in one line that a client is not there.
func noClient(id string, err error) error {
	if identity.KindOf(err) == identity.NotFound {
		return fmt.Errorf("there is no client %q; sojourn client list shows them", id)
	}
	return err
}

// clientChange is a command that changes one client.
func (p *program) clientChange(cmd cobra.Command, change func(context.Context, opened, string) error) *cobra.Command {
	cmd.Args = cobra.ExactArgs(1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.act(cmd.Context(), func(ctx context.Context, o opened) error {
			return noClient(args[0], change(ctx, o, args[0]))
		})
	}
	return &cmd
}

type disabledJSON struct {
	ID       string `json:"client_id"`
	Disabled bool   `json:"disabled"`
	Changed  bool   `json:"changed"`
}

func (p *program) clientDisable() *cobra.Command {
	return p.clientChange(cobra.Command{
		Use:   "disable ID",
		Short: "Keep an app from everything and end its sessions",
		Long: "Disable ends every session of an app, whoever's it is, and refuses whatever the app asks for until\n" +
			"`sojourn client enable`. Nothing that ended comes back. Browser sign-ins stay.",
	}, func(ctx context.Context, o opened, id string) error {
		changed, err := o.operators().DisableClient(ctx, id)
		if err != nil {
			return err
		}
		sentence := fmt.Sprintf("Disabled %s. Its sessions are over.", id)
		if !changed {
			sentence = id + " was disabled already."
		}
		return p.print(disabledJSON{id, true, changed}, sentence)
	})
}

func (p *program) clientEnable() *cobra.Command {
	return p.clientChange(cobra.Command{
		Use:   "enable ID",
		Short: "Let a disabled app be used again; nothing that ended comes back",
	}, func(ctx context.Context, o opened, id string) error {
		changed, err := o.operators().EnableClient(ctx, id)
		if err != nil {
			return err
		}
		sentence := fmt.Sprintf("Enabled %s.", id)
		if !changed {
			sentence = id + " was not disabled."
		}
		return p.print(disabledJSON{id, false, changed}, sentence)
	})
}

func (p *program) clientDelete() *cobra.Command {
	return p.clientChange(cobra.Command{
		Use:   "delete ID",
		Short: "Delete an app, end its sessions and forget what people allowed it",
		Long: "Delete ends every session of an app and removes it with its consents and documents. It cannot be undone;\n" +
			"`sojourn client disable` can.",
	}, func(ctx context.Context, o opened, id string) error {
		if err := o.operators().DeleteClient(ctx, id); err != nil {
			return err
		}
		return p.print(struct {
			ID      string `json:"client_id"`
			Deleted bool   `json:"deleted"`
		}{id, true}, fmt.Sprintf("Deleted %s. Its sessions are over.", id))
	})
}

func (p *program) clientRotateSecret() *cobra.Command {
	var overlap time.Duration
	cmd := p.clientChange(cobra.Command{
		Use:   "rotate-secret ID --secret-stdin [--overlap 24h]",
		Short: "Give an app another secret, while the one before stays good for a while",
		Long: "Rotate-secret ends nothing: the app's sessions go on. After --overlap only the new secret is taken; --overlap 0\n" +
			"is for one that leaked.",
		Example: "  openssl rand -hex 32 | tee secret | sojourn client rotate-secret notes --secret-stdin",
	}, func(ctx context.Context, o opened, id string) error {
		secret, err := p.readClientSecret()
		if err != nil {
			return err
		}
		client, err := o.clientOf(ctx, id)
		if err != nil {
			return err
		}
		if len(client.SecretHash) == 0 {
			return errors.New(id + " has no secret: it is public or signs assertions")
		}
		n := identity.NewClientSecret{ClientID: id, Secret: secret, Overlap: overlap}
		if err := o.operators().RotateSecret(ctx, o.keys, n); err != nil {
			return err
		}
		return p.print(struct {
			ID      string `json:"client_id"`
			Overlap int    `json:"overlap_seconds"`
		}{id, int(overlap / time.Second)}, fmt.Sprintf("%s has another secret. The one before is good for %v.", id, overlap))
	})
	cmd.Flags().Bool("secret-stdin", false, "read the new secret from the standard input")
	must(cmd.MarkFlagRequired("secret-stdin"))
	cmd.Flags().DurationVar(&overlap, "overlap", 24*time.Hour, "how long the secret before stays good, at most 720h")
	return cmd
}
