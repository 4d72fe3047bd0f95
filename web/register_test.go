package web_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/web"
)

// registering has the site register by the rules of identity, and remember what it was asked.
func registering(asked *[]identity.Metadata, token string) func(*web.Options) {
	return func(o *web.Options) {
		o.RegisterToken = token != ""
		o.Register = func(_ *http.Request, m identity.Metadata, initial string) (made identity.Registered, err error) {
			if initial != token {
				return made, identity.Refuse(identity.BadLogin, "The initial access token is unknown.")
			}
			*asked = append(*asked, m)
			made.ID, made.Access = "made-1", "sj_ra_x"
			if m.AuthMethod == "" {
				made.Secret = "shown once"
			}
			made.Metadata, made.LeftOut, err = identity.TakeRegistration(m, nil)
			return made, err
		}
	}
}

func TestRegister_aPersonFillsInTheForm(t *testing.T) {
	t.Parallel()
	var asked []identity.Metadata
	run(t, registering(&asked, ""), func(t *testing.T, s *site) {
		b := s.browser()
		page := b.get("/register").is(http.StatusOK, "Register an app")
		if page.Find("input[name=initial_token]").Length() != 0 {
			t.Error("a token is asked for where none is needed")
		}
		done := b.post("/register", "client_name", " Wege ", "redirect_uris", " https://a.example/cb  http://localhost:8000/x\r\njavascript:alert(1)")
		done.is(http.StatusOK, "made-1", "https://a.example/cb", "http://localhost:8000/x", "Left out", "javascript:alert(1)", "sj_ra_x", "/.well-known/openid-configuration")
		last := asked[len(asked)-1]
		if last.AuthMethod != "none" || len(last.RedirectURIs) != 3 || !slices.Contains(last.GrantTypes, "refresh_token") {
			t.Errorf("asked for %+v", last)
		}
		b.post("/register", "client_name", "W", "redirect_uris", "https://a.example/cb", "secret", "yes").is(http.StatusOK, "shown once")
	})
}

func TestRegister_refusalsStandBesideTheFieldAndKeepWhatWasTyped(t *testing.T) {
	t.Parallel()
	var asked []identity.Metadata
	run(t, registering(&asked, "sj_it_1"), func(t *testing.T, s *site) {
		b := s.browser()
		for _, c := range []struct{ uris, name, token, field string }{
			{"http://a.example/cb", "Wege", "sj_it_1", "redirect_uris"},
			{"", "Wege", "sj_it_1", "redirect_uris"},
			{"https://a.example/cb", "a\u202eb", "sj_it_1", "client_name"},
			{"https://a.example/cb", "Wege", "wrong", "initial_token"},
		} {
			status := http.StatusBadRequest
			if c.field == "initial_token" {
				status = http.StatusUnauthorized
			}
			page := b.post("/register", "client_name", c.name, "redirect_uris", c.uris, "initial_token", c.token).is(status)
			if page.Find("input[aria-invalid][name="+c.field+"]").Length() != 1 {
				t.Errorf("%+v: the field is not marked", c)
			}
			if got := page.Find("input[name=redirect_uris]").AttrOr("value", ""); got != c.uris {
				t.Errorf("%+v: %q is left of what was typed", c, got)
			}
		}
		b.post("/register", "client_name", "Wege", "redirect_uris", "https://a.example/cb", "initial_token", " sj_it_1 ").is(http.StatusOK, "made-1")
	})
}

func TestRegister_closed(t *testing.T) {
	t.Parallel()
	run(t, nil, func(_ *testing.T, s *site) {
		b := s.browser()
		b.get("/register").is(http.StatusNotFound, "Apps are not registered here")
		b.post("/register", "redirect_uris", "https://a.example/cb").is(http.StatusNotFound)
	})
}
