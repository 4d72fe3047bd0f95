package oauth_test

import (
	"net/url"
	"testing"

	"github.com/sojourn-auth/sojourn/oauth"
)

// Initiating User Registration via OpenID Connect 1.0 §4.1: the person makes an account first, whoever is signed in.
func TestPromptCreate_leadsToSignUpAndThenOn(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, other := s.app(), s.signIn(s.user)
		for name, create := range map[string]func() (string, url.Values){
			"nobody":        func() (string, url.Values) { return s.location(s.authorize(asking(c, "prompt", "create"))) },
			"somebody else": func() (string, url.Values) { return s.location(s.authorize(asking(c, "prompt", "create"), other)) },
		} {
			if page, q := create(); page != "/signup" || q.Get("next") == "" {
				t.Errorf("%s is signed in: led to %s", name, page)
			}
		}
		if got := s.redirected(asking(c, "prompt", "create none"), other); got.Get("error") != "invalid_request" {
			t.Errorf("in silence: %v", got)
		}
	}, func(o *oauth.Options) { o.SignupOpen = true })
}

func TestPromptCreate_isRefusedWhereNobodySignsUp(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		if got := s.redirected(asking(s.app(), "prompt", "create"), s.signIn(s.user)); got.Get("error") != "invalid_request" {
			t.Errorf("answered %v", got)
		}
	})
}
