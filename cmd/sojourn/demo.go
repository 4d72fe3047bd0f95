package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/sojourn-auth/sojourn/config"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
	"github.com/sojourn-auth/sojourn/server"
)

const demoFolder = "sojourn-demo"

// demoSettings differ from the usual ones: everyone may try everything.
var demoSettings = map[string]string{
	"registration": config.Open, "log_level": "warn", "log_format": config.Text,
	"mail_from": "Sojourn demo <no-reply@example.com>",
}

func (p *program) demo() *cobra.Command {
	appListen := "127.0.0.1:8090"
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a server to play with: a user, a few apps, and two phones in the browser",
		Long: "Demo runs a server with a seeded user and a sample app, on this machine alone. It keeps everything in the folder\n" +
			demoFolder + ", whatever database is configured, so that it never touches a real one.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.demoConfig()
			if err != nil {
				return err
			}
			return p.with(cmd.Context(), cfg, func(ctx context.Context, o opened) error { return p.runDemo(ctx, o, appListen) })
		},
	}
	p.listenFlags(cmd)
	cmd.Flags().StringVar(&appListen, "app-listen", appListen, "host:port of the sample app")
	return cmd
}

// demoConfig is the settings with the demo's own folder over them.
func (p *program) demoConfig() (config.Config, error) {
	if p.flags["database"] != "" {
		return config.Config{}, errors.New("--database: the demo always uses its own folder, " + demoFolder)
	}
	p.flags["database"] = "sqlite:" + demoFolder + "/sojourn.db"
	defaults := maps.Clone(demoSettings)
	cfg, err := p.load(defaults)
	if err != nil {
		return cfg, err
	}
	if !cfg.Loopback() {
		return cfg, fmt.Errorf("SOJOURN_ISSUER: %s is not this machine: the demo has a known user, "+
			"so it runs on localhost, 127.0.0.1 or [::1] alone", cfg.Issuer)
	}
	if _, port, err := net.SplitHostPort(cfg.Listen); err == nil && cfg.TLSCert == "" {
		defaults["issuer"] = "http://localhost:" + port // unless somebody says another one
	}
	defaults["smtp"] = "print:" // mails appear on the terminal, which only now can be asked for
	cfg, err = p.load(defaults)
	cfg.Demo = true
	return cfg, err
}

func (p *program) runDemo(ctx context.Context, o opened, appListen string) error {
	if err := o.ready(ctx); err != nil {
		return err
	}
	app, err := listenApp(ctx, appListen)
	if err != nil {
		return err
	}
	defer app.Close()
	s, err := server.New(ctx, o.cfg, o.db, p.logger(o.cfg))
	if err != nil {
		return err
	}
	who, err := o.seed(ctx)
	if err != nil {
		return err
	}
	if err := o.seedAPI(ctx); err != nil {
		return err
	}
	guard, err := notesGuard(o.cfg.Issuer, app.url)
	if err != nil {
		return err
	}
	defer guard.Close()
	app.handler = pages(o.cfg.Issuer, guard, stage{o, who.id, func(text string) { fmt.Fprint(p.out, text) }})
	s.Handle("/demo", http.RedirectHandler(app.url+"/", http.StatusSeeOther))
	if err := s.Listen(ctx); err != nil {
		return err
	}
	go app.serve(ctx, p.err)
	fmt.Fprint(p.out, who.banner(o.cfg.Issuer, app.url))
	go who.sayCodes(p.in, p.out)
	return s.Serve(ctx)
}

// sayCodes says the code of the moment whenever somebody presses Enter, until there is nothing more to read. A code is good for
// the 30 seconds after its own, too (RFC 6238 §5.2): who presses late still has time to type it.
func (who seeded) sayCodes(in io.Reader, out io.Writer) {
	secret, err := base32.StdEncoding.DecodeString(who.totp)
	for lines := bufio.NewScanner(in); err == nil && lines.Scan(); {
		var code string
		now := time.Now()
		if code, err = mfa.CodeNow(secret, now); err == nil {
			fmt.Fprintf(out, "The code is %s for the next %d seconds.\n", code, 60-now.Unix()%30)
		}
	}
}

const (
	demoUser   = "ada@example.com"
	demoClient = "demo"
	demoLists  = "demo-lists"
	demoNative = "demo-native"
	demoScope  = "openid profile email offline_access devices"
)

// demoRedirects are where the sample apps hear of a sign-in: on the stage, alone, and in the page that shows the tokens.
var demoRedirects = []string{"http://localhost/callback", "http://localhost/phone.html", "http://localhost/tokens/callback"}

// seeded is what someone needs to know to sign in to the demo.
type seeded struct {
	id       identity.ID
	password string
	totp     string // Base32
}

