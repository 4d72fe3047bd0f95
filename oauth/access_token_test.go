package oauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// references makes a client one whose access tokens are sealed pointers.
func references(c *identity.Client) { c.AccessFormat = "reference" }

// minted is a reference token of a Session as we would make it, changed; the refresh token tells the Session's secret.
func (s *stage) minted(got told, change func(*identity.AccessToken)) string {
	s.Helper()
	t, err := s.keys.ReadRefresh(got.RefreshToken)
	if err != nil {
		s.Fatal(err)
	}
	token := identity.AccessToken{
		SessionID: t.SessionID, Secret: t.Secret, ID: identity.NewID(), IssuedAt: s.now(), Expires: s.now().Add(time.Minute),
		ClientID: s.session(got).ClientID, Audience: issuer,
	}
	change(&token)
	text, err := s.keys.AccessText(token)
	if err != nil {
		s.Fatal(err)
	}
	return text
}

func TestReference_tellsWhatAJWTWould(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, c := s.app(s.confidential), s.app(references)
		tokens := s.beginWith(c, "openid email offline_access")
		if !strings.HasPrefix(tokens.AccessToken, "sj_at_") || tokens.ExpiresIn != 600 || tokens.IDToken == "" {
			t.Fatalf("answered %+v", tokens)
		}
		row, got := s.session(tokens), s.introspect(asker, tokens.AccessToken).json
		want := map[string]any{
			"active": true, "scope": "openid email offline_access", "client_id": c.ID, "username": "ada@example.com",
			"token_type": "Bearer", "sub": s.user.Sub, "aud": issuer, "iss": issuer, "jti": got["jti"],
			"sid": row.ID.String(), "acr": "pwd", "auth_time": float64(row.AuthTime.Unix()),
			"iat": float64(s.now().Unix()), "exp": float64(s.now().Add(10 * time.Minute).Unix()),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if again := s.post(refreshing(c, tokens.RefreshToken)); got["jti"] == "" || s.introspect(asker, again.AccessToken).json["jti"] == got["jti"] {
			t.Error("two tokens have one jti")
		}
		about := s.userinfo(tokens.AccessToken).want(http.StatusOK)
		if diff := cmp.Diff(map[string]any{"sub": s.user.Sub, "email": "ada@example.com", "email_verified": true}, about.json); diff != "" {
			t.Error(diff)
		}
	})
}

func TestReference_isDeadTheMomentItsSessionIs(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *stage, c identity.Client, tokens told) error{
		"its Session": func(s *stage, _ identity.Client, tokens told) error {
			_, err := s.db.End(s.Context(), identity.Ending{Session: s.session(tokens).ID, Cause: identity.EndOperator})
			return err
		},
		"a new password": func(s *stage, _ identity.Client, _ told) error {
			return storagetest.SetPassword(s.Context(), s.db, s.user.ID, "another hash")
		},
		"its client": func(s *stage, c identity.Client, _ told) error { return s.db.DeleteClient(s.Context(), c.ID) },
		"its time":   func(s *stage, _ identity.Client, _ told) error { s.pass(10 * time.Minute); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onStage(t, func(s *stage) {
				asker, c := s.app(s.confidential), s.app(references)
				tokens := s.begin(c)
				s.pass(9*time.Minute + 59*time.Second)
				s.active(asker, tokens.AccessToken)
				s.userinfo(tokens.AccessToken).want(http.StatusOK)
				if err := end(s, c, tokens); err != nil {
					t.Fatal(err)
				}
				s.inactive(asker, tokens.AccessToken)
				s.userinfo(tokens.AccessToken).refused(http.StatusUnauthorized, "invalid_token")
			})
		})
	}
}

// DESIGN §2: our key alone mints nothing.
func TestReference_theSessionsSecretIsNeededBesideOurKey(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, c := s.app(s.confidential), s.app(references)
		tokens := s.begin(c)
		s.active(asker, s.minted(tokens, func(*identity.AccessToken) {}))
		for name, change := range map[string]func(*identity.AccessToken){
			"another secret":  func(a *identity.AccessToken) { a.Secret = identity.NewSecret() },
			"no secret":       func(a *identity.AccessToken) { a.Secret = identity.Secret{} },
			"another Session": func(a *identity.AccessToken) { a.SessionID = identity.NewID() },
			"another client":  func(a *identity.AccessToken) { a.ClientID = asker.ID },
			"expired":         func(a *identity.AccessToken) { a.Expires = s.now() },
		} {
			forged := s.minted(tokens, change)
			if got := s.introspect(asker, forged); got.body != `{"active":false}` {
				t.Errorf("%s: told %s", name, got.body)
			}
			s.userinfo(forged).refused(http.StatusUnauthorized, "invalid_token")
		}
	})
}

