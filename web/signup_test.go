package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/web"
)

func TestSignUp_saysTheSameForAFreeAndForATakenAddress(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("taken@example.com")
		b, next := s.browser(), s.next()
		page := b.get("/signup?next="+next).is(http.StatusOK, "Create your account", "Continue to Notes")
		if field(page, "next") != next {
			t.Error("the form does not carry the request")
		}
		for _, email := range []string{"free@example.com", "taken@example.com"} {
			a := b.post("/signup", "next", next, "username", " "+email, "name", "Someone", "password", "another password")
			to, err := url.Parse(a.header.Get("Location"))
			if a.status != http.StatusSeeOther || err != nil || to.Path != "/signin" || to.Query().Get("notice") != "signup" {
				t.Fatalf("%s: status %d, leads to %s", email, a.status, a.header.Get("Location"))
			}
			asked, err := s.keys.ReadAsked(to.Query().Get("next"))
			want := url.Values{
				"client_id": {"notes"}, "redirect_uri": {callback}, "scope": {"openid email"}, "state": {"st&te"},
				"login_hint": {" " + email},
			}
			if diff := cmp.Diff(want, asked.Params); err != nil || diff != "" || !asked.At.Equal(s.time()) {
				t.Errorf("%s: the request is %+v (%v)", email, asked, err)
			}
			if b.cookie() != "" {
				t.Fatalf("%s: someone is signed in", email)
			}
			if page := b.get(to.String()).is(http.StatusOK, "Now sign in"); field(page, "username") != email {
				t.Errorf("%s: the form knows %q", email, field(page, "username"))
			}
		}
		b.post("/signin", "username", "taken@example.com", "password", "another password").is(http.StatusUnauthorized)
		b.post("/signin", "username", "taken@example.com", "password", password).leadsTo("/account")
		b.post("/signin", "username", "free@example.com", "password", "another password").leadsTo("/account")
	})
}

func TestSignUp_withoutARequestLeadsToSignIn(t *testing.T) {
	t.Parallel()
	run(t, nil, func(_ *testing.T, s *site) {
		b := s.browser()
		b.post("/signup", "username", "anna@example.com", "password", password).leadsTo("/signin?notice=signup")
		b.get("/signin?notice=signup").is(http.StatusOK, "Now sign in")
	})
}

func TestSignUp_saysWhatIsWrongBesideTheFieldAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		b, next := s.browser(), s.next()
		for _, wrong := range []struct{ field, username, name, password string }{
			{"username", "anna", "Anna", password},
			{"username", "a\x00@example.com", "Anna", password},
			{"username", "\xff@example.com", "Anna", password},
			{"name", "anna@example.com", "An\x00na", password},
			{"name", "anna@example.com", "\xff", password},
			{"name", "anna@example.com", strings.Repeat("a", 101), password},
			{"password", "anna@example.com", "Anna", "short"},
			{"password", "anna@example.com", "Anna", "with\x00NUL in it"},
			{"password", "anna@example.com", "Anna", "broken \xff UTF-8"},
			{"password", "anna@example.com", "Anna", strings.Repeat("a", 257)},
		} {
			page := b.post("/signup", "next", next, "username", wrong.username, "name", wrong.name, "password", wrong.password).
				is(http.StatusBadRequest)
			if problemBeside(page, wrong.field) == "" || field(page, "password") != "" || field(page, "next") != next {
				t.Errorf("%+v: no word beside it, or the password came back", wrong)
			}
			if wrong.field == "password" && (field(page, "username") != wrong.username || field(page, "name") != wrong.name) {
				t.Errorf("%+v: name and address are gone", wrong)
			}
		}
		for range 40 {
			b.post("/signup", "username", "anna").is(http.StatusBadRequest) // typing errors are not counted
		}
		b.post("/signup", "username", "anna@example.com", "password", password).leadsTo("/signin?notice=signup")
	})
}

func TestSignUp_limitsWhatANetworkMaySend(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		place := identity.ThrottleKey("signup", "127.0.0.1")
		for range identity.SignUpThrottle.Free {
			if _, err := s.db.CountTry(t.Context(), place, identity.SignUpThrottle); err != nil {
				t.Fatal(err)
			}
		}
		a := s.browser().post("/signup", "username", "anna@example.com", "password", password)
		page := a.is(http.StatusTooManyRequests, "Too many tries")
		if a.header.Get("Retry-After") != "60" || field(page, "username") != "anna@example.com" {
			t.Errorf("Retry-After is %q, the form keeps %q", a.header.Get("Retry-After"), field(page, "username"))
		}
	})
}

