package web_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestNotMe_endsEverythingFirstAndThenOffersANewPassword(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		thief, b := s.signedIn(u.Email), s.signedIn(u.Email)
		text := s.link(u.ID, identity.LinkNotMe, "")
		page := b.get("/not-me?link="+text).is(http.StatusOK, "It wasn’t me: sign out everywhere")
		if page.Find("form button").Length() != 1 || !thief.standing().SignedIn() {
			t.Fatal("want one button, and nothing ended yet")
		}
		for range 2 { // a second press does no harm
			page = b.post("/not-me", "link", text).is(http.StatusOK, "Every device, app and browser is signed out of your account")
		}
		if thief.standing().SignedIn() || b.cookie() != "" || s.happened(u.ID, identity.SignInEnded) != 2 {
			t.Error("someone is still signed in, or the cookie is still there")
		}
		button := page.Find("form button")
		b.post("/not-me", "link", field(page, "link"), button.AttrOr("name", ""), button.AttrOr("value", "")).
			is(http.StatusOK, "A mail with a link is on its way")
		if got, want := s.letter(identity.LetterForgot), (identity.Letter{Kind: identity.LetterForgot, To: u.Email}); got != want {
			t.Errorf("the letter is %+v", got)
		}
	})
}

func TestNotMe_saysWhatItTakesBackBeforeAndAfter(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u := s.confirmed("anna@example.com")
		moment := identity.Moment{Before: s.time().Add(-time.Second), Email: u.Email}
		s.enrolled(u)
		text, b := s.link(u.ID, identity.LinkNotMe, moment.Detail()), s.browser()
		b.get("/not-me?link="+text).is(http.StatusOK, "It takes back what was changed", "You choose another one by mail")
		if n := s.happened(u.ID, identity.ChangesUndone); n != 0 || s.account(u.ID).PasswordHash == "" {
			t.Error("looking at the link did something")
		}
		b.post("/not-me", "link", text).is(http.StatusOK, "none are left", "The password works no more")
		b.post("/signin", "username", u.Email, "password", "harbour lights")
		if b.standing().SignedIn() {
			t.Error("the password still opens the account")
		}
	})
}

// Whoever reads a former mailbox can take the account back for a week, but not behind the back of who has it.
func TestNotMe_tellsTheAddressThatTheAccountLeaves(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u := s.confirmed("anna@example.com")
		moment := identity.Moment{Before: s.time().Add(-time.Second), Email: u.Email}
		if err := s.db.SetEmail(t.Context(), u.ID, "new@example.com"); err != nil {
			t.Fatal(err)
		}
		s.letters()
		s.browser().post("/not-me", "link", s.link(u.ID, identity.LinkNotMe, moment.Detail())).is(http.StatusOK)
		want := identity.Letter{Kind: identity.LetterTakenBack, UserID: u.ID, To: "new@example.com", Detail: u.Email}
		if got := s.letters(); !slices.Contains(got, want) {
			t.Errorf("letters: %+v", got)
		}
	})
}

func TestNotMe_inAnotherPersonsBrowserLeavesThemSignedIn(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		s.user("bob@example.com")
		bobs := s.signedIn("bob@example.com")
		bobs.post("/not-me", "link", s.link(u.ID, identity.LinkNotMe, "")).is(http.StatusOK)
		if bobs.standing().User.Email != "bob@example.com" {
			t.Error("Bob is signed out")
		}
	})
}

func TestNotMe_theMailIsThrottledOnThePage(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		b, text := s.browser(), s.link(u.ID, identity.LinkNotMe, "")
		for range identity.LetterThrottle.Free {
			b.post("/not-me", "link", text, "mail", "reset").is(http.StatusOK)
		}
		page := b.post("/not-me", "link", text, "mail", "reset").is(http.StatusTooManyRequests, "Too many tries")
		if field(page, "link") != text {
			t.Error("the form to try again is gone")
		}
	})
}

// Of many presses at once, each page's deed is done once, and every answer is a page.
func TestMailedLinks_manyPressesAtOnceDoItOnce(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		for _, c := range []struct {
			path, text string
			done       identity.EventKind
		}{
			{"/verify", s.link(u.ID, identity.LinkVerify, u.Email), identity.EmailVerified},
			{"/reset", s.link(u.ID, identity.LinkReset, ""), identity.PasswordReset},
		} {
			s.pressAll(c.path, c.text)
			if n := s.happened(u.ID, c.done); n != 1 {
				t.Errorf("%s was done %d times", c.path, n)
			}
		}
		s.letters()
		s.pressAll("/email", s.moving(s.signedIn(u.Email), "new@example.com"))
		if n := s.happened(u.ID, identity.EmailChanged); n != 1 {
			t.Errorf("/email was done %d times", n)
		}
	})
}

// pressAll sends a link's form sixteen times at once.
func (s *site) pressAll(path, text string) {
	s.t.Helper()
	var wg sync.WaitGroup
	for range 16 {
		b := s.browser()
		wg.Go(func() {
			resp, err := b.http.PostForm(s.server.URL+path, map[string][]string{"link": {text}, "new_password": {"another password"}})
			if err != nil {
				s.t.Error(err)
				return
			}
			resp.Body.Close()
			if resp.StatusCode >= http.StatusInternalServerError {
				s.t.Errorf("%s: status %d", path, resp.StatusCode)
			}
		})
	}
	wg.Wait()
}
