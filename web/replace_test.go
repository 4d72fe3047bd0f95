package web_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/web"
)

func newPhone(next string) string { return "/account/totp/new?next=" + next }

func replaced(next string) string { return "/account/totp/replaced?next=" + next }

// required is a server on which nobody gets on without an authenticator: it can be replaced all the same.
func required(o *web.Options) { o.Policy = identity.MFARequired }

// withPhone is a browser of someone who has just proved password and code.
func (s *site) withPhone(u identity.User) *browser {
	s.t.Helper()
	b := s.signedIn(u.Email)
	b.post("/signin/totp", "totp", s.code()).leadsTo("/account")
	s.wait(30 * time.Second)
	return b
}

func TestReplace_isOneStepAndTheOldAppIsGoodUntilTheNewOneIsProved(t *testing.T) {
	t.Parallel()
	run(t, required, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		s.enrolled(u)
		b, elsewhere := s.withPhone(u), s.signedIn(u.Email)
		if b.get("/account/security").is(http.StatusOK).Find("a[href='/account/totp/replace']").Length() != 1 {
			t.Fatal("no way to another app from Security")
		}
		page := b.get("/account/totp/replace").is(http.StatusOK, "stays good until this one has shown its code", "recovery codes stay as they are")
		form := []string{"next", field(page, "next"), "enrolment", field(page, "enrolment"), "totp"}
		if wrong := b.post("/account/totp/replace", append(form, "000000")...).is(http.StatusUnauthorized); key(wrong) != key(page) {
			t.Error("after a wrong code there is another key")
		}
		elsewhere.post("/signin/totp", "totp", s.code()).leadsTo("/account") // with the old app
		before := b.cookie()
		next := b.post("/account/totp/replace", append(form, s.codeOf(key(page)))...).nextOf("/account/totp/replaced")
		b.get(replaced(next)).is(http.StatusOK, "Your authenticator app is set up", "You have no recovery codes")
		if b.cookie() == before || s.standingOf(before).SignedIn() || !b.standing().SignIn.AMR.Has(identity.MFA) {
			t.Error("the browser does not go on under a new cookie")
		}
		if elsewhere.standing().SignedIn() {
			t.Error("another browser is still signed in")
		}
		s.wait(30 * time.Second)
		other := s.signedIn(u.Email)
		other.post("/signin/totp", "totp", s.code()).is(http.StatusUnauthorized)
		other.post("/signin/totp", "totp", s.codeOf(key(page))).leadsTo("/account")
		if n := s.told(u.ID, identity.FactorReplaced); n != 1 {
			t.Errorf("%d Events", n)
		}
		b.get("/account/totp/replaced").is(http.StatusOK)
		s.wait(11 * time.Minute)
		b.get("/account/totp/replaced").leadsTo("/account/security") // no news any more
	})
}

func TestReplace_keepsTheRecoveryCodes(t *testing.T) {
	t.Parallel()
	run(t, required, func(_ *testing.T, s *site) {
		u := s.user("anna@example.com")
		codes := s.withCodes(u)
		b := s.signedIn(u.Email)
		b.post("/signin/recovery", "recovery_code", codes[0]).leadsTo("/account/totp/new")
		b.replace("").is(http.StatusOK, "you have 9 left")
		other := s.signedIn(u.Email)
		other.post("/signin/recovery", "recovery_code", codes[0]).is(http.StatusUnauthorized)
		other.post("/signin/recovery", "recovery_code", codes[1]).leadsTo("/account/totp/new")
	})
}

// A lost phone, on the way to an app: the app's request is carried along.
func TestNewPhone_isOfferedAfterARecoveryCodeAndMayBePassedOver(t *testing.T) {
	t.Parallel()
	run(t, required, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		codes := s.withCodes(u)
		b, next := s.signedIn(u.Email), s.next()
		b.get("/account/totp/new?next=" + next).leadsTo("/signin/totp?next=" + next)
		b.post("/signin/recovery", "next", next, "recovery_code", codes[0]).leadsTo(newPhone(next))
		page := b.get(newPhone(next)).is(http.StatusOK, "New phone? Set up your authenticator", "Continue to Notes")
		if to, _ := page.Find("main a.button").First().Attr("href"); to != "/account/totp/replace?next="+next {
			t.Errorf("it leads to %s", to)
		}
		if to, _ := page.Find("main a.button.second").Attr("href"); to != onward(next) {
			t.Errorf("past it leads %s", to)
		}
		if to, _ := b.replace(next).is(http.StatusOK, "Continue to Notes").Find("main a.button").Attr("href"); to != onward(next) {
			t.Errorf("afterwards it leads to %s", to)
		}
		s.browser().get(newPhone(next)).leadsTo("/signin?next=" + next)
	})
}

