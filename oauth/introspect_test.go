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

const introspectAt = "/oauth2/introspect"

// introspect asks about a token as a client with a secret.
func (s *stage) introspect(asker identity.Client, token string, pairs ...string) reply {
	s.Helper()
	form := changed(url.Values{"token": {token}}, pairs)
	return s.askForm(introspectAt, form, asClient(asker, clientSecret)).want(http.StatusOK)
}

func (s *stage) inactive(asker identity.Client, token string) {
	s.Helper()
	if got := s.introspect(asker, token); got.body != `{"active":false}` {
		s.Errorf("told %s", got.body)
	}
}

func (s *stage) active(asker identity.Client, token string) {
	s.Helper()
	if got := s.introspect(asker, token); got.json["active"] != true {
		s.Errorf("told %s", got.body)
	}
}

func TestIntrospect_accessTokenOfASession(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, c := s.app(s.confidential), s.app()
		tokens := s.post(redeeming(c, s.code(asking(c, "scope", "openid email offline_access"), s.signIn(s.user))))
		s.good(tokens)
		row := s.session(tokens)
		_, claims := s.decode(tokens.AccessToken)
		want := map[string]any{
			"active": true, "scope": "openid email offline_access", "client_id": c.ID, "username": "ada@example.com",
			"token_type": "Bearer", "sub": s.user.Sub, "aud": issuer, "iss": issuer, "jti": claims["jti"],
			"sid": row.ID.String(), "acr": "pwd", "auth_time": float64(row.AuthTime.Unix()),
			"iat": float64(s.now().Unix()), "exp": float64(s.now().Add(10 * time.Minute).Unix()),
		}
		for _, hint := range []string{"", "access_token", "refresh_token", "nonsense"} {
			if diff := cmp.Diff(want, s.introspect(asker, tokens.AccessToken, "token_type_hint", hint).json); diff != "" {
				t.Errorf("hint %q: %s", hint, diff)
			}
		}
	})
}

func TestIntrospect_namesNobodyWithoutTheScopeEmail(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, tokens := s.app(s.confidential), s.begin(s.app())
		if got := s.introspect(asker, tokens.AccessToken); got.json["username"] != nil || strings.Contains(got.body, "ada@") {
			t.Errorf("told %s", got.body)
		}
	})
}

func TestIntrospect_refreshTokenIsNoAccessToken(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, c := s.app(s.confidential), s.app()
		tokens := s.begin(c)
		row := s.session(tokens)
		want := map[string]any{
			"active": true, "scope": "openid offline_access", "client_id": c.ID, "token_type": "refresh_token",
			"sub": s.user.Sub, "iss": issuer, "sid": row.ID.String(), "acr": "pwd",
			"auth_time": float64(row.AuthTime.Unix()), "exp": float64(row.EndsAt.Unix()),
		}
		if diff := cmp.Diff(want, s.introspect(asker, tokens.RefreshToken).json); diff != "" {
			t.Error(diff)
		}
	})
}

// Asking about a refresh token moves nothing, and says what presenting it would bring.
func TestIntrospect_refreshTokenIsActiveWhileItWouldBringTokens(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, c := s.app(s.confidential), s.app()
		first := s.begin(c)
		second := s.post(refreshing(c, first.RefreshToken))
		s.active(asker, first.RefreshToken) // the answer may have been lost: it would fork
		s.active(asker, second.RefreshToken)
		third := s.post(refreshing(c, second.RefreshToken))
		s.inactive(asker, first.RefreshToken) // it would be reuse
		s.active(asker, second.RefreshToken)
		s.active(asker, third.RefreshToken)
		s.good(s.post(refreshing(c, third.RefreshToken)))
	})
}

func TestIntrospect_nothingSaysWhenTheFamilyLastRefreshed(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, c := s.app(s.confidential), s.app()
		first := s.begin(c)
		before := s.introspect(asker, first.RefreshToken).body
		s.pass(time.Hour)
		s.good(s.post(refreshing(c, first.RefreshToken)))
		if after := s.introspect(asker, first.RefreshToken).body; after != before {
			t.Errorf("told %s, then %s", before, after)
		}
	})
}

