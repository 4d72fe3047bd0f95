package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
)

// newClient is what `client add` and `client update` were told.
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
		Use:   "add --id ID (--public | --secret-stdin | --jwks-file FILE | --jwks-uri URI)",
		Short: "Add an app",
		Example: "  sojourn client add --id notes --name Notes --public \\\n" +
			"    --redirect-uri com.example.notes:/callback --scope 'openid profile offline_access'",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.act(cmd.Context(), func(ctx context.Context, o opened) error { return p.addClient(ctx, o, n) })
		},
	}
	cmd.Flags().StringVar(&n.id, "id", "", "the client_id")
	n.flags(cmd)
	must(cmd.MarkFlagRequired("id"))
	cmd.MarkFlagsOneRequired("public", "secret-stdin", "jwks-file", "jwks-uri")
	return cmd
}

func (n *newClient) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	n.proofFlags(f)
	n.addressFlags(f)
	n.pageFlags(f)
	n.tokenFlags(f)
	f.BoolVar(&n.trusted, "trusted", false, "the operator's own: people are not asked for consent")
	f.BoolVar(&n.trustedNative, "trusted-native", false, "people need not press Continue on redirects to loopback or to a scheme of its own. "+
		"Any app on the device can take those and would get tokens without a word (RFC 8252 section 8.6): "+
		"only where nobody else installs apps")
	f.BoolVar(&n.RequireMFA, "require-mfa", false, "people need a second factor")
	f.BoolVar(&n.RequireAuthTime, "require-auth-time", false, "ID tokens say when the person proved who they are")
	f.Var(seconds{&n.DefaultMaxAge}, "default-max-age", "people prove who they are again after so many seconds where a request says nothing; '' for no such rule")
	f.StringArrayVar(&n.DefaultACRValues, "default-acr", nil, "pwd or mfa: what it prefers where a request says nothing; may be repeated")
	f.DurationVar(&n.lives.Idle, "session-idle", 0, "sessions end when unused for so long (default: the server's)")
	f.DurationVar(&n.lives.Absolute, "session-absolute", 0, "sessions end after so long (default: the server's)")
	cmd.MarkFlagsMutuallyExclusive("public", "secret-stdin", "jwks-file")
	cmd.MarkFlagsMutuallyExclusive("public", "auth-method")
	cmd.MarkFlagsMutuallyExclusive("jwks-file", "jwks-uri")
}

// proofFlags say how the app proves who it is.
func (n *newClient) proofFlags(f *pflag.FlagSet) {
	f.BoolVar(&n.public, "public", false, "an app that can keep no secret: on a phone, a desktop or in a browser")
	f.BoolVar(&n.secret, "secret-stdin", false, "read the client's secret from the standard input")
	f.StringVar(&n.jwksFile, "jwks-file", "", "JSON Web Key Set with the public keys of a client that signs assertions (private_key_jwt)")
	f.StringVar(&n.JWKSURI, "jwks-uri", "", "address of such a key set")
	f.StringVar(&n.AuthMethod, "auth-method", "", "client_secret_basic, client_secret_post or private_key_jwt (default: as the other flags say)")
	f.StringVar(&n.AuthSigningAlg, "auth-signing-alg", "", "the one algorithm that its assertions are signed with: RS256, PS256, ES256, EdDSA or Ed25519 (default: any)")
	f.BoolVar(&n.RequirePKCE, "require-pkce", false, "a confidential client needs PKCE too")
	f.BoolVar(&n.DPoPBound, "dpop", false, "every token request needs a proof of the app's key (RFC 9449): recommended with --public "+
		"wherever the platform keeps a key that can't be copied")
}