func TestReplace_asksForThePasswordUnlessItWasJustGiven(t *testing.T) {
	t.Parallel()
	run(t, nil, func(_ *testing.T, s *site) {
		u := s.user("anna@example.com")
		s.user("bob@example.com")
		s.enrolled(u)
		b := s.withPhone(u)
		s.wait(11 * time.Minute)
		next := b.get("/account/totp/replace").nextOf("/signin")
		b.signIn(u.Email, next).leadsTo("/account/totp/replace")
		next = b.get("/account/totp/replace").nextOf("/signin/totp")
		b.post("/signin/totp", "next", next, "totp", s.code()).leadsTo("/account/totp/replace")
		b.get("/account/totp/replace").is(http.StatusOK)
		s.signedIn("bob@example.com").get("/account/totp/replace").leadsTo("/account/security") // nothing to replace
		s.browser().get("/account/totp/replace").nextOf("/signin")
	})
}

func TestReplace_whatWasBegunBeforeAChangeIsWorthNothing(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		s.enrolled(u)
		b := s.withPhone(u)
		page := b.get("/account/totp/replace").is(http.StatusOK)
		b.post("/account/security", "current_password", password, "new_password", "quite another one")
		form := []string{"enrolment", field(page, "enrolment"), "totp", s.codeOf(key(page))}
		fresh := b.post("/account/totp/replace", form...).is(http.StatusBadRequest, "here is a new key")
		if key(fresh) == key(page) {
			t.Error("it is the old key")
		}
		b.post("/account/totp/replace", "enrolment", field(fresh, "enrolment"), "totp", s.codeOf(key(fresh))).nextOf("/account/totp/replaced")
		b.post("/account/totp/replace", "enrolment", field(fresh, "enrolment"), "totp", s.codeOf(key(fresh))).is(http.StatusBadRequest) // it counts already
	})
}

// What a thief of password and code does, and what the mail about it is for.
func TestReplace_isTakenBackByWhoeverSaysItWasNotThem(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(_ *testing.T, s *site) {
		u := s.confirmed("anna@example.com")
		s.enrolled(u)
		thief := s.withPhone(u)
		moment := identity.Moment{Before: s.time().Add(-time.Microsecond), Email: u.Email}
		page := thief.get("/account/totp/replace").is(http.StatusOK)
		thief.post("/account/totp/replace", "enrolment", field(page, "enrolment"), "totp", s.codeOf(key(page))).nextOf("/account/totp/replaced")
		s.browser().post("/not-me", "link", s.link(u.ID, identity.LinkNotMe, moment.Detail())).is(http.StatusOK)
		s.wait(30 * time.Second)
		b := s.signedIn(u.Email)
		b.post("/signin/totp", "totp", s.codeOf(key(page))).is(http.StatusUnauthorized)
		b.post("/signin/totp", "totp", s.code()).leadsTo("/account")
	})
}

// Of presses of one button, and of presses in as many browsers.
func TestReplace_ofManyAtOnceExactlyOneCounts(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		for name, browsers := range map[string]int{"one browser": 1, "many browsers": 16} {
			u := s.user(name[:3] + "@example.com")
			s.enrolled(u)
			var presses []func() answer
			for range browsers {
				b := s.withPhone(u)
				page := b.get("/account/totp/replace").is(http.StatusOK)
				form := []string{"enrolment", field(page, "enrolment"), "totp", s.codeOf(key(page))}
				for range 16 / browsers {
					twin := b.twin()
					presses = append(presses, func() answer { return twin.post("/account/totp/replace", form...) })
				}
			}
			won := 0
			for _, a := range atOnce(presses) {
				if a.status >= http.StatusInternalServerError {
					t.Errorf("%s: a press is answered %d", name, a.status)
				}
				for _, c := range (&http.Response{Header: a.header}).Cookies() {
					if c.Name == identity.CookieName(false) {
						won++
					}
				}
			}
			if told := s.told(u.ID, identity.FactorReplaced); won != 1 || told != 1 {
				t.Errorf("%s: %d presses counted, %d were told of", name, won, told)
			}
		}
	})
}

// atOnce presses all at once.
func atOnce(presses []func() answer) []answer {
	answers := make([]answer, len(presses))
	var all sync.WaitGroup
	for i, press := range presses {
		all.Go(func() { answers[i] = press() })
	}
	all.Wait()
	return answers
}

// replace puts another authenticator in the place of the one there is, and looks at what comes next.
func (b *browser) replace(next string) answer {
	b.s.t.Helper()
	page := b.get("/account/totp/replace?next=" + next).is(http.StatusOK)
	a := b.post("/account/totp/replace", "next", field(page, "next"), "enrolment", field(page, "enrolment"), "totp", b.s.codeOf(key(page)))
	a.nextOf("/account/totp/replaced")
	return b.get(a.header.Get("Location"))
}
