package web_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/web"
)

func TestSignIn_leadsBackToAuthorize(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		b, next := s.browser(), s.next("login_hint", "Anna@Example.com")
		page := b.get("/signin?next="+next).is(http.StatusOK, "Continue to Notes")
		if got := field(page, "username"); got != "anna@example.com" {
			t.Errorf("the form knows %q, want whom the app named", got)
		}
		if got := field(page, "next"); got != next {
			t.Errorf("the form carries %q", got)
		}
		b.post("/signin", "next", next, "username", " Anna@example.com", "password", password).leadsTo(onward(next))
		standing := b.standing()
		if standing.User.Email != "anna@example.com" || standing.SignIn.AMR != identity.PWD || !standing.SignIn.ProvedAt.Equal(s.time()) {
			t.Errorf("what was proved is %+v", standing.SignIn)
		}
	})
}

func TestSignIn_withoutARequestLeadsToTheAccount(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		s.user("bob@example.com")
		b := s.browser()
		b.get("/").leadsTo("/signin")
		b.get("/signin").is(http.StatusOK, "Sign in")
		b.post("/signin", "username", "anna@example.com", "password", password).leadsTo("/account")
		b.get("/signin").leadsTo("/account")
		if page := b.get("/signin?switch=1").is(http.StatusOK, "Sign in"); field(page, "username") != "" {
			t.Error("someone else is offered the name of whoever is signed in")
		}
		s.signedIn("bob@example.com").get("/signin").leadsTo("/account")
	})
}

func TestSignIn_wrongPasswordKeepsTheNameAndNothingElse(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		b, next := s.browser(), s.next()
		page := b.post("/signin", "next", next, "username", "anna@example.com", "password", "wrong").is(http.StatusUnauthorized)
		if problemBeside(page, "password") == "" || field(page, "username") != "anna@example.com" || field(page, "next") != next {
			t.Errorf("the form says %q, keeps %q", problemBeside(page, "password"), field(page, "username"))
		}
		if field(page, "password") != "" || b.cookie() != "" {
			t.Error("a wrong password is kept, or signs in")
		}
		unknown := b.post("/signin", "next", next, "username", "nobody@example.com", "password", "wrong").is(http.StatusUnauthorized)
		if problemBeside(unknown, "password") != problemBeside(page, "password") {
			t.Error("the page tells whether there is an account")
		}
	})
}

func TestSignIn_takesAnythingForANameWithoutFailing(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		for what, value := range values {
			page := s.browser().post("/signin", "username", value, "password", password).is(http.StatusBadRequest)
			if problemBeside(page, "username") == "" {
				t.Errorf("%s: no word beside the name", what)
			}
			s.browser().post("/signin", "username", "anna@example.com", "password", value).is(http.StatusUnauthorized)
			s.wait(2 * time.Hour) // out of the throttle
		}
	})
}

func TestSignIn_manyMissesCostAWait(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		for range 5 {
			s.browser().post("/signin", "username", "anna@example.com", "password", "wrong").is(http.StatusUnauthorized)
		}
		b := s.browser()
		a := b.post("/signin", "username", "anna@example.com", "password", password)
		a.is(http.StatusTooManyRequests, "Too many tries")
		if got := a.header.Get("Retry-After"); got != "30" {
			t.Errorf("Retry-After is %q, want 30", got)
		}
		s.wait(30 * time.Second)
		b.post("/signin", "username", "anna@example.com", "password", password).leadsTo("/account")
	})
}

func TestSignIn_lockedAccountIsToldSoOnTheForm(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		anna := s.user("anna@example.com")
		locked := identity.User{
			ID: identity.NewID(), Sub: "locked", Email: "locked@example.com", PasswordHash: anna.PasswordHash,
			CreatedAt: s.time(), UpdatedAt: s.time(), DisabledAt: s.time(),
		}
		if err := s.db.CreateUser(t.Context(), locked); err != nil {
			t.Fatal(err)
		}
		b := s.browser()
		b.post("/signin", "username", locked.Email, "password", password).is(http.StatusForbidden, "This account is locked")
		b.post("/signin", "username", locked.Email, "password", "wrong").is(http.StatusUnauthorized)
		if b.cookie() != "" {
			t.Error("a locked account is signed in")
		}
	})
}

