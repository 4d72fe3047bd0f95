package web_test

import (
	"net/http"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

// A connected app that did not ask to stay is let stay by the person alone, by a choice that is off until they make it.
func TestConsent_offersToStayConnected(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		anna := s.user("anna@example.com")
		s.client(identity.Client{ID: "agent", SelfRegistered: true, Metadata: identity.Metadata{
			RedirectURIs: []string{callback}, GrantTypes: []string{"authorization_code", "refresh_token"},
		}})
		b, next := s.signedIn("anna@example.com"), s.next("client_id", "agent", "scope", "openid email")
		page := b.get("/consent?next="+next).is(http.StatusOK, "Stay connected for 90 days")
		if box := page.Find("input[name=stay]"); box.Length() != 1 || box.Is("[checked]") {
			t.Error("the choice is not there, or made already")
		}
		for _, c := range []struct {
			stay   string
			button identity.Purpose
			scopes int
		}{{"", identity.ForAllowal, 2}, {"90", identity.ForStay, 3}, {"", identity.ForAllowal, 2}} {
			a := b.post("/consent", "next", next, "binding", field(page, "binding"), "consent", "allow", "stay", c.stay)
			press := identity.Press{Button: c.button, By: b.standing(), Next: next}
			if got := a.nextOf("/oauth2/authorize"); got != next || !s.keys.Pressed(a.query("allowed"), press, s.time()) {
				t.Errorf("chose %q: leads on otherwise", c.stay)
			}
			if grant, err := s.db.GrantOf(t.Context(), anna.ID, "agent"); err != nil || len(grant.Scopes) != c.scopes {
				t.Errorf("chose %q: %+v (%v)", c.stay, grant, err)
			}
		}
		own := b.get("/consent?next=" + s.next()).is(http.StatusOK)
		asked := b.get("/consent?next="+s.next("client_id", "agent", "scope", "openid offline_access")).is(http.StatusOK, "Keep you signed in")
		if own.Find("input[name=stay]").Length()+asked.Find("input[name=stay]").Length() != 0 {
			t.Error("it is asked where it says nothing")
		}
		// Who is not offered it, cannot have it.
		next = s.next()
		b.post("/consent", "next", next, "binding", field(own, "binding"), "consent", "allow", "stay", "90").is(http.StatusConflict)
		own = b.get("/consent?next=" + next).is(http.StatusOK)
		b.post("/consent", "next", next, "binding", field(own, "binding"), "consent", "allow", "stay", "90").allows(b, next)
	})
}
