package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// confirmation is the text of the link that the postman would mail for a letter.
func (s *site) confirmation(l identity.Letter) string {
	s.t.Helper()
	u, err := s.db.UserByEmail(s.t.Context(), l.To)
	if err != nil || !u.Unconfirmed() {
		s.t.Fatalf("%+v waits for no confirmation (%v)", u, err)
	}
	return s.link(u.ID, identity.LinkVerify, identity.ConfirmDetail(u.Email, l.Detail))
}

// A sign-up tells nothing: whose address it is only the mail says.
func TestSignUp_isTheSameForEveryAddressWhereMailCanBeSent(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		s.user("taken@example.com")
		locked := s.user("locks@example.com")
		if _, err := s.db.SetUserDisabled(t.Context(), locked.ID, s.time()); err != nil {
			t.Fatal(err)
		}
		sign := func(email string) (string, int64) {
			s.letters()
			before := s.statements.Load()
			a := s.browser().post("/signup", "username", email, "name", "Someone", "password", "another password")
			asked := s.statements.Load() - before
			a.is(http.StatusOK, "Look into your mail", "We have sent a mail to "+email)
			if l := s.letter(identity.LetterSignUp); l.To != email || l.UserID != (identity.ID{}) {
				t.Errorf("%s: the letter is %+v", email, l)
			}
			return strings.ReplaceAll(a.body, email, ""), asked
		}
		first, cost := sign("unset@example.com")
		for _, email := range []string{"takes@example.com", "taken@example.com", "locks@example.com", "unset@example.com"} {
			if body, asked := sign(email); body != first || asked != cost {
				t.Errorf("%s: %d statements, want %d, or another page:\n%s", email, asked, cost, body)
			}
		}
	})
}

func TestSignUp_theLinkLeadsOnInTheAppsFlow(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		b, next := s.browser(), s.next()
		b.post("/signup", "next", next, "username", "anna@example.com", "password", password).is(http.StatusOK, "Look into your mail")
		l := s.letter(identity.LetterSignUp)
		b.post("/signin", "next", next, "username", "anna@example.com", "password", "a wrong one").is(http.StatusUnauthorized)
		page := b.post("/signin", "next", next, "username", "anna@example.com", "password", password).
			is(http.StatusForbidden, "Confirm your address first", "anna@example.com")
		if b.cookie() != "" || field(page, "username") != "anna@example.com" || field(page, "next") != next {
			t.Error("somebody is signed in, or the page forgot whom it is for")
		}
		text := s.confirmation(l)
		b.get("/verify?link="+text).is(http.StatusOK, "Is this your address?", "Confirm that you read mail sent to anna@example.com.")
		b.get("/verify?link=" + text).is(http.StatusOK) // what fetches ahead of the person spends nothing
		a := b.post("/verify", "link", text)
		if a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), "/signin?next=") {
			a.is(http.StatusSeeOther)
			t.Fatalf("it leads to %s", a.header.Get("Location"))
		}
		page = b.get(a.header.Get("Location")).is(http.StatusOK, "Your address is confirmed", "Continue to Notes")
		if field(page, "username") != "anna@example.com" {
			t.Errorf("the form knows %q", field(page, "username"))
		}
		carried := field(page, "next")
		b.post("/signin", "next", carried, "username", "anna@example.com", "password", password).leadsTo(onward(carried))
		b.post("/verify", "link", text).is(http.StatusNotFound, "This link no longer works")
	})
}