// addressFlags say where browsers and notices go, and what the app may ask for.
func (n *newClient) addressFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&n.RedirectURIs, "redirect-uri", nil, "where sign-ins lead back to; may be repeated")
	f.StringArrayVar(&n.PostLogoutRedirectURIs, "post-logout-redirect-uri", nil, "where sign-outs lead back to; may be repeated")
	f.StringVar(&n.BackchannelLogoutURI, "backchannel-logout-uri", "", "address that this server tells of each session that ended")
	f.BoolVar(&n.BackchannelSession, "backchannel-logout-session-required", false, "it needs to hear which session; it always does")
	f.StringVar(&n.FrontchannelLogoutURI, "frontchannel-logout-uri", "", "page that browsers load, unseen, when they are signed out")
	f.BoolVar(&n.FrontchannelSession, "frontchannel-logout-session-required", false, "the page needs to hear which session; it always does")
	f.StringVar(&n.ApplicationType, "application-type", "", "native or web (default: as the redirect URIs say)")
	f.StringArrayVar(&n.GrantTypes, "grant-type", nil, "authorization_code, refresh_token or client_credentials; may be repeated")
	f.StringArrayVar(&n.ResponseTypes, "response-type", nil, "code, the only one there is (default: as the grant types say)")
	f.StringVar(&n.Scope, "scope", "", "the scopes it may ask for, with spaces between them")
	f.StringVar(&n.InitiateLoginURI, "initiate-login-uri", "", "page of the app that begins a sign-in: the list of a person's apps leads there")
	f.StringArrayVar(&n.RequestURIs, "request-uri", nil, "where it keeps request objects; may be repeated")
	f.StringVar(&n.RequestAlg, "request-object-alg", "", "the one algorithm that its request objects are signed with: RS256, PS256, ES256, EdDSA or Ed25519 (default: any)")
	f.BoolVar(&n.RequestSigned, "require-signed-request", false, "it asks for authorization by signed request objects alone (RFC 9101)")
	f.BoolVar(&n.RequirePushed, "require-pushed-requests", false, "it pushes its requests before people are sent here (RFC 9126)")
	f.StringArrayVar(&n.Resources, "resource", nil, "resource server that it may have access tokens for, a URI; may be repeated")
}

// pageFlags say what people and operators see of the app.
func (n *newClient) pageFlags(f *pflag.FlagSet) {
	f.StringVar(&n.Name, "name", "", "what people see on the consent page (default: the id)")
	f.StringVar(&n.LogoURI, "logo-uri", "", "its logo there")
	f.StringVar(&n.URI, "client-uri", "", "its home page")
	f.StringVar(&n.PolicyURI, "policy-uri", "", "its page about privacy")
	f.StringVar(&n.TermsURI, "tos-uri", "", "its terms of service")
	f.StringArrayVar(&n.Contacts, "contact", nil, "e-mail address of who answers for it; may be repeated")
	f.StringVar(&n.SoftwareID, "software-id", "", "which software it is, for operators")
	f.StringVar(&n.SoftwareVersion, "software-version", "", "of which version, for operators")
}

// tokenFlags say what its tokens are.
func (n *newClient) tokenFlags(f *pflag.FlagSet) {
	f.StringVar(&n.SubjectType, "subject-type", "", "public, or pairwise: it knows people by subjects that no app of another host does (default: public)")
	f.StringVar(&n.SectorURI, "sector-identifier-uri", "", "address whose host is the sector of a pairwise client, where its redirect URIs are of several")
	f.StringVar(&n.IDTokenAlg, "id-token-alg", "", "ES256, RS256, PS256, EdDSA or Ed25519 (default: ES256; with a secret RS256, "+
		"which some programs take alone and which costs far more)")
	choice(f, &n.IDTokenProfile, "id-token-profile", "profile and e-mail claims stand in the ID token too (default: for web apps)")
	choice(f, &n.IDTokenOnRefresh, "id-token-on-refresh", "a refresh brings a new ID token (default: where --id-token-alg says nothing "+
		"or ES256, or a post-logout redirect URI is there)")
	f.StringVar(&n.AccessFormat, "access-token-format", "", "jwt or reference: what its access tokens are (default: jwt)")
	f.StringVar(&n.UserinfoAlg, "userinfo-alg", "", "RS256, PS256, ES256, EdDSA or Ed25519: userinfo answers with a signed JWT (default: plain JSON)")
	f.StringVar(&n.IntrospectionAlg, "introspection-alg", "", "RS256, PS256, ES256, EdDSA or Ed25519, for signed introspection answers (default: RS256)")
	f.StringVar((*string)(&n.Rotation), "refresh-rotation", "", "rotate, strict, or none for clients that authenticate or use --dpop "+
		"(default: rotate)")
}

