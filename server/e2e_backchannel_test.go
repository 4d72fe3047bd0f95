package server

import (
	"context"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

// endings are what ends a Session, each as the person, the app or the operator does it.
var endings = map[string]func(t *testing.T, c *channel, got tokens, s identity.Session){
	"the person ends the device": func(t *testing.T, c *channel, _ tokens, s identity.Session) {
		err := identity.Devices{Store: c.w.db, Now: c.w.now}.End(t.Context(), identity.From{UserID: s.UserID}, s.ID)
		if err != nil {
			t.Fatal(err)
		}
	},
	"reuse": func(t *testing.T, c *channel, got tokens, _ identity.Session) {
		next := c.app.tokens(t, c.refresh(t, got.RefreshToken))
		c.app.tokens(t, c.refresh(t, next.RefreshToken))
		if r := c.refresh(t, got.RefreshToken); r.Error != "invalid_grant" {
			t.Fatalf("reuse: %d %s", r.status, r.body)
		}
	},
	"revoke": func(t *testing.T, c *channel, got tokens, _ identity.Session) {
		if r := c.form(t, "/oauth2/revoke", "token", got.RefreshToken); r.status != http.StatusOK {
			t.Fatalf("revoke: %d %s", r.status, r.body)
		}
	},
	"password change": func(t *testing.T, c *channel, _ tokens, s identity.Session) {
		standing, err := c.w.db.StandingOf(t.Context(), s.SignInID)
		if err != nil {
			t.Fatal(err)
		}
		change := identity.CredentialChange{Cause: identity.EndPassword, Event: identity.PasswordChanged}
		_, err = identity.Credentials{Store: c.w.db, Keys: c.w.keys, Passwords: c.w.passwords, Now: c.w.now}.
			Change(t.Context(), standing, change, func(context.Context) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
	},
	"the operator": func(t *testing.T, c *channel, _ tokens, s identity.Session) { c.end(t, s) },
}

func TestBackChannel_everyEndingIsToldAtOnceAndVerified(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		alg := map[string]func(*app){"RS256": func(*app) {}, "ES256": withES256, "EdDSA": withEdDSA}
		for i, name := range slices.Sorted(maps.Keys(endings)) {
			chosen := slices.Sorted(maps.Keys(alg))[i%len(alg)]
			t.Run(name+", "+chosen, func(t *testing.T) {
				c := w.channel(t, nil, alg[chosen])
				got, s := c.session(t, w.person(t))
				endings[name](t, c, got, s)
				token := c.heard(t)
				if sid := c.verified(t, token); sid != s.ID || headerOf(t, token)["alg"] != chosen {
					t.Errorf("told of %s with %v, want %s", sid, headerOf(t, token)["alg"], s.ID)
				}
			})
		}
	})
}

// TestJose_verifiesALogoutToken has the token read by a library in another language.
func TestJose_verifiesALogoutToken(t *testing.T) {
	t.Parallel()
	node, dir := foreignClient(t)
	for name, change := range map[string]func(*app){"RS256": func(*app) {}, "ES256": withES256, "EdDSA": withEdDSA} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, storage.SQLite)
			c := w.channel(t, nil, change)
			s := c.row(t, w.person(t))
			c.end(t, s)
			cmd := exec.CommandContext(t.Context(), node, "backchannel.mjs")
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "ISSUER="+w.issuer, "CLIENT_ID="+c.client.ID, "LOGOUT_TOKEN="+c.heard(t))
			out, err := cmd.CombinedOutput()
			if err != nil || strings.TrimSpace(string(out)) != s.ID.String() {
				t.Errorf("jose: %v\n%s", err, out)
			}
		})
	}
}
