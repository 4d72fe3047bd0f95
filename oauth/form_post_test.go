package oauth_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

const webBack = "https://notes.example/cb?from=door"

func onTheWeb(c *identity.Client) { c.RedirectURIs = []string{webBack} }

// handover sends a request and returns what a form brings to the app, and where.
func (s *stage) handover(q url.Values, cookies ...*http.Cookie) (to string, answer url.Values) {
	s.Helper()
	resp := s.authorize(changed(q, []string{"response_mode", "form_post"}), cookies...)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Location") != "" {
		s.Fatalf("answered %d, leading to %q", resp.StatusCode, resp.Header.Get("Location"))
	}
	h := <-s.handed
	return h.To, h.Answer
}

// OAuth 2.0 Form Post Response Mode §2: the same parameters as ever, in a form's fields; the redirect URI stays as it is.
func TestFormPost_bringsTheCodeByAForm(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, cookie := s.app(onTheWeb), s.signIn(s.user)
		to, answer := s.handover(asking(c), cookie, s.stateOf(cookie))
		if to != webBack || answer.Get("state") != "st" || answer.Get("iss") != issuer || !answer.Has("session_state") {
			t.Errorf("%s is sent %v", to, answer)
		}
		s.good(s.post(redeeming(c, answer.Get("code"))))
	})
}

func TestFormPost_bringsErrorsTooByAForm(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		cookie := s.signIn(s.user)
		own, stranger := s.app(onTheWeb, untrusted), s.app(onTheWeb, selfRegistered)
		want := func(code string, answer url.Values) {
			t.Helper()
			answer.Del("error_description")
			if diff := cmp.Diff(url.Values{"error": {code}, "state": {"st"}, "iss": {issuer}}, answer); diff != "" {
				t.Error(diff)
			}
		}
		_, answer := s.handover(asking(own, "prompt", "none"))
		want("login_required", answer)
		_, answer = s.handover(asking(own, "scope", "nope"), cookie)
		want("invalid_scope", answer)
		_, answer = s.handover(s.denying(asking(own, "response_mode", "form_post"), cookie), cookie)
		want("access_denied", answer)

		// Before sign-in a stranger's client gets nothing that goes by itself: the page that says so has a button.
		resp := s.authorize(asking(stranger, "scope", "nope", "response_mode", "form_post"))
		if p := <-s.problems; resp.StatusCode != http.StatusBadRequest || p.BackURL != webBack {
			t.Errorf("answered %d, with a way to %s", resp.StatusCode, p.BackURL)
		} else {
			want("invalid_scope", p.Answer)
		}
	})
}

// Browsers post forms to the web: an app on the device has nobody who could take one.
func TestFormPost_isForRedirectsOnTheWebAlone(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		cookie := s.signIn(s.user)
		c := s.app(func(c *identity.Client) { c.RedirectURIs = []string{appBack, "http://127.0.0.1/cb"} })
		if got := s.redirected(asking(c, "response_mode", "form_post"), cookie); got.Get("error") != "invalid_request" {
			t.Errorf("a scheme of the app's own: %v", got)
		}
		if to, answer := s.handover(asking(c, "redirect_uri", "http://127.0.0.1:4711/cb"), cookie); to != "http://127.0.0.1:4711/cb" || !answer.Has("code") {
			t.Errorf("loopback: %s is sent %v", to, answer)
		}
	})
}