// seed makes what is missing: the user with an authenticator, and two apps. The password is a new one at every start, so
// that none is known beforehand; who was signed in with the old one is signed out.
func (o opened) seed(ctx context.Context) (seeded, error) {
	who := seeded{password: newPassword()}
	user, err := o.seedUser(ctx, who.password)
	if err != nil {
		return who, err
	}
	who.id = user.ID
	if who.totp, err = o.seedFactor(ctx, user.ID); err != nil {
		return who, err
	}
	for _, c := range []newClient{
		// Loopback redirects match on any port (RFC 8252 §7.3), so --app-listen may change.
		{id: demoClient, trusted: true, Metadata: identity.Metadata{
			Name: "Notes", RedirectURIs: demoRedirects, PostLogoutRedirectURIs: []string{"http://localhost/"},
		}},
		{id: demoLists, trusted: true, Metadata: identity.Metadata{Name: "Lists", RedirectURIs: demoRedirects}},
		{id: demoNative, Metadata: identity.Metadata{Name: "Notes for the terminal", RedirectURIs: []string{"http://127.0.0.1/callback"}}},
	} {
		if err := o.seedClient(ctx, c); err != nil {
			return who, err
		}
	}
	return who, nil
}

func (o opened) seedUser(ctx context.Context, password string) (identity.User, error) {
	user, err := o.db.UserByEmail(ctx, demoUser)
	if identity.KindOf(err) == identity.NotFound {
		return o.users().Add(ctx, identity.NewUser{Email: demoUser, EmailVerified: true, Name: "Ada Lovelace", Password: password})
	}
	if err != nil {
		return user, err
	}
	return user, o.renewPassword(ctx, user.ID, password)
}

// renewPassword changes a password without an Event: nobody wants a mail about it at every start of a demo.
func (o opened) renewPassword(ctx context.Context, userID identity.ID, password string) error {
	hash, err := o.users().Passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	return o.db.InTx(ctx, func(ctx context.Context) error {
		if _, err := o.db.End(ctx, identity.Ending{User: userID, Cause: identity.EndPassword}); err != nil {
			return err
		}
		return o.db.WritePassword(ctx, userID, hash)
	})
}

// seedFactor keeps the authenticator of an earlier start: it may be in someone's phone by now.
func (o opened) seedFactor(ctx context.Context, userID identity.ID) (string, error) {
	factor, err := o.db.TOTPOf(ctx, userID)
	if identity.KindOf(err) == identity.NotFound {
		factor.Secret = make([]byte, 20) // RFC 4226 §4 R6
		_, _ = rand.Read(factor.Secret)
		err = o.totp().Import(ctx, userID, factor.Secret)
	}
	return base32.StdEncoding.EncodeToString(factor.Secret), err
}

func (o opened) seedClient(ctx context.Context, n newClient) error {
	n.public, n.Scope, n.ApplicationType = true, demoApps, "native"
	yes := true
	n.IDTokenProfile = &yes // so that an app can greet people without asking userinfo
	c, err := n.client()
	if err != nil {
		return err
	}
	if _, err := o.operators().AddClient(ctx, c); identity.KindOf(err) != identity.Conflict {
		return err
	}
	// An earlier start made it, maybe one of an earlier version.
	_, _, err = o.operators().UpdateClient(ctx, c.ID, func(before identity.Client) (identity.Client, error) {
		before.Metadata, before.Trusted = c.Metadata, c.Trusted
		return before, nil
	})
	return err
}

// usualIssuer is where the examples look for a server.
const usualIssuer = "http://localhost:8080"

// banner says how to go on. The examples look for the usual server unless they are told.
func (who seeded) banner(issuer, app string) string {
	at := ""
	if issuer != usualIssuer {
		at = " -issuer " + issuer
	}
	return fmt.Sprintf(`Sojourn's demo is running. Ctrl-C stops it.

  Open      %s/  (two phones with Notes, a sample app)
  Sign in   %s
  Password  %s  (a new one at every start)
  Code      press Enter here: it appears
            or an authenticator app with the secret %s, or: oathtool --totp --base32 %s

  Try       go run ./examples/nativeapp%[8]s   a terminal app signs you in
            go run ./examples/thirdparty%[8]s  an app registers itself first
            go run ./examples/api%[8]s         an API; the terminal app calls it with -api http://127.0.0.1:8091/notes
            %[6]s/signup  an account of your own
  Mails     appear here; none is sent
  Kept in   %[7]s/, where commands find it by
            go run ./cmd/sojourn --database sqlite:%[7]s/sojourn.db user list

`, app, demoUser, who.password, who.totp, who.totp, issuer, demoFolder, at)
}
