package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestReset_changesThePasswordOnceAndEndsEverything(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		elsewhere, b := s.signedIn(u.Email), s.browser()
		text := s.link(u.ID, identity.LinkReset, "")
		for range 6 { // who forgot a password guesses first
			b.post("/signin", "username", u.Email, "password", "wrong password")
		}
		page := b.get("/reset?link=" + text).is(http.StatusOK)
		whose := page.Find("input[name=username][autocomplete=username][readonly]")
		if whose.AttrOr("value", "") != u.Email || field(page, "link") != text {
			t.Error("the form does not say whose password it is, or lacks the link")
		}
		for _, wrong := range []string{"", "short", "\xff\xfe broken", "with \x00 in it", strings.Repeat("a", 257)} {
			page := b.post("/reset", "link", text, "new_password", wrong).is(http.StatusBadRequest)
			if problemBeside(page, "new_password") == "" || field(page, "link") != text || field(page, "new_password") != "" {
				t.Errorf("%.10q: no word beside the field, or no form to try again", wrong)
			}
		}
		b.post("/reset", "link", text, "new_password", "another password").leadsTo("/signin?notice=reset&switch=1")
		b.get("/signin?notice=reset&switch=1").is(http.StatusOK, "Your new password is set")
		again := b.post("/reset", "link", text, "new_password", "a third password") // by the back button
		again.is(http.StatusNotFound, "sign in with it")
		b.get("/reset?link=" + text).is(http.StatusNotFound)
		if elsewhere.standing().SignedIn() || b.cookie() != "" {
			t.Error("a sign-in outlived the reset, or one began by it")
		}
		if s.happened(u.ID, identity.PasswordReset) != 1 || s.letter(identity.LetterEvent).Event.Kind != identity.PasswordReset {
			t.Error("the person is not told, or twice")
		}
		b.post("/signin", "username", u.Email, "password", "another password").leadsTo("/account")
	})
}

func TestReset_stillAsksForTheSecondFactor(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		s.enrolled(u)
		b := s.browser()
		b.post("/reset", "link", s.link(u.ID, identity.LinkReset, ""), "new_password", "another password").
			leadsTo("/signin?notice=reset&switch=1")
		b.post("/signin", "username", u.Email, "password", "another password")
		if b.standing().SignIn.AMR.Has(identity.MFA) || !b.standing().Enrolled {
			t.Error("the factor is gone, or counts as proved")
		}
	})
}

func TestReset_inAnotherPersonsBrowserLeavesThemSignedIn(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		s.user("bob@example.com")
		bobs := s.signedIn("bob@example.com")
		bobs.post("/reset", "link", s.link(u.ID, identity.LinkReset, ""), "new_password", "another password").
			leadsTo("/signin?notice=reset&switch=1")
		page := bobs.get("/signin?notice=reset&switch=1").is(http.StatusOK, "Your new password is set")
		if field(page, "username") != "" || bobs.standing().User.Email != "bob@example.com" {
			t.Error("Bob is signed out, or named to whoever reset Anna's password")
		}
	})
}

func TestReset_onlyTheNewestLinkWorksAndNoneAfterAChange(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u, b := s.user("anna@example.com"), s.browser()
		first, second := s.link(u.ID, identity.LinkReset, ""), s.link(u.ID, identity.LinkReset, "")
		b.get("/reset?link="+first).is(http.StatusNotFound, "a newer mail took its place")
		b.get("/reset?link=" + second).is(http.StatusOK) // one tab
		b.get("/reset?link=" + second).is(http.StatusOK) // another
		s.wait(time.Second)
		if err := s.db.WritePassword(t.Context(), u.ID, passwordHash()); err != nil {
			t.Fatal(err)
		}
		b.post("/reset", "link", second, "new_password", "another password").is(http.StatusNotFound)
	})
}
