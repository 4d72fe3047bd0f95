package web_test

import (
	"net/http"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/web"
)

const chromeOnAndroid = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) " +
	"Chrome/131.0.0.0 Mobile Safari/537.36"

// enter signs in by the form, from a phone.
func (b *browser) enter(email string) {
	b.s.t.Helper()
	b.agent = chromeOnAndroid
	b.post("/signin", "switch", "1", "username", email, "password", password).leadsTo("/account")
}

func TestNewBrowser_isToldOfOnceAndNotTheFirstOfAll(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		phone := s.browser()
		phone.enter(u.Email)
		if s.happened(u.ID, identity.NewBrowser) != 0 || len(s.letters()) != 0 {
			t.Fatal("the very first browser of all is told of")
		}
		phone.post("/signout").is(http.StatusOK)
		phone.enter(u.Email)
		if s.happened(u.ID, identity.NewBrowser) != 0 {
			t.Error("a browser that was signed out of is not known any more")
		}
		tablet := s.browser()
		tablet.enter(u.Email)
		tablet.enter(u.Email) // once more, to prove it is them
		got := s.letter(identity.LetterEvent)
		if got.UserID != u.ID || got.Event.Kind != identity.NewBrowser || got.Event.Detail != "Chrome on Android" ||
			got.Event.Address != "127.0.0.1" {
			t.Errorf("the mail says %+v", got.Event)
		}
		s.signedIn(u.Email).enter(u.Email) // signed in since before browsers were remembered
		if s.happened(u.ID, identity.NewBrowser) != 1 {
			t.Error("the browser that the person is signed in with counts as new")
		}
	})
}

func TestNewBrowser_isSomebodyElsesUntilThePersonSignsIn(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		anna, bob := s.user("anna@example.com"), s.user("bob@example.com")
		annas, bobs := s.browser(), s.browser()
		annas.enter(anna.Email)
		bobs.enter(bob.Email)
		bobs.enter(anna.Email)
		if s.happened(anna.ID, identity.NewBrowser) != 1 {
			t.Error("Anna is not told of Bob's browser")
		}
		bobs.enter(bob.Email) // both are known there now
		bobs.enter(anna.Email)
		if s.happened(anna.ID, identity.NewBrowser) != 1 || s.happened(bob.ID, identity.NewBrowser) != 0 {
			t.Error("a browser that two share forgets one of them")
		}
	})
}

func TestNewBrowser_aForgedCookieKnowsNobody(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		s.browser().enter(u.Email)
		for i, value := range []string{"", "sj_br_", "sj_br_AQAAAAAA", s.keys.CookieText(identity.Pointer{}), "garbage"} {
			b := s.browser()
			b.http.Jar.SetCookies(b.at(), []*http.Cookie{{Name: "sojourn-browser", Value: value, Path: "/"}})
			b.enter(u.Email)
			if n := s.happened(u.ID, identity.NewBrowser); n != i+1 {
				t.Errorf("%q counts as a browser that is known", value)
			}
		}
	})
}

func TestNewBrowser_theCookieIsPinnedAndLastsAYear(t *testing.T) {
	t.Parallel()
	secure := func(o *web.Options) { o.Secure = true }
	run(t, secure, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		a := s.browser().post("/signin", "username", u.Email, "password", password)
		for _, c := range (&http.Response{Header: a.header}).Cookies() {
			if c.Name == "__Host-sojourn-browser" {
				if c.MaxAge != 365*24*3600 || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" {
					t.Errorf("the cookie is %+v", c)
				}
				return
			}
		}
		t.Error("there is no cookie")
	})
}

// Strangers go on guessing while somebody chooses a new password by mail: it must let them in.
func TestReset_theBrowserOfALinkIsKnown(t *testing.T) {
	t.Parallel()
	run(t, withMail, func(t *testing.T, s *site) {
		u, b := s.confirmed("anna@example.com"), s.browser()
		b.post("/reset", "link", s.link(u.ID, identity.LinkReset, ""), "new_password", "another password").
			leadsTo("/signin?notice=reset&switch=1")
		for range identity.PasswordThrottle.Free {
			s.browser().post("/signin", "username", u.Email, "password", "a guess").is(http.StatusUnauthorized)
		}
		s.browser().post("/signin", "username", u.Email, "password", "another password").is(http.StatusTooManyRequests)
		b.post("/signin", "username", u.Email, "password", "another password").leadsTo("/account")
	})
}

// Whoever has the password alone must not use up what the owner's browsers may.
func TestKnownBrowser_isNoneBeforeTheSecondFactor(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		u, thief := s.user("anna@example.com"), s.browser()
		owner := s.browser()
		owner.enter(u.Email)
		owner.post("/signout").is(http.StatusOK)
		s.enrolled(u)
		thief.post("/signin", "username", u.Email, "password", password).is(http.StatusSeeOther)
		for range identity.PasswordThrottle.Free {
			thief.post("/signin", "switch", "1", "username", u.Email, "password", "a guess")
		}
		owner.post("/signin", "username", u.Email, "password", password).is(http.StatusSeeOther)
	})
}