// flagOf says which flag each of a client's settings has.
var flagOf = map[string]string{
	"trusted": "trusted", "trusted_native": "trusted-native",
	"session_idle_seconds": "session-idle", "session_absolute_seconds": "session-absolute",

	"redirect_uris": "redirect-uri", "grant_types": "grant-type", "response_types": "response-type", "scope": "scope",
	"application_type": "application-type", "resources": "resource",

	"token_endpoint_auth_method": "auth-method", "token_endpoint_auth_signing_alg": "auth-signing-alg",
	"jwks": "jwks-file", "jwks_uri": "jwks-uri", "require_pkce": "require-pkce", "dpop_bound_access_tokens": "dpop",

	"client_name": "name", "client_uri": "client-uri", "logo_uri": "logo-uri", "policy_uri": "policy-uri", "tos_uri": "tos-uri",
	"contacts": "contact", "software_id": "software-id", "software_version": "software-version",

	"subject_type": "subject-type", "sector_identifier_uri": "sector-identifier-uri", "id_token_signed_response_alg": "id-token-alg", "id_token_profile": "id-token-profile",
	"id_token_on_refresh": "id-token-on-refresh", "access_token_format": "access-token-format",
	"userinfo_signed_response_alg": "userinfo-alg", "introspection_signed_response_alg": "introspection-alg", "refresh_rotation": "refresh-rotation",

	"require_mfa": "require-mfa", "require_auth_time": "require-auth-time", "default_max_age": "default-max-age",
	"default_acr_values": "default-acr",

	"initiate_login_uri": "initiate-login-uri", "request_uris": "request-uri", "request_object_signing_alg": "request-object-alg",
	"require_signed_request_object": "require-signed-request", "require_pushed_authorization_requests": "require-pushed-requests",

	"post_logout_redirect_uris": "post-logout-redirect-uri",
	"backchannel_logout_uri":    "backchannel-logout-uri", "backchannel_logout_session_required": "backchannel-logout-session-required",
	"frontchannel_logout_uri": "frontchannel-logout-uri", "frontchannel_logout_session_required": "frontchannel-logout-session-required",
}

// flagError names the flag that what was refused came from.
func flagError(err error) error {
	refusal, ok := errors.AsType[*identity.Error](err)
	switch {
	case ok && flagOf[refusal.Field] != "":
		return fmt.Errorf("--%s: %w", flagOf[refusal.Field], err)
	case ok && refusal.Field == "client_secret":
		return fmt.Errorf("--secret-stdin: %w", err)
	}
	return err
}

// seconds is a flag that may be absent: no number is another thing than 0.
type seconds struct{ at **int }

// Set reads a number; nothing is no number.
func (s seconds) Set(text string) error {
	if text == "" {
		*s.at = nil
		return nil
	}
	n, err := strconv.Atoi(text)
	*s.at = &n
	return err
}

// String is the number.
func (s seconds) String() string {
	if s.at == nil || *s.at == nil {
		return ""
	}
	return strconv.Itoa(**s.at)
}

// Type is how help calls the value.
func (seconds) Type() string { return "seconds" }

// choice adds a flag whose absence leaves the choice to the server. Alone, it says yes; ” takes it back to the default.
func choice(f *pflag.FlagSet, at **bool, name, usage string) {
	f.Var(yesOrNo{at}, name, usage)
	f.Lookup(name).NoOptDefVal = "true"
}

// yesOrNo is a flag that may be absent: no word is another thing than no.
type yesOrNo struct{ at **bool }

// Set reads yes or no; nothing is neither.
func (y yesOrNo) Set(text string) error {
	if text == "" {
		*y.at = nil
		return nil
	}
	yes, err := strconv.ParseBool(text)
	*y.at = &yes
	return err
}

// String is the word.
func (y yesOrNo) String() string {
	if y.at == nil || *y.at == nil {
		return ""
	}
	return strconv.FormatBool(**y.at)
}