func TestSignUp_elsewhereAndLaterTheLinkConfirmsAndSaysWhereToGoOn(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		here := s.browser()
		elsewhere := s.browser()
		elsewhere.http.Jar.SetCookies(elsewhere.at(), []*http.Cookie{{Name: thisBrowser.Name, Value: "another browser", Path: "/"}})
		for email, opens := range map[string]*browser{"ada@example.com": elsewhere, "bob@example.com": here, "eve@example.com": here} {
			next := s.next()
			if email == "eve@example.com" {
				next = ""
			}
			here.post("/signup", "next", next, "username", email, "password", password).is(http.StatusOK)
			text := s.confirmation(s.letter(identity.LetterSignUp))
			if email == "bob@example.com" {
				s.wait(identity.AskedFor)
			}
			page := opens.post("/verify", "link", text).is(http.StatusOK, "Your address is confirmed", "Go on where you made it")
			if way, _ := page.Find("main a.button").Attr("href"); way != "/signin" {
				t.Errorf("%s: the way on is %q", email, way)
			}
			opens.post("/signin", "username", email, "password", password).leadsTo("/account")
		}
	})
}

func TestSignUp_madeTwiceLeadsToANewPasswordAndOnInTheAppsFlow(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		b, next := s.browser(), s.next()
		s.browser().post("/signup", "username", "anna@example.com", "name", "Mallory", "password", "what a stranger chose").is(http.StatusOK)
		b.post("/signup", "next", next, "username", "anna@example.com", "password", password).is(http.StatusOK)
		letters := s.letters()
		chosen := b.post("/verify", "link", s.confirmation(letters[len(letters)-1])).header.Get("Location")
		if !strings.HasPrefix(chosen, "/reset?link=") {
			t.Fatalf("it leads to %s", chosen)
		}
		page := b.get(chosen).is(http.StatusOK, "Your address is confirmed", "more than once")
		on := b.post("/reset", "link", field(page, "link"), "new_password", "another password").header.Get("Location")
		if !strings.HasPrefix(on, "/signin?next=") {
			t.Fatalf("it leads to %s", on)
		}
		carried := field(b.get(on).is(http.StatusOK, "Continue to Notes"), "next")
		b.post("/signin", "next", carried, "username", "anna@example.com", "password", "another password").leadsTo(onward(carried))
	})
}

func TestConfirm_sendsTheMailAgainWithinItsBudgetAndTellsNothing(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		s.user("taken@example.com")
		b, next := s.browser(), s.next()
		for _, email := range []string{"nobody@example.com", "taken@example.com"} {
			b.post("/confirm", "next", next, "username", email).is(http.StatusOK, "Look into your mail", "waits to be confirmed")
			if l := s.letter(identity.LetterConfirm); l.To != email || l.Detail == "" {
				t.Errorf("the letter is %+v", l)
			}
		}
		for range identity.LetterThrottle.Free - 1 {
			b.post("/confirm", "username", "taken@example.com").is(http.StatusOK)
		}
		a := b.post("/confirm", "next", next, "username", "taken@example.com")
		page := a.is(http.StatusTooManyRequests, "Too many tries", "Send the mail again")
		if a.header.Get("Retry-After") != "300" || field(page, "next") != next {
			t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
		}
		for _, email := range values {
			b.post("/confirm", "username", email).is(http.StatusBadRequest, "like name@example.com")
		}
		b.get("/confirm").leadsTo("/signin")
	})
}

// An operator's new password, and a link that was mailed, prove more than the sign-up did.
func TestSignUp_aNewPasswordNeedsNoConfirmation(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(_ *testing.T, s *site) {
		b := s.browser()
		b.post("/signup", "username", "anna@example.com", "password", password).is(http.StatusOK)
		l := s.letter(identity.LetterSignUp)
		s.confirmation(l)
		u, _ := s.db.UserByEmail(s.t.Context(), l.To)
		b.post("/reset", "link", s.link(u.ID, identity.LinkReset, ""), "new_password", "another password").
			leadsTo("/signin?notice=reset&switch=1")
		b.post("/signin", "username", "anna@example.com", "password", "another password").leadsTo("/account")
		s.wait(8 * 24 * time.Hour)
		if n, err := s.db.SweepUnconfirmed(s.t.Context(), s.time()); n != 0 || err != nil {
			s.t.Errorf("%d accounts were swept (%v)", n, err)
		}
	})
}