func TestIntrospect_whoMayAsk(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		tokens := s.begin(c)
		own := s.app(s.confidential, selfRegistered)
		ownToken := s.post(url.Values{"grant_type": {"client_credentials"}}, asClient(own, clientSecret)).AccessToken
		operators := s.app(s.confidential)

		s.active(operators, tokens.AccessToken)
		s.active(operators, ownToken)
		s.active(own, ownToken)
		s.inactive(own, tokens.AccessToken)
		s.inactive(own, tokens.RefreshToken)

		s.askForm(introspectAt, url.Values{"token": {tokens.AccessToken}, "client_id": {c.ID}}).
			refused(http.StatusUnauthorized, "invalid_client")
		s.askForm(introspectAt, url.Values{"token": {tokens.AccessToken}}, bearer(tokens.AccessToken)).
			refused(http.StatusUnauthorized, "invalid_client")
		s.askForm(introspectAt, url.Values{"token": {tokens.AccessToken}}, asClient(operators, "wrong")).
			refused(http.StatusUnauthorized, "invalid_client")
	})
}

func TestIntrospect_whatEndsAToken(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *stage, c identity.Client, tokens told) error{
		"its Session": func(s *stage, _ identity.Client, tokens told) error {
			_, err := s.db.EndSession(s.Context(), s.session(tokens).ID, identity.EndOperator)
			return err
		},
		"a new password": func(s *stage, _ identity.Client, _ told) error {
			return storagetest.SetPassword(s.Context(), s.db, s.user.ID, "another hash")
		},
		"its client": func(s *stage, c identity.Client, _ told) error { return s.db.DeleteClient(s.Context(), c.ID) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onStage(t, func(s *stage) {
				asker, c := s.app(s.confidential), s.app()
				tokens := s.begin(c)
				s.active(asker, tokens.AccessToken)
				if err := end(s, c, tokens); err != nil {
					t.Fatal(err)
				}
				s.inactive(asker, tokens.AccessToken)
				s.inactive(asker, tokens.RefreshToken)
			})
		})
	}
}

func TestIntrospect_lockedPersonsTokensAreInactive(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, tokens := s.app(s.confidential), s.begin(s.app())
		w := s.witnessed(t)
		s.active(asker, tokens.AccessToken)
		w.locked = true
		s.inactive(asker, tokens.AccessToken)
		s.inactive(asker, tokens.RefreshToken)
		s.userinfo(tokens.AccessToken).refused(http.StatusUnauthorized, "invalid_token")
	})
}

func TestIntrospect_timeEndsATokenOnTheSecond(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, c := s.app(s.confidential), s.app()
		tokens := s.begin(c)
		s.pass(10*time.Minute - time.Second)
		s.active(asker, tokens.AccessToken)
		s.pass(time.Second)
		s.inactive(asker, tokens.AccessToken)
		s.pass(30*24*time.Hour - 10*time.Minute - time.Second)
		s.active(asker, tokens.RefreshToken)
		s.pass(time.Second)
		s.inactive(asker, tokens.RefreshToken)
	})
}

func TestIntrospect_tokenOfADeletedClientThatGotItForItself(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, c := s.app(s.confidential), s.app(s.confidential)
		token := s.post(url.Values{"grant_type": {"client_credentials"}}, asClient(c, clientSecret)).AccessToken
		s.active(asker, token)
		if err := s.db.DeleteClient(t.Context(), c.ID); err != nil {
			t.Fatal(err)
		}
		s.inactive(asker, token)
	})
}

func TestIntrospect_whatIsNoTokenOfOurs(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, c := s.app(s.confidential), s.app()
		tokens := s.begin(c)
		code := s.code(asking(c), s.signIn(s.user))
		row, secret := s.session(tokens), identity.NewSecret()
		for _, token := range []string{
			s.keys.RefreshText(identity.NewRefreshToken(row.ID, secret, c.ID)), // our key alone makes no token
			s.keys.RefreshText(identity.NewRefreshToken(identity.NewID(), secret, c.ID)),
			"x", "sj_rt_", "sj_rt_AAAA", strings.Repeat("x", 60<<10), "a.b.c", "ä", code, tokens.IDToken,
			tokens.AccessToken + "x", tokens.AccessToken[1:], tokens.RefreshToken + "A", strings.ToUpper(tokens.RefreshToken),
			"eyJhbGciOiJub25lIn0." + strings.Split(tokens.AccessToken, ".")[1] + ".",
		} {
			s.inactive(asker, token)
		}
		s.askForm(introspectAt, url.Values{}, asClient(asker, clientSecret)).refused(http.StatusBadRequest, "invalid_request")
	})
}

func TestIntrospect_badInput(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) { s.badForms(introspectAt) })
}

func TestIntrospect_databaseAway(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		asker, tokens := s.app(s.confidential), s.begin(s.app())
		s.pass(2 * time.Second)
		s.active(asker, tokens.AccessToken) // and the client is known from memory for a second
		for _, token := range []string{tokens.AccessToken, tokens.RefreshToken} {
			s.askForm(introspectAt, url.Values{"token": {token}}, asClient(asker, clientSecret), tooLate).away()
		}
	})
}
