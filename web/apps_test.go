package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// allow is what a person of b allows a client.
func (b *browser) allow(clientID string, scopes ...string) {
	b.s.t.Helper()
	grants := identity.Grants{Store: b.s.db, Now: b.s.time}
	if err := grants.Allow(b.s.t.Context(), b.standing(), clientID, scopes); err != nil {
		b.s.t.Fatal(err)
	}
}

func TestApps_accessIsListedInPlainWordsAndTakenBack(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		s.user("bob@example.com")
		s.client(identity.Client{ID: "mail", Metadata: identity.Metadata{Name: "Mail", RedirectURIs: []string{callback}}})
		b := s.signedIn(u.Email)
		b.get("/account/apps").is(http.StatusOK, "You have not let any app use your account.")
		b.allow("notes", "openid", "email", "calendar")
		s.wait(48 * time.Hour)
		b, bob := s.signedIn(u.Email), s.signedIn("bob@example.com")
		b.allow("mail", "openid")
		bob.allow("notes", "openid")
		gone, kept, bobs := b.session("notes", "openid"), b.session("mail", "openid"), bob.session("notes", "openid")
		words := []string{"Notes", "2 days ago", "See your e-mail address", "Use “calendar” in your name", "Mail"}
		b.get("/account/apps").is(http.StatusOK, words...)
		for range 2 { // one press too many does no harm
			b.post("/account/apps", "client_id", "notes").leadsTo("/account/apps?notice=apps.withdrawn")
		}
		page := b.get("/account/apps?notice=apps.withdrawn").is(http.StatusOK, "has no access any more", "Mail")
		listed := strings.Contains(page.Find(".list").Text(), "Notes")
		if listed || s.alive(gone.ID) || !s.alive(kept.ID) || !s.alive(bobs.ID) {
			t.Error("the wrong access ended")
		}
		if n := s.told(u.ID, identity.ConsentWithdrawn); n != 1 {
			t.Errorf("%d Events tell of one withdrawal", n)
		}
	})
}

func TestApps_whatIsPartOfTheServiceIsNotTakenBack(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		about := identity.Metadata{Name: "Own", RedirectURIs: []string{callback}}
		s.client(identity.Client{ID: "own", Trusted: true, Metadata: about})
		b := s.signedIn(u.Email)
		session := b.session("own", "openid")
		page := b.get("/account/apps").is(http.StatusOK, "Own", "Part of this service")
		if page.Find("main form").Length() != 0 {
			t.Error("it can be taken back")
		}
		for _, id := range []string{"own", "nobody", "", "\x00"} {
			b.post("/account/apps", "client_id", id).leadsTo("/account/apps?notice=apps.withdrawn")
		}
		if !s.alive(session.ID) || s.told(u.ID, identity.ConsentWithdrawn) != 0 {
			t.Error("what was never allowed is taken back")
		}
	})
}
