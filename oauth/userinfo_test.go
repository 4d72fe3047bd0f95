package oauth_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

const userinfoAt = "/oauth2/userinfo"

func (s *stage) userinfo(token string, edit ...func(*http.Request)) reply {
	s.Helper()
	return s.ask(changedRequest(httptest.NewRequest(http.MethodGet, userinfoAt, nil), append(edit, bearer(token))))
}

// beginWith signs the person in to a client with these scopes and returns the access token.
func (s *stage) beginWith(c identity.Client, scope string) told {
	s.Helper()
	got := s.post(redeeming(c, s.code(asking(c, "scope", scope), s.signIn(s.user))))
	s.good(got)
	return got
}

func TestUserinfo_tellsWhatTheScopesAllow(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		updated := float64(s.user.UpdatedAt.Unix())
		for scope, want := range map[string]map[string]any{
			"openid":               {"sub": s.user.Sub},
			"openid profile":       {"sub": s.user.Sub, "name": "Ada", "updated_at": updated},
			"openid email":         {"sub": s.user.Sub, "email": "ada@example.com", "email_verified": true},
			"openid profile email": {"sub": s.user.Sub, "name": "Ada", "updated_at": updated, "email": "ada@example.com", "email_verified": true},
		} {
			got := s.userinfo(s.beginWith(c, scope).AccessToken).want(http.StatusOK)
			if diff := cmp.Diff(want, got.json); diff != "" {
				t.Errorf("%s: %s", scope, diff)
			}
		}
	})
}

func TestUserinfo_takesTheTokenFromHeaderOrForm(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		token := s.begin(s.app()).AccessToken
		form := url.Values{"access_token": {token}}
		post := func(kind, body string, edit ...func(*http.Request)) reply {
			r := httptest.NewRequest(http.MethodPost, userinfoAt, strings.NewReader(body))
			r.Header.Set("Content-Type", kind)
			return s.ask(changedRequest(r, edit))
		}
		const formKind = "application/x-www-form-urlencoded"
		post("", "", bearer(token)).want(http.StatusOK)
		post(formKind, "", bearer(token)).want(http.StatusOK)
		post("application/json", "{}", bearer(token)).want(http.StatusOK)
		post(formKind, form.Encode()).want(http.StatusOK)
		s.ask(changedRequest(httptest.NewRequest(http.MethodGet, userinfoAt, nil), []func(*http.Request){func(r *http.Request) {
			r.Header.Set("Authorization", "bearer  "+token)
		}})).want(http.StatusOK)

		post(formKind, form.Encode(), bearer(token)).refused(http.StatusBadRequest, "invalid_request")
		post(formKind, form.Encode()+"&"+form.Encode()).refused(http.StatusBadRequest, "invalid_request")
		post(formKind, "access_token=%ff%00").refused(http.StatusBadRequest, "invalid_request")
		post(formKind, "access_token="+strings.Repeat("x", 65<<10)).refused(http.StatusRequestEntityTooLarge, "invalid_request")
		post("application/json", `{"access_token":"`+token+`"}`).refused(http.StatusUnauthorized, "invalid_token")
	})
}

func TestUserinfo_neverTakesTheTokenFromTheAddress(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		token := s.begin(s.app()).AccessToken
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			for _, edit := range []func(*http.Request){func(*http.Request) {}, bearer(token)} {
				r := httptest.NewRequest(method, userinfoAt+"?access_token="+token, nil)
				got := s.ask(changedRequest(r, []func(*http.Request){edit})).refused(http.StatusBadRequest, "invalid_request")
				if strings.Contains(got.body, token) {
					t.Error("the token is repeated")
				}
			}
		}
	})
}

func TestUserinfo_challengesAsRFC6750Says(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		challenge := func(got reply) string { return got.header.Get("WWW-Authenticate") }
		none := s.ask(httptest.NewRequest(http.MethodGet, userinfoAt, nil)).refused(http.StatusUnauthorized, "invalid_token")
		if !strings.HasPrefix(challenge(none), bareBearer+`, scope="openid", resource_metadata="`) || strings.Contains(challenge(none), "error") {
			t.Errorf("without a token: %s", challenge(none))
		}
		wrong := s.userinfo("x").refused(http.StatusUnauthorized, "invalid_token")
		if !strings.HasPrefix(challenge(wrong), `Bearer realm="`+issuer+`", error="invalid_token", error_description="`) {
			t.Errorf("with a wrong token: %s", challenge(wrong))
		}
		narrow := s.userinfo(s.beginWith(s.app(), "email").AccessToken).refused(http.StatusForbidden, "insufficient_scope")
		if !strings.Contains(challenge(narrow), `error="insufficient_scope"`) || !strings.Contains(challenge(narrow), `, scope="openid"`) {
			t.Errorf("without the scope: %s", challenge(narrow))
		}
		c := s.app(s.confidential)
		own := s.post(url.Values{"grant_type": {"client_credentials"}, "scope": {"files"}}, asClient(c, clientSecret))
		s.userinfo(own.AccessToken).refused(http.StatusForbidden, "insufficient_scope")
	})
}

func TestUserinfo_refusesWhatIsOverOrNoAccessToken(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		tokens := s.begin(c)
		for _, token := range []string{tokens.IDToken, tokens.RefreshToken, tokens.AccessToken + "x", "a.b.c", "\xff", strings.Repeat("x", 20<<10)} {
			s.userinfo(token).refused(http.StatusUnauthorized, "invalid_token")
		}
		twice := httptest.NewRequest(http.MethodGet, userinfoAt, nil)
		twice.Header.Add("Authorization", "Bearer "+tokens.AccessToken)
		twice.Header.Add("Authorization", "Bearer "+tokens.AccessToken)
		s.ask(twice).refused(http.StatusUnauthorized, "invalid_token")

		s.userinfo(tokens.AccessToken).want(http.StatusOK)
		s.pass(10 * time.Minute)
		s.userinfo(tokens.AccessToken).refused(http.StatusUnauthorized, "invalid_token")
		next := s.post(refreshing(c, tokens.RefreshToken))
		s.userinfo(next.AccessToken).want(http.StatusOK)
		if _, err := s.db.End(t.Context(), identity.Ending{Session: s.session(next).ID, Cause: identity.EndOperator}); err != nil {
			t.Fatal(err)
		}
		s.userinfo(next.AccessToken).refused(http.StatusUnauthorized, "invalid_token")
	})
}

func TestUserinfo_wrongMethod(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		token := s.begin(s.app()).AccessToken
		for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch} {
			r := changedRequest(httptest.NewRequest(method, userinfoAt, nil), []func(*http.Request){bearer(token)})
			got := s.ask(r).refused(http.StatusMethodNotAllowed, "invalid_request")
			if got.header.Get("Allow") != "GET, POST, OPTIONS" {
				t.Errorf("%s: Allow is %q", method, got.header.Get("Allow"))
			}
		}
	})
}

func TestUserinfo_databaseAway(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		token := s.begin(s.app()).AccessToken
		r := changedRequest(httptest.NewRequest(http.MethodGet, userinfoAt, nil), []func(*http.Request){bearer(token), tooLate})
		s.ask(r).away()
		s.userinfo(token).want(http.StatusOK)
	})
}
