package main

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"strings"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	demoUser   = "ada@example.com"
	demoClient = "demo"
	demoNative = "demo-native"
	demoScope  = "openid profile email offline_access"
)

// seeded is what someone needs to know to sign in to the demo.
type seeded struct {
	password string
	totp     string // Base32
}

// seed makes what is missing: the user with an authenticator, and two apps. The password is a new one at every start, so
// that none is known beforehand; who was signed in with the old one is signed out.
func (o opened) seed(ctx context.Context) (seeded, error) {
	text := strings.ToLower(rand.Text())
	who := seeded{password: strings.Join([]string{text[:4], text[4:8], text[8:12], text[12:16]}, "-")}
	user, err := o.seedUser(ctx, who.password)
	if err != nil {
		return who, err
	}
	if who.totp, err = o.seedFactor(ctx, user.ID); err != nil {
		return who, err
	}
	for _, c := range []newClient{
		// Loopback redirects match on any port (RFC 8252 §7.3), so --app-listen may change.
		{id: demoClient, Metadata: identity.Metadata{
			Name: "Notes", RedirectURIs: []string{"http://localhost/callback"}, PostLogoutRedirectURIs: []string{"http://localhost/"},
		}},
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
		if _, err := o.db.RaiseEpoch(ctx, userID); err != nil {
			return err
		}
		if err := o.db.WritePassword(ctx, userID, hash); err != nil {
			return err
		}
		_, err := o.db.EndUser(ctx, identity.UserEnding{UserID: userID, Cause: identity.EndPassword})
		return err
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
	n.public, n.Scope, n.ApplicationType = true, demoScope, "native"
	n.IDTokenProfile = true // so that an app can greet people without asking userinfo
	c, err := n.client(o.db.Now())
	if err != nil {
		return err
	}
	if err := o.operators().AddClient(ctx, c); identity.KindOf(err) != identity.Conflict {
		return err
	}
	// An earlier start made it, maybe one of an earlier version.
	before, err := o.db.ClientByID(ctx, c.ID)
	if err != nil {
		return err
	}
	before.Metadata = c.Metadata
	return o.db.UpdateClient(ctx, before)
}

func (who seeded) banner(issuer, app string) string {
	return fmt.Sprintf(`Sojourn's demo is running. Ctrl-C stops it.

  Open      %s/  (Notes, a sample app)
  Sign in   %s
  Password  %s  (a new one at every start)
  Code      from an authenticator app with the secret %s
            or: oathtool --totp --base32 %s

  Try       go run ./examples/nativeapp   a terminal app signs you in
            go run ./examples/thirdparty  an app registers itself first
            %s/signup  an account of your own
  Mails     appear here; none is sent
  Kept in   %s/

`, app, demoUser, who.password, who.totp, who.totp, issuer, demoFolder)
}