func TestReference_narrowerScopeHolds(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, c := s.app(s.confidential), s.app(references)
		tokens := s.beginWith(c, "openid email files offline_access")
		narrow := s.post(refreshing(c, tokens.RefreshToken, "scope", "files"))
		s.good(narrow)
		if got := s.introspect(asker, narrow.AccessToken).json; got["scope"] != "files" || got["username"] != nil {
			t.Errorf("told %v", got)
		}
		s.userinfo(narrow.AccessToken).refused(http.StatusForbidden, "insufficient_scope")
		wide := s.post(refreshing(c, narrow.RefreshToken))
		if got := s.introspect(asker, wide.AccessToken).json; got["scope"] != wide.Scope || len(wide.Scope) < len("openid email") {
			t.Errorf("the Session's scope became %q, told %v", wide.Scope, got)
		}
	})
}

// RFC 7009 §2.1: the token alone; its Session goes on.
func TestReference_revocationIsOfTheTokenAlone(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, c := s.app(s.confidential), s.app(references)
		tokens := s.begin(c)
		s.revoke(s.app(), tokens.AccessToken).refused(http.StatusBadRequest, "invalid_grant")
		s.active(asker, tokens.AccessToken)
		s.revoke(c, tokens.AccessToken).gone()
		s.inactive(asker, tokens.AccessToken)
		s.userinfo(tokens.AccessToken).refused(http.StatusUnauthorized, "invalid_token")
		fresh := s.post(refreshing(c, tokens.RefreshToken))
		s.good(fresh)
		s.active(asker, fresh.AccessToken)
	})
}

func TestReference_ofAClientForItselfLivesAsLongAsTheClient(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, c := s.app(s.confidential), s.app(s.confidential, references)
		own := func() string {
			got := s.post(url.Values{"grant_type": {"client_credentials"}, "scope": {"files"}}, asClient(c, clientSecret))
			s.good(got)
			return got.AccessToken
		}
		token := own()
		got := s.introspect(asker, token).json
		want := map[string]any{
			"active": true, "scope": "files", "client_id": c.ID, "sub": c.ID, "aud": issuer, "iss": issuer, "token_type": "Bearer",
			"jti": got["jti"], "iat": float64(s.now().Unix()), "exp": float64(s.now().Add(10 * time.Minute).Unix()),
		}
		if diff := cmp.Diff(want, got); diff != "" || !strings.HasPrefix(token, "sj_at_") {
			t.Errorf("%q: %s", token, diff)
		}
		s.userinfo(token).refused(http.StatusForbidden, "insufficient_scope")
		revoked := own()
		s.askForm(revokeAt, url.Values{"token": {revoked}}, asClient(c, clientSecret)).gone()
		s.inactive(asker, revoked)
		s.active(asker, token)
		if err := s.db.DeleteClient(t.Context(), c.ID); err != nil {
			t.Fatal(err)
		}
		s.inactive(asker, token)
	})
}

func TestReference_scopesThatFitInNoTokenAreRefused(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		long := strings.Repeat("s", 1600)
		c := s.app(s.confidential, references, func(c *identity.Client) { c.Scope = long })
		form := url.Values{"grant_type": {"client_credentials"}, "scope": {long}}
		s.bad(s.post(form, asClient(c, clientSecret)), 400, "invalid_request", "stop")
	})
}

// RFC 9449 §6.2: the resource server learns whose proof must come with the token.
func TestIntrospect_namesTheKeyOfABoundToken(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, tokens := s.app(s.confidential), s.begin(s.app(references))
		key := identity.Thumbprint{1, 2, 3}
		bound := s.minted(tokens, func(a *identity.AccessToken) { a.Key = key })
		got := s.introspect(asker, bound).json
		if diff := cmp.Diff(map[string]any{"jkt": key.String()}, got["cnf"]); diff != "" || got["token_type"] != "DPoP" {
			t.Errorf("told %v", got)
		}
	})
}

func TestReference_databaseAwayIsNoVerdict(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, tokens := s.app(s.confidential), s.begin(s.app(references))
		s.pass(2 * time.Second)
		s.active(asker, tokens.AccessToken)
		s.askForm(introspectAt, url.Values{"token": {tokens.AccessToken}}, asClient(asker, clientSecret), tooLate).away()
	})
}
