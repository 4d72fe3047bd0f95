package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestForgot_doesAndSaysTheSameForKnownAndUnknownAddresses(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		s.user("known@example.com")
		b, next := s.browser(), s.next("login_hint", "known@example.com")
		b.get("/signin?next="+next).is(http.StatusOK, "Forgot your password?")
		page := b.get("/forgot?next="+next).is(http.StatusOK, "Choose a new password", "Continue to Notes")
		if field(page, "next") != next || field(page, "username") != "known@example.com" {
			t.Error("the form does not carry the request, or does not know the address")
		}
		pages, asked := map[string]string{}, map[string]int64{}
		for _, email := range []string{"known@example.com", "other@example.com"} {
			before := s.statements.Load()
			a := b.post("/forgot", "next", next, "username", " "+strings.ToUpper(email))
			asked[email] = s.statements.Load() - before
			page := a.is(http.StatusOK, "Look into your mail")
			if way, _ := page.Find("main a.button").Attr("href"); way != "/signin?next="+next {
				t.Errorf("%s: the way on is %q", email, way)
			}
			pages[email] = strings.ReplaceAll(a.body, strings.ToUpper(email), "")
			if got, want := s.letter(identity.LetterForgot), (identity.Letter{Kind: identity.LetterForgot, To: email}); got != want {
				t.Errorf("the letter is %+v, want %+v", got, want)
			}
		}
		if diff := cmp.Diff(pages["known@example.com"], pages["other@example.com"]); diff != "" {
			t.Errorf("the pages differ:\n%s", diff)
		}
		if asked["known@example.com"] != asked["other@example.com"] || asked["known@example.com"] == 0 {
			t.Errorf("the database is asked differently, so the clock could tell: %v", asked)
		}
	})
}

func TestForgot_limitsLettersToAnAddressAndFromANetwork(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		b := s.browser()
		for range identity.LetterThrottle.Free {
			b.post("/forgot", "username", "anna@example.com").is(http.StatusOK)
		}
		a := b.post("/forgot", "username", "anna@example.com")
		page := a.is(http.StatusTooManyRequests, "Too many tries")
		if a.header.Get("Retry-After") != "300" || field(page, "username") != "anna@example.com" {
			t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
		}
		b.post("/forgot", "username", "bob@example.com").is(http.StatusOK)
		if n := len(s.letters()); n != identity.LetterThrottle.Free+1 {
			t.Errorf("%d letters", n)
		}
		place := identity.ThrottleKey("letters", "127.0.0.1")
		for range identity.AddressThrottle.Free {
			if _, err := s.db.CountTry(t.Context(), place, identity.AddressThrottle); err != nil {
				t.Fatal(err)
			}
		}
		b.post("/forgot", "username", "carl@example.com").is(http.StatusTooManyRequests)
	})
}

func TestForgot_saysWhatIsNoAddress(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		b := s.browser()
		for what, value := range values {
			page := b.post("/forgot", "username", value).is(http.StatusBadRequest)
			if problemBeside(page, "username") == "" {
				t.Errorf("%s: no word beside the field", what)
			}
		}
		b.post("/forgot", "username", "anna@example.com", "next", "forged").is(http.StatusBadRequest)
	})
}
