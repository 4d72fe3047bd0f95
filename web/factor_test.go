package web_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func TestTOTP_makesTheSignInStrongerUnderANewCookie(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.enrolled(s.user("anna@example.com"))
		b, next := s.signedIn("anna@example.com"), s.next()
		old := b.cookie()
		page := b.get("/signin/totp?next="+next).is(http.StatusOK, "Enter your code", "anna@example.com", "Continue to Notes")
		if link, _ := page.Find("a[href^='/signin/recovery']").Attr("href"); link != "/signin/recovery?next="+next {
			t.Errorf("a recovery code is used at %q", link)
		}
		code := s.code()
		b.post("/signin/totp", "next", next, "totp", code[:3]+" "+code[3:]).leadsTo(onward(next))
		if got := b.standing().SignIn.AMR; got != identity.PWD|identity.OTP|identity.MFA {
			t.Errorf("what was proved is %v, want password and code", got.Names())
		}
		if b.cookie() == old || s.standingOf(old).SignedIn() {
			t.Error("the cookie's old value still works")
		}
		b.get("/signin/totp?next=" + next).leadsTo(onward(next)) // the back button
	})
}

func TestTOTP_wrongCodeIsToldBesideTheField(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.enrolled(s.user("anna@example.com"))
		b, next := s.signedIn("anna@example.com"), s.next()
		for typed, status := range map[string]int{s.wrong(): http.StatusUnauthorized, "12345": http.StatusBadRequest, "\x00\xff": http.StatusBadRequest, "": http.StatusBadRequest} {
			page := b.post("/signin/totp", "next", next, "totp", typed).is(status)
			if problemBeside(page, "totp") == "" || field(page, "next") != next {
				t.Errorf("%q: the form says %q and carries %q", typed, problemBeside(page, "totp"), field(page, "next"))
			}
		}
		if b.standing().SignIn.AMR != identity.PWD {
			t.Error("a wrong code makes the SignIn stronger")
		}
		b.post("/signin/totp", "next", next, "totp", s.code()).leadsTo(onward(next))
	})
}

func TestTOTP_manyMissesCostAWaitThatANewBrowserDoesNotShorten(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.enrolled(s.user("anna@example.com"))
		for range 5 {
			s.signedIn("anna@example.com").post("/signin/totp", "totp", s.wrong()).is(http.StatusUnauthorized)
		}
		b := s.signedIn("anna@example.com")
		a := b.post("/signin/totp", "totp", s.code())
		if page := a.is(http.StatusTooManyRequests); problemBeside(page, "totp") == "" || a.header.Get("Retry-After") != "30" {
			t.Errorf("the form says %q, Retry-After is %q", problemBeside(page, "totp"), a.header.Get("Retry-After"))
		}
		b.post("/signin/recovery", "recovery_code", "4k7m-9xqd-2f").is(http.StatusTooManyRequests)
		s.wait(30 * time.Second)
		b.post("/signin/totp", "totp", s.code()).leadsTo("/account")
	})
}

func TestTOTP_asksOnlyWhoHasSomethingToShow(t *testing.T) {
	t.Parallel()
	run(t, nil, func(_ *testing.T, s *site) {
		s.user("anna@example.com")
		next := s.next()
		for _, path := range []string{"/signin/totp", "/signin/recovery"} {
			s.browser().get(path + "?next=" + next).leadsTo("/signin?next=" + next)
			s.browser().get(path).leadsTo("/signin")
			s.browser().post(path, "next", next, "totp", "123456").leadsTo(onward(next))
			s.browser().post(path, "totp", "123456").leadsTo("/account")
			s.signedIn("anna@example.com").get(path + "?next=" + next).leadsTo(onward(next))
			s.signedIn("anna@example.com").post(path, "next", next, "totp", "123456").leadsTo(onward(next))
		}
	})
}

func TestTOTP_pressedTwiceLeadsOnBothTimes(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.enrolled(s.user("anna@example.com"))
		b, next, code := s.signedIn("anna@example.com"), s.next(), s.code()
		late, other := b.twin(), s.signedIn("anna@example.com")
		b.post("/signin/totp", "next", next, "totp", code).leadsTo(onward(next))
		late.post("/signin/totp", "next", next, "totp", code).leadsTo(onward(next))
		page := other.post("/signin/totp", "next", next, "totp", code).is(http.StatusUnauthorized, "used up")
		if problemBeside(page, "totp") == "" {
			t.Error("no word beside the field")
		}
	})
}

func TestTOTP_pressThatIsOvertakenLeadsOn(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		codes := s.withCodes(s.user("anna@example.com"))
		next := s.next()
		for _, form := range [][]string{
			{"/signin/recovery", "recovery_code", codes[0], "recovery_code", codes[0]}, // the same code: it is used up
			{"/signin/recovery", "recovery_code", codes[1], "recovery_code", codes[2]}, // another one: the SignIn is stronger already
		} {
			b := s.signedIn("anna@example.com")
			quicker := b.twin()
			press := func() { quicker.post(form[0], "next", next, form[1], form[2]).leadsTo(newPhone(next)) }
			s.between.Store(&press)
			b.post(form[0], "next", next, form[3], form[4]).leadsTo(newPhone(next))
			if !quicker.standing().SignIn.AMR.Has(identity.MFA) {
				t.Error("the quicker press did not make the SignIn stronger")
			}
		}
	})
}

func TestTOTP_pressedManyTimesAtOnceStrengthensOnce(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.enrolled(s.user("anna@example.com"))
		b, next, code := s.signedIn("anna@example.com"), s.next(), s.code()
		presses := []*browser{b.twin(), b.twin(), b.twin(), b.twin()}
		answers := make(chan answer)
		for _, press := range presses {
			go func() { answers <- press.post("/signin/totp", "next", next, "totp", code) }()
		}
		for range presses {
			if a := <-answers; a.status != http.StatusUnauthorized { // used up a moment ago, and the new cookie not yet there
				a.leadsTo(onward(next))
			}
		}
		strong := 0
		for _, press := range presses {
			if press.standing().SignIn.AMR.Has(identity.MFA) {
				strong++
			}
		}
		if strong != 1 {
			t.Errorf("%d answers brought a stronger SignIn, want 1", strong)
		}
	})
}

func TestTOTP_signInThatIsOverLeadsToSignIn(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		anna := s.user("anna@example.com")
		s.enrolled(anna)
		b, next := s.signedIn("anna@example.com"), s.next()
		if err := storagetest.SetPassword(t.Context(), s.db, anna.ID, anna.PasswordHash); err != nil {
			t.Fatal(err)
		}
		b.get("/signin/totp?next=" + next).leadsTo("/signin?next=" + next)
		idle := s.signedIn("anna@example.com")
		s.wait(12 * time.Hour)
		idle.anew("/signin", next, idle.get("/signin/totp?next="+next))
	})
}

// wrong is a code that no step near now has.
func (s *site) wrong() string {
	near := map[string]bool{s.code(): true}
	for _, off := range []time.Duration{-30 * time.Second, 60 * time.Second} {
		s.wait(off)
		near[s.code()] = true
	}
	s.wait(-30 * time.Second)
	for _, code := range []string{"000000", "111111", "222222"} {
		if !near[code] {
			return code
		}
	}
	return "333333"
}
