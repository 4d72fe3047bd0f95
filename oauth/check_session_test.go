package oauth_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

// stateOf is the cookie that a browser has beside the sign-in cookie.
func (s *stage) stateOf(c *http.Cookie) *http.Cookie {
	s.Helper()
	return &http.Cookie{Name: identity.StateCookie, Value: s.standing(c).BrowserState()}
}

func TestSessionState_isWhatTheFrameComputes(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(func(c *identity.Client) { c.RedirectURIs = []string{"https://APP.example:443/cb?x=1"} })
		cookie := s.signIn(s.user)
		state := s.stateOf(cookie)
		_, q := s.location(s.authorize(asking(c), cookie, state))
		sum, salt, ok := strings.Cut(q.Get("session_state"), ".")
		want := sha256.Sum256([]byte(c.ID + " https://app.example " + state.Value + " " + salt))
		if !ok || salt == "" || sum != hex.EncodeToString(want[:]) {
			t.Errorf("session_state is %q", q.Get("session_state"))
		}
		if strings.Contains(q.Get("session_state"), " ") {
			t.Error("it holds a space")
		}
		_, again := s.location(s.authorize(asking(c), cookie, state))
		if again.Get("session_state") == q.Get("session_state") {
			t.Error("the salt is always the same")
		}
	})
}

func TestSessionState_onlyWhereItCanBeCompared(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		web := s.app(func(c *identity.Client) { c.RedirectURIs = []string{"https://app.example/cb"} })
		native := s.app()
		cookie := s.signIn(s.user)
		state := s.stateOf(cookie)
		other := &http.Cookie{Name: identity.StateCookie, Value: "of another sign-in"}
		for name, resp := range map[string]*http.Response{
			"an app on a device":             s.authorize(asking(native), cookie, state),
			"a browser that keeps no cookie": s.authorize(asking(web), cookie),
			"a cookie of a sign-in before":   s.authorize(asking(web), cookie, other),
			"an error":                       s.authorize(asking(web, "prompt", "none"), state),
			"an error of someone signed in":  s.authorize(asking(web, "scope", "nonsense"), cookie, state),
		} {
			if _, q := s.location(resp); q.Has("session_state") {
				t.Errorf("%s: told %q", name, q.Get("session_state"))
			}
		}
	})
}

// Any origin may frame the page; it runs our script and nothing else.
func TestCheckSession_servesItsPageAndScript(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		for path, is := range map[string]struct{ kind, holds string }{
			"/oauth2/check_session":    {"text/html; charset=utf-8", `src="check_session.js"`},
			"/oauth2/check_session.js": {"text/javascript; charset=utf-8", "postMessage"},
		} {
			w := httptest.NewRecorder()
			w.Header().Set("Content-Security-Policy", "frame-ancestors 'none'") // as on every other page
			s.server.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			if w.Code != http.StatusOK || w.Header().Get("Content-Type") != is.kind || !strings.Contains(w.Body.String(), is.holds) {
				t.Errorf("%s: answered %d %s", path, w.Code, w.Header().Get("Content-Type"))
			}
			if policy := w.Header().Get("Content-Security-Policy"); strings.HasSuffix(path, "n") && (strings.Contains(policy, "frame-ancestors") ||
				!strings.Contains(policy, "script-src 'self'")) {
				t.Errorf("%s: the policy is %q", path, policy)
			}
			if resp := s.send(httptest.NewRequest(http.MethodPost, path, nil)); resp.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("POST %s: answered %d", path, resp.StatusCode)
			}
		}
	})
}
