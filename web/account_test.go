package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/web"
)

// accountPages are the pages that need no fresh proof.
var accountPages = []string{"/account", "/account/devices", "/account/apps", "/account/security", "/account/name"}

// query is a parameter with which a page led on.
func (a answer) query(name string) string {
	a.t.Helper()
	to, err := url.Parse(a.header.Get("Location"))
	if err != nil {
		a.t.Fatal(err)
	}
	return to.Query().Get(name)
}

// nextOf is the sealed request with which a page led to want.
func (a answer) nextOf(want string) string {
	a.t.Helper()
	to, err := url.Parse(a.header.Get("Location"))
	if err != nil || a.status != http.StatusSeeOther || to.Path != want || to.Query().Get("next") == "" {
		a.is(http.StatusSeeOther)
		a.t.Fatalf("%s: leads to %s, want %s?next=…", a.what, a.header.Get("Location"), want)
	}
	return to.Query().Get("next")
}

// signIn is what a person does at the sign-in page with the request next.
func (b *browser) signIn(email, next string) answer {
	b.s.t.Helper()
	return b.post("/signin", "next", next, "username", email, "password", password)
}

func TestAccount_eachPageLeadsBackToItselfAfterSigningIn(t *testing.T) {
	t.Parallel()
	run(t, nil, func(_ *testing.T, s *site) {
		s.user("anna@example.com")
		for _, path := range accountPages {
			b := s.browser()
			next := b.get(path).nextOf("/signin")
			if page := b.get("/signin?next="+next).is(http.StatusOK, "Sign in"); page.Find(".notice").Length() != 0 {
				t.Errorf("%s: whoever was never signed in is told %q", path, page.Find(".notice").Text())
			}
			b.signIn("anna@example.com", next).leadsTo(path)
			b.get(path).is(http.StatusOK)
			b.get("/signin?next="+next).is(http.StatusOK, "Continue as anna@example.com") // the back button
		}
	})
}

func TestAccount_asksForTheSecondStepWhereSigningInDoes(t *testing.T) {
	t.Parallel()
	run(t, nil, func(_ *testing.T, s *site) {
		s.enrolled(s.user("anna@example.com"))
		b := s.signedIn("anna@example.com")
		for _, path := range accountPages {
			b.get(path).nextOf("/signin/totp")
		}
		next := b.get("/account/devices").nextOf("/signin/totp")
		b.post("/signin/totp", "next", next, "totp", s.code()).leadsTo("/account/devices")
		b.get("/account/devices").is(http.StatusOK)
	})
}

func TestAccount_whereEveryoneNeedsASecondStepOneIsAddedFirst(t *testing.T) {
	t.Parallel()
	run(t, func(o *web.Options) { o.Policy = identity.MFARequired }, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		b := s.signedIn("anna@example.com")
		next := b.get("/account/apps").nextOf("/account/totp")
		page := b.get("/account/totp?next=" + next).is(http.StatusOK)
		if page.Find(".ways a[href^='/account']").Length() != 0 {
			t.Error("the page offers a way past it")
		}
		form := []string{"next", next, "enrolment", field(page, "enrolment"), "totp", s.codeOf(key(page))}
		b.post("/account/totp", form...).leadsTo(saving(next))
		b.post("/account/totp/codes", "next", next).leadsTo("/account/apps")
		b.get("/account/apps").is(http.StatusOK)
		b.get("/account/security").is(http.StatusOK, "can’t be removed")
		page = b.post("/account/totp/remove").is(http.StatusForbidden, "can’t be removed")
		if page.Find("a.button[href='/account']").Length() != 1 {
			t.Error("no way back to the account")
		}
		if !b.standing().Enrolled() {
			t.Error("the authenticator is removed")
		}
	})
}

func TestAccount_expiredSignInIsToldKindlyAndGoesOnWhereThePersonWas(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		for what, end := range map[string]func(b *browser){
			"idle":    func(*browser) { s.wait(13 * time.Hour) },
			"expired": func(*browser) { s.wait(15 * 24 * time.Hour) },
			"ended": func(b *browser) {
				from := identity.From{UserID: u.ID}
				if err := s.devices().EndBrowser(t.Context(), from, b.standing().SignIn.ID); err != nil {
					t.Fatal(err)
				}
			},
		} {
			b := s.signedIn("anna@example.com")
			b.get("/account/name").is(http.StatusOK)
			end(b)
			b.post("/account/name", "name", "Ada").leadsTo("/account/name") // the form was open meanwhile
			next := b.get("/account/name").nextOf("/signin")
			want := "It has been a while, so sign in again; you go on where you were."
			if what == "ended" {
				want = "This browser was signed out."
			}
			page := b.get("/signin?next="+next).is(http.StatusOK, want)
			if strings.Contains(page.Text(), "anna@example.com") {
				t.Errorf("%s: the page tells who was signed in", what)
			}
			b.signIn("anna@example.com", next).leadsTo("/account/name")
		}
	})
}