// Type is how help calls the value.
func (yesOrNo) Type() string { return "bool" }

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
	c, err := n.client()
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
	c, err = o.operators().AddClient(ctx, c)
	if identity.KindOf(err) == identity.Conflict {
		return fmt.Errorf("there is a client %s already: choose another --id", c.ID)
	}
	if err != nil {
		return flagError(err)
	}
	if n.public && !c.DPoPBound && c.Allows(identity.GrantTypeRefresh) {
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

// client is what was said, before the rules of the domain are applied.
func (n newClient) client() (c identity.Client, err error) {
	if n.id == "" || len(n.id) > 64 || strings.ContainsFunc(n.id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return c, errors.New("--id: use 1 to 64 visible ASCII characters")
	}
	c.ID = n.id
	s, err := n.settings()
	if n.AuthMethod == "" && (n.jwksFile != "" || n.JWKSURI != "" && !n.public && !n.secret) {
		s.AuthMethod = "private_key_jwt"
	}
	return c.With(s), err
}

// settings are what the flags said.
func (n newClient) settings() (s identity.ClientSettings, err error) {
	for flag, d := range map[string]time.Duration{"session-idle": n.lives.Idle, "session-absolute": n.lives.Absolute} {
		if d != 0 && d < time.Minute {
			return s, fmt.Errorf("--%s: %v is too short: at least 1m", flag, d)
		}
	}
	if slices.ContainsFunc(n.GrantTypes, func(g string) bool { return g != "" && !slices.Contains(identity.GrantTypes, g) }) {
		return s, errors.New("--grant-type: use authorization_code, with refresh_token if you like, or client_credentials")
	}
	s = identity.Client{Trusted: n.trusted, TrustedNative: n.trustedNative, Lives: n.lives, Metadata: n.Metadata}.Settings()
	if n.public {
		s.AuthMethod = "none"
	}
	if n.jwksFile != "" {
		s.JWKS, err = os.ReadFile(n.jwksFile)
	}
	if s.JWKS != nil && !json.Valid(s.JWKS) {
		err = errors.New("--jwks-file: it is no JSON")
	}
	return s, err
}

func (p *program) clientUpdate() *cobra.Command {
	var n newClient
	cmd := p.clientChange(cobra.Command{
		Use:   "update ID",
		Short: "Change an app; what no flag names stays",
		Long: "Update changes what its flags name, and nothing else. A list takes the place of the one before; '' empties one, and takes\n" +
			"any other setting back to its default. Its sessions go on, except where --trusted=false takes back what let people in\n" +
			"unasked: those end. People are asked for consent again once its name, logo, pages, keys or redirect host changed.\n" +
			"--secret-stdin replaces the secret at once; `sojourn client rotate-secret` leaves the one before good for a while.",
		Example: "  sojourn client update notes --redirect-uri https://notes.example/cb --redirect-uri https://new.example/cb",
	}, nil)
	n.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.act(cmd.Context(), func(ctx context.Context, o opened) error {
			patch, err := n.patch(cmd.Flags())
			if err != nil {
				return err
			}
			return noClient(args[0], p.updateClient(ctx, o, args[0], clientPatch{n, patch}))
		})
	}
	return cmd
}

// clientPatch is what `client update` changes.
type clientPatch struct {
	newClient
	members map[string]json.RawMessage
}

// patch is a merge patch (RFC 7396) of the flags that were given.
func (n newClient) patch(f *pflag.FlagSet) (map[string]json.RawMessage, error) {
	s, err := n.settings()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	said, patch, null := map[string]json.RawMessage{}, map[string]json.RawMessage{}, json.RawMessage("null")
	if err := json.Unmarshal(text, &said); err != nil {
		return nil, err
	}
	for member, flag := range flagOf {
		if !f.Changed(flag) {
			continue
		}
		if patch[member] = said[member]; len(said[member]) == 0 || string(said[member]) == `[""]` {
			patch[member] = null
		}
	}
	switch {
	case n.public:
		patch["token_endpoint_auth_method"] = said["token_endpoint_auth_method"]
	case n.jwksFile != "" && !f.Changed("auth-method"):
		patch["token_endpoint_auth_method"] = json.RawMessage(`"private_key_jwt"`)
	}
	if n.jwksFile != "" { // keys are in one place (RFC 7591 §2)
		patch["jwks_uri"] = null
	} else if n.JWKSURI != "" {
		patch["jwks"] = null
	}
	if len(patch) == 0 && !n.secret {
		return nil, errors.New("say what to change: sojourn client update --help lists the flags")
	}
	return patch, nil
}

func (p *program) updateClient(ctx context.Context, o opened, id string, patch clientPatch) error {
	var hash []byte
	if patch.secret {
		secret, err := p.readClientSecret()
		if err != nil {
			return err
		}
		hash = o.keys.HashSecret(secret)
	}
	ended := false
	after, changed, err := o.operators().UpdateClient(ctx, id, func(c identity.Client) (identity.Client, error) {
		s, err := c.Settings().Patched(patch.members)
		ended = c.Trusted && !s.Trusted
		c = c.With(s)
		if hash != nil {
			c.SecretHash, c.FormerSecret, c.FormerUntil = hash, nil, time.Time{}
		}
		if _, said := patch.members["token_endpoint_auth_method"]; hash != nil && !said && !c.UsesSecret() {
			c.AuthMethod = ""
		}
		return c, err
	})
	if err != nil {
		return flagError(err)
	}
	sentence := fmt.Sprintf("Changed %s: %s.", id, strings.Join(changed, ", "))
	switch {
	case len(changed) == 0:
		sentence = id + " was so already."
	case ended:
		sentence += " It is trusted no more, so its sessions are over."
	}
	return p.print(struct {
		Changed []string `json:"changed"`
		admin.Client
	}{append([]string{}, changed...), admin.NewClient(after)}, sentence)
}
