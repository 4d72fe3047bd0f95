package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// anew checks that an answer leads to path with what next asks, asked just now in this browser.
func (b *browser) anew(path, next string, a answer) identity.Asked {
	b.s.t.Helper()
	before, err := b.s.keys.ReadAsked(next)
	if err != nil {
		b.s.t.Fatal(err)
	}
	asked, err := b.s.keys.ReadAsked(a.nextOf(path))
	if err != nil || asked.Params.Encode() != before.Params.Encode() || asked.ID == before.ID {
		b.s.t.Fatalf("%s leads on with %+v, %v", a.what, asked, err)
	}
	for _, cookie := range b.http.Jar.Cookies(b.at()) {
		if strings.HasSuffix(cookie.Name, "-request") && asked.Counts(cookie.Value, b.s.time()) {
			return asked
		}
	}
	b.s.t.Fatalf("%s leads on with a request that does not count", a.what)
	return asked
}

// allows checks that an answer leads on with the yes of whoever is signed in with b to next.
func (a answer) allows(b *browser, next string) {
	a.t.Helper()
	press := identity.Press{Button: identity.ForAllowal, By: b.standing(), Next: next}
	if got := a.nextOf("/oauth2/authorize"); got != next || !b.s.keys.Pressed(a.query("allowed"), press, b.s.time()) {
		a.t.Fatalf("%s leads to %s", a.what, a.header.Get("Location"))
	}
}

// stranger is a browser that no request was asked in.
func (s *site) stranger() *browser {
	s.t.Helper()
	b := s.browser()
	expired := *thisBrowser
	expired.MaxAge = -1
	b.http.Jar.SetCookies(b.at(), []*http.Cookie{&expired})
	return b
}

// A page that was opened elsewhere, or an hour ago, leads on; and a password that was typed there counts for what was
// asked there and then, not for what was asked before.
func TestBound_aSignInOnAnOldPageCountsForARequestThatIsAskedThen(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		here, next := s.browser(), s.next("prompt", "login")
		s.wait(identity.AskedFor)
		for what, b := range map[string]*browser{"an hour later": here, "another browser": s.stranger()} {
			b.get("/signin?next=" + next).is(http.StatusOK)
			a := b.post("/signin", "next", next, "username", "anna@example.com", "password", password)
			asked := b.anew("/oauth2/authorize", next, a)
			before, _ := s.keys.ReadAsked(next)
			if who := b.standing(); !who.ProvedFor(asked.ID) || who.ProvedFor(before.ID) {
				t.Errorf("%s: the sign-in is for %v", what, who.SignIn.ProvedFor)
			}
		}
	})
}

func TestBound_aPageInABrowserWithoutCookiesIsShown(t *testing.T) {
	t.Parallel()
	run(t, nil, func(_ *testing.T, s *site) {
		next := s.next()
		for range 2 {
			s.stranger().get("/signin?next="+next).is(http.StatusOK, "Continue to Notes")
			s.stranger().get("/signup?next="+next).is(http.StatusOK, "Continue to Notes")
		}
	})
}

func TestBound_aConsentPageFromElsewhereAsksHere(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		b, next := s.signedIn("anna@example.com"), s.next()
		page := b.get("/consent?next=" + next).is(http.StatusOK)
		s.wait(identity.AskedFor)
		old := []string{"next", next, "binding", field(page, "binding"), "consent", "allow"}
		page = b.post("/consent", old...).is(http.StatusConflict, "See your e-mail address")
		fresh := field(page, "next")
		if fresh == next {
			t.Fatal("the page still asks for the old request")
		}
		b.post("/consent", "next", fresh, "binding", field(page, "binding"), "consent", "allow").allows(b, fresh)
	})
}

// RFC 8252 §8.6.
func TestContinue_asksWhoOpenedAnAppThatOthersCouldPoseAs(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		anna := s.user("anna@example.com")
		s.client(identity.Client{ID: "phone", Trusted: true, Metadata: identity.Metadata{
			Name: "Pocket", AuthMethod: "none", RedirectURIs: []string{"com.example.pocket:/cb"},
		}})
		b, next := s.signedIn("anna@example.com"), s.next("client_id", "phone", "redirect_uri", "com.example.pocket:/cb")
		page := b.get("/consent?next="+next).is(http.StatusOK, "Did you open Pocket?", "Continue as anna@example.com")
		if page.Find(".scopes").Length() != 0 {
			t.Error("the operator's own app asks for consent")
		}
		binding := field(page, "binding")
		b.post("/consent", "next", next, "binding", binding, "consent", "allow").allows(b, next)
		if grant, err := s.db.GrantOf(t.Context(), anna.ID, "phone"); err != nil || !grant.UpdatedAt.IsZero() {
			t.Errorf("a grant was kept: %+v (%v)", grant, err)
		}
		other := s.next("client_id", "phone", "redirect_uri", "com.example.pocket:/cb")
		b.post("/consent", "next", other, "binding", binding, "consent", "allow").is(http.StatusConflict, "Did you open Pocket?")
		a := b.post("/consent", "next", next, "binding", binding, "consent", "deny")
		press := identity.Press{Button: identity.ForDenial, By: b.standing(), Next: next}
		if got := a.nextOf("/oauth2/authorize"); got != next || !s.keys.Pressed(a.query("denied"), press, s.time()) {
			t.Errorf("a no leads to %s", a.header.Get("Location"))
		}
	})
}

// What a person presses counts for what the page said, also where it would say something else by now.
func TestConsent_aPageThatWouldSayAnotherThingByNowAsksAgain(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		phone := identity.Client{ID: "phone", Metadata: identity.Metadata{
			Name: "Pocket", AuthMethod: "none", Scope: "openid email", RedirectURIs: []string{"com.example.pocket:/cb"},
		}}
		s.client(phone)
		b, next := s.signedIn("anna@example.com"), s.next("client_id", "phone", "redirect_uri", "com.example.pocket:/cb")
		page := b.get("/consent?next="+next).is(http.StatusOK, "Let Pocket use your account?")
		b.post("/consent", "next", next, "binding", field(page, "binding"), "consent", "allow").allows(b, next)
		page = b.get("/consent?next="+next).is(http.StatusOK, "Did you open Pocket?")
		phone.Name = "Purse"
		if err := s.db.UpdateClient(t.Context(), phone); err != nil {
			t.Fatal(err)
		}
		s.wait(time.Second)
		b.post("/consent", "next", next, "binding", field(page, "binding"), "consent", "allow").
			is(http.StatusConflict, "Let Purse use your account?", "See your e-mail address")
	})
}
