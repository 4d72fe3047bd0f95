package oauth_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

// DESIGN §9, The way back: of errors, by who registered the client and whether anyone has signed in.
func TestWayBack_ofErrors(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		cookie := s.signIn(s.user)
		own, stranger := s.app(), s.app(selfRegistered)
		wrong := []string{"scope", "nope"}
		for name, q := range map[string]url.Values{
			"the operator's client":               asking(own, wrong...),
			"a stranger's client and prompt=none": asking(stranger, "scope", "nope", "prompt", "none"),
		} {
			if got := s.leads(q); got != "invalid_scope" {
				t.Errorf("%s: led to %s", name, got)
			}
		}
		if got := s.leads(asking(stranger, wrong...), cookie); got != "invalid_scope" {
			t.Errorf("a stranger's client after sign-in: led to %s", got)
		}

		resp := s.authorize(asking(stranger, wrong...))
		if resp.StatusCode != 400 || resp.Header.Get("Location") != "" {
			t.Fatalf("a stranger's client before sign-in: answered %d, leading to %q", resp.StatusCode, resp.Header.Get("Location"))
		}
		p := <-s.problems
		place, query, _ := strings.Cut(p.BackURL, "?")
		q, err := url.ParseQuery(query)
		if err != nil || place != appBack || q.Get("error") != "invalid_scope" || q.Get("state") != "st" || q.Get("iss") != issuer {
			t.Errorf("the link leads to %s", p.BackURL)
		}
		if !strings.Contains(p.BackLabel, "com.example.app") || p.Client.ID != stranger.ID {
			t.Errorf("the link %q does not name where it leads", p.BackLabel)
		}
	})
}

func TestWayBack_namesAHost(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(selfRegistered, func(c *identity.Client) { c.RedirectURIs = []string{"https://third.example/cb"} })
		s.authorize(asking(c, "scope", "nope"))
		if p := <-s.problems; p.BackLabel != "Back to third.example" {
			t.Errorf("the link says %q", p.BackLabel)
		}
	})
}

func TestWayBack_aDeadCookieIsNoSignIn(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, cookie := s.app(selfRegistered), s.signIn(s.user)
		if _, err := s.signIns.End(s.Context(), s.standing(cookie), identity.ID{}); err != nil {
			t.Fatal(err)
		}
		if resp := s.authorize(asking(c, "scope", "nope"), cookie, cookieOf("sj_si_forged")); resp.StatusCode != 400 {
			t.Errorf("answered %d", resp.StatusCode)
		}
	})
}
