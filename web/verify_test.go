package web_test

import (
	"net/http"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestVerify_takesAPressAndNotAScannersLook(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u, b := s.user("anna@example.com"), s.browser()
		text := s.link(u.ID, identity.LinkVerify, u.Email)
		for range 3 {
			page := b.get("/verify?link="+text).is(http.StatusOK, "anna@example.com")
			if page.Find("form button").Length() != 1 || field(page, "link") != text || s.account(u.ID).EmailVerified {
				t.Fatal("want one button, and nothing done yet")
			}
		}
		b.post("/verify", "link", text).is(http.StatusOK, "Your address is confirmed")
		b.post("/verify", "link", text).is(http.StatusNotFound, "nothing is left to do") // a second press
		if !s.account(u.ID).EmailVerified || s.happened(u.ID, identity.EmailVerified) != 1 ||
			s.happened(u.ID, identity.ProfileChanged) != 1 {
			t.Error("not verified, or not told exactly once")
		}
	})
}

func TestVerify_aLinkToAnAddressOfBeforeIsWorthNothing(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u, b := s.user("anna@example.com"), s.browser()
		text := s.link(u.ID, identity.LinkVerify, "before@example.com")
		b.post("/verify", "link", text).is(http.StatusNotFound)
		if s.account(u.ID).EmailVerified {
			t.Error("an address counts as verified by a mail to another")
		}
	})
}

func TestAskVerify_sendsTheLinkAgainToWhoeverNeedsIt(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		b := s.signedIn(u.Email)
		for range identity.LetterThrottle.Free {
			b.post("/account/verify").is(http.StatusOK, "Look into your mail")
		}
		b.post("/account/verify").is(http.StatusTooManyRequests, "Too many tries")
		letters, want := s.letters(), identity.Letter{Kind: identity.LetterVerify, UserID: u.ID}
		if len(letters) != identity.LetterThrottle.Free || letters[0] != want {
			t.Errorf("letters: %+v", letters)
		}
		b.get("/account/verify").leadsTo("/signin") // a restored tab
		if a := s.browser().post("/account/verify"); a.status != http.StatusSeeOther {
			t.Errorf("nobody signed in: status %d", a.status)
		}
		if err := s.db.VerifyEmail(t.Context(), u.ID, u.Email); err != nil {
			t.Fatal(err)
		}
		b.post("/account/verify").is(http.StatusOK)
		if got := s.letters(); len(got) != 0 {
			t.Errorf("who is verified gets %+v", got)
		}
	})
}

func TestSignUp_mailsTheNewOwnerOrTheOneThereIs(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		taken := s.user("taken@example.com")
		b := s.browser()
		for range identity.LetterThrottle.Free + 2 {
			b.post("/signup", "username", taken.Email, "password", "another password").leadsTo("/signin?notice=signup")
		}
		b.get("/signin?notice=signup").is(http.StatusOK, "A mail is on its way to you")
		letters, want := s.letters(), identity.Letter{Kind: identity.LetterHave, To: taken.Email}
		if len(letters) != identity.LetterThrottle.Free || letters[0] != want {
			t.Errorf("the owner gets %+v", letters)
		}
		b.post("/signup", "username", "free@example.com", "password", "another password").leadsTo("/signin?notice=signup")
		made, err := s.db.UserByEmail(t.Context(), "free@example.com")
		if err != nil {
			t.Fatal(err)
		}
		if got := s.letter(identity.LetterVerify); got.UserID != made.ID || made.EmailVerified {
			t.Errorf("the new account gets %+v", got)
		}
	})
}
