package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/sojourn-auth/sojourn/identity"
)

// key is the secret that an enrolment page shows.
func key(page *goquery.Document) string {
	return strings.Join(page.Find(".key code").Map(func(_ int, part *goquery.Selection) string { return part.Text() }), "")
}

func TestEnrol_countsAsTheSecondFactorUnderANewCookie(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		b, next := s.signedIn("anna@example.com"), s.next()
		old := b.cookie()
		page := b.get("/account/totp?next="+next).is(http.StatusOK, "Add your authenticator app")
		link, _ := page.Find("a[href^='otpauth://totp/Harbour:anna@example.com?']").Attr("href")
		picture, _ := page.Find("img.qr").Attr("src")
		codes := page.Find(".codes li")
		if !strings.Contains(link, "secret="+key(page)) || len(picture) < 200 || codes.Length() != 10 {
			t.Errorf("the page shows link %q, a picture of %d bytes, %d codes", link, len(picture), codes.Length())
		}
		if page.Find(".ways a[href^='/account']").Length() != 0 {
			t.Error("where an app's request asks for an authenticator, the page offers a way past it")
		}
		code := s.codeOf(key(page))
		b.post("/account/totp", "next", next, "enrolment", field(page, "enrolment"), "totp", code).leadsTo(onward(next))
		standing := b.standing()
		if !standing.Enrolled || standing.SignIn.AMR != identity.PWD|identity.OTP|identity.MFA {
			t.Errorf("enrolled %v, proved %v", standing.Enrolled, standing.SignIn.AMR.Names())
		}
		if b.cookie() == old || s.standingOf(old).SignedIn() {
			t.Error("the cookie's old value still works")
		}
		other := s.signedIn("anna@example.com")
		other.post("/signin/totp", "totp", code).is(http.StatusUnauthorized, "used up")
		other.post("/signin/recovery", "recovery_code", codes.First().Text()).leadsTo("/account")
	})
}

func TestEnrol_withoutARequestLeadsToThePageThatSaysItIsOn(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		b := s.signedIn("anna@example.com")
		page := b.get("/account/totp").is(http.StatusOK)
		if page.Find("a[href='/account/security']").Length() != 1 {
			t.Error("no way past the page")
		}
		b.post("/account/totp", "enrolment", field(page, "enrolment"), "totp", s.codeOf(key(page))).leadsTo("/account/totp")
		b.get("/account/totp").leadsTo("/account/security")
		b.get("/account/security").is(http.StatusOK, "On: signing in takes a code from the app")
	})
}

func TestEnrol_wrongCodeKeepsTheKeyThatIsInTheApp(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		b, next := s.signedIn("anna@example.com"), s.next()
		page := b.get("/account/totp?next=" + next).is(http.StatusOK)
		want := key(page)
		for typed, status := range map[string]int{"000000": http.StatusUnauthorized, "12": http.StatusBadRequest, "\x00\xff": http.StatusBadRequest} {
			page = b.post("/account/totp", "next", next, "enrolment", field(page, "enrolment"), "totp", typed).is(status)
			if key(page) != want || problemBeside(page, "totp") == "" || field(page, "next") != next {
				t.Fatalf("%q: the page shows another key, or says %q", typed, problemBeside(page, "totp"))
			}
		}
		b.post("/account/totp", "next", next, "enrolment", field(page, "enrolment"), "totp", s.codeOf(want)).leadsTo(onward(next))
	})
}

func TestEnrol_formThatIsOldOrNotOursBeginsAnew(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		s.user("bob@example.com")
		b := s.signedIn("anna@example.com")
		page := b.get("/account/totp").is(http.StatusOK)
		old := field(page, "enrolment")
		bobs := s.signedIn("bob@example.com").get("/account/totp").is(http.StatusOK)
		s.wait(61 * time.Minute)
		if to := b.post("/account/totp", "enrolment", old, "totp", "123456").header.Get("Location"); !strings.HasPrefix(to, "/signin?next=") {
			t.Errorf("whoever signed in an hour ago gets a key at %q", to)
		}
		b.post("/signin", "username", "anna@example.com", "password", password).leadsTo("/account")
		for what, sealed := range map[string]string{
			"old": old, "bob's": field(bobs, "enrolment"), "garbage": "garbage", "none": "",
		} {
			fresh := b.post("/account/totp", "enrolment", sealed, "totp", s.codeOf(key(page))).is(http.StatusBadRequest, "here is a new key")
			if key(fresh) == key(page) || key(fresh) == "" {
				t.Errorf("%s: the page shows no new key", what)
			}
		}
		fresh := b.post("/account/totp", "totp", "123456").is(http.StatusBadRequest)
		b.post("/account/totp", "enrolment", field(fresh, "enrolment"), "totp", s.codeOf(key(fresh))).leadsTo("/account/totp")
	})
}

func TestEnrol_neverReplacesAnAuthenticatorSilently(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		anna := s.user("anna@example.com")
		b, next := s.signedIn("anna@example.com"), s.next()
		page := b.get("/account/totp?next=" + next).is(http.StatusOK)
		form := []string{"next", next, "enrolment", field(page, "enrolment"), "totp", s.codeOf(key(page))}
		s.enrolled(anna) // in another browser, meanwhile
		b.get("/account/totp?next=" + next).leadsTo("/signin/totp?next=" + next)
		b.post("/account/totp", form...).leadsTo("/signin/totp?next=" + next)
		b.post("/signin/totp", "next", next, "totp", s.code()).leadsTo(onward(next))
		b.get("/account/totp?next=" + next).leadsTo(onward(next))
	})
}

func TestEnrol_needsSomeoneSignedIn(t *testing.T) {
	t.Parallel()
	run(t, nil, func(_ *testing.T, s *site) {
		next := s.next()
		s.browser().get("/account/totp?next=" + next).leadsTo("/signin?next=" + next)
		s.browser().post("/account/totp", "next", next, "totp", "123456").leadsTo(onward(next))
	})
}

func TestEnrol_pressedManyTimesAtOnceLeadsOn(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		b, next := s.signedIn("anna@example.com"), s.next()
		page := b.get("/account/totp?next=" + next).is(http.StatusOK)
		answers := make(chan answer)
		for range 4 {
			go func() {
				answers <- b.twin().post("/account/totp", "next", next, "enrolment", field(page, "enrolment"), "totp", s.codeOf(key(page)))
			}()
		}
		for range 4 {
			if a := <-answers; a.header.Get("Location") != "/signin/totp?next="+next { // added, and the new cookie not yet there
				a.leadsTo(onward(next))
			}
		}
	})
}