func TestSignIn_givesTheCookieANewValueAndTheOldOneDies(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		b := s.signedIn("anna@example.com")
		before, old := b.standing(), b.cookie()
		s.wait(time.Minute)
		b.post("/signin", "username", "anna@example.com", "password", password).leadsTo("/account")
		after := b.standing()
		if b.cookie() == old || s.standingOf(old).SignedIn() {
			t.Error("the cookie's old value still works")
		}
		if after.SignIn.ID != before.SignIn.ID || !after.SignIn.ProvedAt.After(before.SignIn.ProvedAt) {
			t.Error("the same person's SignIn did not go on with a fresh proof")
		}
	})
}

func TestSignIn_ofSomeoneElseEndsTheOneBefore(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		s.user("bob@example.com")
		b := s.signedIn("anna@example.com")
		anna := b.standing()
		b.post("/signin", "username", "bob@example.com", "password", password).leadsTo("/account")
		if got := b.standing().User.Email; got != "bob@example.com" {
			t.Errorf("%q is signed in, want bob", got)
		}
		ended, err := s.db.StandingOf(t.Context(), anna.SignIn.ID)
		if err != nil || ended.SignIn.EndCause != identity.EndReplaced {
			t.Errorf("anna's SignIn has cause %q (%v), want replaced", ended.SignIn.EndCause, err)
		}
	})
}

func TestSignIn_pressedTwiceLeadsOnBothTimes(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		next := s.next()
		for _, b := range []*browser{s.browser(), s.signedIn("anna@example.com")} {
			first, second := b.twin(), b.twin()
			for _, press := range []*browser{first, second} {
				press.post("/signin", "next", next, "username", "anna@example.com", "password", password).leadsTo(onward(next))
			}
			if !second.standing().SignedIn() {
				t.Error("the second answer's cookie does not work")
			}
		}
	})
}

func TestSignIn_pressedManyTimesAtOnceNeverShowsAnError(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		b, next := s.signedIn("anna@example.com"), s.next()
		answers, presses := make(chan answer), []*browser{b.twin(), b.twin(), b.twin(), b.twin()}
		for _, press := range presses {
			go func() {
				answers <- press.post("/signin", "next", next, "username", "anna@example.com", "password", password)
			}()
		}
		for range presses {
			(<-answers).leadsTo(onward(next))
		}
		for _, press := range presses {
			if !press.standing().SignedIn() {
				t.Error("an answer's cookie does not work")
			}
		}
	})
}

func TestSignIn_pageOpenOverNightStillLeadsOn(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		b, next := s.browser(), s.next()
		b.get("/signin?next=" + next).is(http.StatusOK)
		s.wait(30 * 24 * time.Hour)
		b.anew("/oauth2/authorize", next, b.post("/signin", "next", next, "username", "anna@example.com", "password", password))
		page := b.get("/signin?next="+next).is(http.StatusOK, "Continue to Notes", "Continue as anna@example.com") // the back button
		if got := field(page, "username"); got != "anna@example.com" {
			t.Errorf("the form knows %q", got)
		}
	})
}

func TestSignIn_cookieIsKeptByTheBrowserAndFromEveryoneElse(t *testing.T) {
	t.Parallel()
	for name, secure := range map[string]bool{"sojourn": false, "__Host-sojourn": true} {
		run(t, func(o *web.Options) { o.Secure = secure }, func(t *testing.T, s *site) {
			s.user("anna@example.com")
			b := s.browser()
			a := b.post("/signin", "username", "anna@example.com", "password", password)
			want := []string{
				name + "=" + b.cookie() + "; Path=/; Max-Age=1209600; HttpOnly; SameSite=Lax",
				"sojourn_state=" + b.standing().BrowserState() + "; Path=/; Max-Age=1209600; SameSite=Lax", // for our frame elsewhere
			}
			if secure {
				want[0] = strings.Replace(want[0], "HttpOnly", "HttpOnly; Secure", 1)
				want[1] = strings.Replace(want[1], "SameSite=Lax", "Secure; SameSite=None", 1)
			}
			if got := a.header.Values("Set-Cookie"); len(got) < 2 || !slices.Equal(got[:2], want) || b.cookie() == "" {
				t.Errorf("Set-Cookie is %q, want %q", got, want)
			}
			s.wait(12*time.Hour - time.Second)
			again := b.post("/signin", "username", "anna@example.com", "password", password)
			if got := again.header.Get("Set-Cookie"); !strings.Contains(got, "; Max-Age=1166401;") {
				t.Errorf("half a day later Set-Cookie is %q, want the same end", got)
			}
		})
	}
}