func TestAccount_expiredSignInIsToldToWhomAnAppSendsToo(t *testing.T) {
	t.Parallel()
	run(t, nil, func(_ *testing.T, s *site) {
		s.user("anna@example.com")
		b := s.signedIn("anna@example.com")
		s.wait(13 * time.Hour)
		b.get("/signin?next="+s.next()).is(http.StatusOK, "It has been a while", "Continue to Notes")
	})
}

func TestAccount_noAppLeadsToItAndNoRequestOfItLeadsElsewhere(t *testing.T) {
	t.Parallel()
	run(t, nil, func(_ *testing.T, s *site) {
		s.user("anna@example.com")
		b := s.browser()
		next := s.next("page", "/account/devices") // an app may send any parameter
		b.signIn("anna@example.com", next).leadsTo(onward(next))
		for _, page := range []string{"https://evil.example/", "/oauth2/authorize", "/account/devices/..", ""} {
			next := s.next("client_id", "", "redirect_uri", "", "page", page)
			b.get("/signin?next=" + next).is(http.StatusBadRequest)
		}
		b.get("/consent?next=" + s.browser().get("/account/apps").nextOf("/signin")).leadsTo("/account/apps")
	})
}

func TestAccount_noticeIsOneOfOursOrNone(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		b := s.signedIn("anna@example.com")
		b.get("/account/devices?notice=devices.ended").is(http.StatusOK, "That is signed out.")
		for _, notice := range []string{"Your+password+is+bad", "signin.again", "problem.reference", "%00"} {
			if page := b.get("/account/devices?notice=" + notice).is(http.StatusOK); page.Find(".notice").Length() != 0 {
				t.Errorf("%s is said: %q", notice, page.Find(".notice").Text())
			}
		}
	})
}

func TestName_isChangedAndTold(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		b := s.signedIn("anna@example.com")
		b.post("/account/name", "name", " Anna Ångström ").leadsTo("/account/security?notice=security.name.changed")
		b.post("/account/name", "name", "Anna Ångström").leadsTo("/account/security?notice=security.name.changed") // twice
		b.get("/account").is(http.StatusOK, "Anna Ångström", "anna@example.com")
		if got := s.told(u.ID, identity.ProfileChanged); got != 1 {
			t.Errorf("%d Events tell of one change", got)
		}
		for what, name := range map[string]string{
			"a line break": "a\nb", "much": strings.Repeat("a", 101), "broken UTF-8": "\xff",
		} {
			page := b.post("/account/name", "name", name).is(http.StatusBadRequest)
			if problemBeside(page, "name") == "" {
				t.Errorf("%s: no word beside the name", what)
			}
		}
	})
}

// told counts the Events of a kind.
func (s *site) told(userID identity.ID, kind identity.EventKind) (n int) {
	s.t.Helper()
	events, err := s.db.Events(s.t.Context(), identity.EventQuery{UserID: userID, Limit: 1000})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

func (s *site) devices() identity.Devices { return identity.Devices{Store: s.db, Now: s.time} }

func TestAccount_anotherPersonWhoSignsInMeanwhileGetsTheirOwnPage(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		s.user("bob@example.com")
		b := s.signedIn("anna@example.com")
		session := b.session("notes", "openid", "offline_access")
		form := []string{"sid", session.ID.String()} // on a page that anna left open
		s.wait(11 * time.Minute)
		next := b.get("/account/totp").nextOf("/signin")
		b.signIn("bob@example.com", next).leadsTo("/account/totp")
		page := b.get("/account/totp").is(http.StatusOK, "bob@example.com")
		if strings.Contains(page.Text(), "anna@example.com") {
			t.Error("the page is anna's")
		}
		b.post("/account/devices", form...).is(http.StatusNotFound)
		b.get("/account").is(http.StatusOK, "bob@example.com")
		if !s.alive(session.ID) {
			t.Error("bob ended anna's Session")
		}
	})
}
