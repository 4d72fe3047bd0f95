package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// moving asks, in a browser, for another address, and returns the link that the new address gets.
func (s *site) moving(b *browser, to string) string {
	s.t.Helper()
	b.post("/account/email", "new_email", to).is(http.StatusOK, "Look into your mail", to)
	l := s.letter(identity.LetterNewEmail)
	if l.To != to {
		s.t.Fatalf("the link goes to %q", l.To)
	}
	return s.link(l.UserID, identity.LinkEmail, l.Detail)
}

func TestEmail_movesByTheLinkAndSparesThisBrowserAlone(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		b, elsewhere := s.signedIn(u.Email), s.signedIn(u.Email)
		b.get("/account/email").is(http.StatusOK, "anna@example.com")
		text := s.moving(b, "new@example.com")
		reset := s.link(u.ID, identity.LinkReset, "")
		notMe := s.link(u.ID, identity.LinkNotMe, "")
		before := b.cookie()
		b.get("/email?link="+text).is(http.StatusOK, "new@example.com")
		if s.account(u.ID).Email != u.Email {
			t.Fatal("looking at the link moved the account")
		}
		b.post("/email", "link", text).is(http.StatusOK, "Your address is changed", "new@example.com")
		if now := s.account(u.ID); now.Email != "new@example.com" || !now.EmailVerified {
			t.Errorf("the account is %+v", now)
		}
		if !b.standing().SignedIn() || s.standingOf(before).SignedIn() || elsewhere.standing().SignedIn() {
			t.Error("want this browser signed in under a new cookie, and nothing else")
		}
		if s.happened(u.ID, identity.EmailChanged) != 1 || s.happened(u.ID, identity.ProfileChanged) != 1 {
			t.Error("not told, or not once")
		}
		letters := map[identity.LetterKind]identity.Letter{}
		for _, l := range s.letters() {
			letters[l.Kind] = l
		}
		want := identity.Letter{Kind: identity.LetterOldEmail, UserID: u.ID, To: u.Email, Detail: "new@example.com"}
		want.Before = letters[identity.LetterOldEmail].Before
		if letters[identity.LetterOldEmail] != want || want.Before.IsZero() || letters[identity.LetterEvent].Event == nil || len(letters) != 2 {
			t.Errorf("letters: %+v", letters)
		}
		b.post("/email", "link", text).is(http.StatusNotFound, "it is in use already") // a second press
		b.get("/reset?link=" + reset).is(http.StatusNotFound)                          // mailed to the old address
		b.get("/not-me?link=" + notMe).is(http.StatusOK)                               // which may be the owner's
	})
}

func TestEmail_openedInAnotherBrowserEndsEverything(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		s.user("bob@example.com")
		asking, bobs := s.signedIn(u.Email), s.signedIn("bob@example.com")
		text := s.moving(asking, "new@example.com")
		page := bobs.post("/email", "link", text).is(http.StatusOK, "Your address is changed")
		if way, _ := page.Find("main a.button").Attr("href"); way != "/signin" {
			t.Errorf("the way on is %q", way)
		}
		if asking.standing().SignedIn() || bobs.standing().User.Email != "bob@example.com" {
			t.Error("want the asking browser signed out and Bob's untouched")
		}
		if s.account(u.ID).Email != "new@example.com" || s.happened(u.ID, identity.EmailChanged) != 1 {
			t.Error("not moved, or not told once")
		}
	})
}

func TestEmail_saysTheSameForATakenAddressAndKeepsItsOwner(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u, owner := s.user("anna@example.com"), s.user("taken@example.com")
		b := s.signedIn(u.Email)
		text := s.moving(b, owner.Email)
		b.post("/email", "link", text).is(http.StatusConflict, "Your address stays as it is")
		if s.account(u.ID).Email != u.Email || s.account(owner.ID).Email != owner.Email || !b.standing().SignedIn() {
			t.Error("an address moved, or the person was signed out for nothing")
		}
	})
}

// Whoever was thrown out must not take the account by a link that they asked for before.
func TestEmail_theLinkDiesWithTheSignInThatAskedForIt(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		for what, throwOut := range map[string]func(u identity.User) error{
			"not me": func(u identity.User) error {
				return identity.Devices{Store: s.db, Now: s.time}.NotMe(t.Context(), u.ID, identity.Seen{})
			},
			"a new password": func(u identity.User) error {
				_, err := s.db.End(t.Context(), identity.Ending{User: u.ID, Cause: identity.EndPassword})
				return err
			},
			"locked": func(u identity.User) error {
				_, err := s.db.SetUserDisabled(t.Context(), u.ID, s.time())
				return err
			},
		} {
			name := strings.ReplaceAll(what, " ", "-")
			u := s.user(name + "@example.com")
			text := s.moving(s.signedIn(u.Email), "thief-"+u.Email)
			if err := throwOut(u); err != nil {
				t.Fatal(err)
			}
			s.browser().post("/email", "link", text).is(http.StatusNotFound)
			if s.account(u.ID).Email != u.Email {
				t.Errorf("%s: the thief took the account", what)
			}
			s.letters()
		}
	})
}

func TestNewEmail_asksForAFreshProofAndForAnAddress(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		b := s.signedIn(u.Email)
		for what, value := range values {
			page := b.post("/account/email", "new_email", value).is(http.StatusBadRequest)
			if problemBeside(page, "new_email") == "" {
				t.Errorf("%s: no word beside the field", what)
			}
		}
		b.post("/account/email", "new_email", " ANNA@example.com").is(http.StatusBadRequest, "already")
		s.wait(identity.FreshFor + time.Second)
		for _, ask := range []func() answer{
			func() answer { return b.get("/account/email") },
			func() answer { return b.post("/account/email", "new_email", "new@example.com") },
		} {
			a := ask()
			to, err := url.Parse(a.header.Get("Location"))
			if err != nil || a.status != http.StatusSeeOther || to.Path != "/signin" {
				t.Fatalf("not fresh: status %d, leads to %s", a.status, a.header.Get("Location"))
			}
			b.get(to.String()).is(http.StatusOK, "sign in once more")
			b.post("/signin", "next", to.Query().Get("next"), "username", u.Email, "password", password).leadsTo("/account/email")
			b.get("/account/email").is(http.StatusOK)
			s.wait(identity.FreshFor + time.Second)
		}
		if got := s.letters(); len(got) != 0 {
			t.Errorf("letters: %+v", got)
		}
	})
}