// Of many networks together one too many waits for the minute to end; one network alone never gets so far.
func TestSignUp_limitsWhatAllNetworksTogetherMaySend(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		door := identity.SignUpDoor
		if door.Network.Free*2 > door.All {
			t.Error("two networks can take what all have")
		}
		s.wait(20 * time.Second)
		for i := range door.All - 1 {
			if err := door.Pass(t.Context(), s.db, fmt.Sprintf("2001:db8:%x::1", i), s.time()); err != nil {
				t.Fatal(i, err)
			}
		}
		b := s.browser()
		b.post("/signup", "username", "anna@example.com", "password", "short").is(http.StatusBadRequest) // is not counted
		b.post("/signup", "username", "anna@example.com", "password", password).leadsTo("/signin?notice=signup")
		a := b.post("/signup", "username", "bob@example.com", "password", password)
		a.is(http.StatusTooManyRequests, "Too many tries")
		if a.header.Get("Retry-After") != "40" {
			t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
		}
		s.wait(40 * time.Second)
		b.post("/signup", "username", "bob@example.com", "password", password).leadsTo("/signin?notice=signup")
	})
}

// Whoever has an IPv6 /48 has 65,536 networks: that must not be enough to keep everybody out.
func TestSignUp_limitsWhatASiteMaySend(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		door, refused := identity.SignUpDoor, 0
		for i := range door.All + 1 {
			if err := door.Pass(t.Context(), s.db, fmt.Sprintf("2001:db8:0:%x::1", i), s.time()); identity.KindOf(err) == identity.Throttled {
				refused++
			}
		}
		if refused != door.All/2+1 {
			t.Errorf("%d of %d were refused", refused, door.All+1)
		}
		s.browser().post("/signup", "username", "anna@example.com", "password", password).leadsTo("/signin?notice=signup")
	})
}

func TestSignUp_closedIsNoPageAndNoLink(t *testing.T) {
	t.Parallel()
	run(t, func(o *web.Options) { o.SignupOpen = false }, func(t *testing.T, s *site) {
		b, next := s.browser(), s.next()
		page := b.get("/signup?next="+next).is(http.StatusNotFound, "Accounts are not made here", "REF12345")
		if way, _ := page.Find("a.button").Attr("href"); way != onward(next) {
			t.Errorf("the way on is %q", way)
		}
		b.post("/signup", "username", "anna@example.com", "password", password).is(http.StatusNotFound)
		if b.get("/signin?next="+next).is(http.StatusOK).Find("a[href^='/signup']").Length() != 0 {
			t.Error("the sign-in page links to it")
		}
		if _, err := s.db.UserByEmail(t.Context(), "anna@example.com"); identity.KindOf(err) != identity.NotFound {
			t.Errorf("an account was made (%v)", err)
		}
	})
}

func TestAddress_thatWasTypedIsThereOnTheNextPageAndInNoURL(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		knows := func(b *browser, path string) {
			t.Helper()
			if got := field(b.get(path).is(http.StatusOK), "username"); got != "anna@example.com" {
				t.Errorf("%s knows the address %q", path, got)
			}
		}
		u, b := s.confirmed("anna@example.com"), s.browser()
		b.post("/signup", "username", "Anna@Example.com", "password", password) // one answer for all
		knows(b, "/signin?notice=signup")
		b = s.browser()
		b.post("/signin", "username", "anna@example.com", "password", "wrong").is(http.StatusUnauthorized)
		knows(b, "/forgot")
		b = s.browser()
		b.post("/forgot", "username", "anna@example.com").is(http.StatusOK)
		knows(b, "/signin")
		if got := field(b.get("/signin?switch=1").is(http.StatusOK), "username"); got != "" {
			t.Errorf("whoever is somebody else finds %q", got)
		}
		b = s.browser()
		b.post("/reset", "link", s.link(u.ID, identity.LinkReset, ""), "new_password", "another password").leadsTo("/signin?notice=reset&switch=1")
		knows(b, "/signin?notice=reset&switch=1")
	})
}
