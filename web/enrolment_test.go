package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/go-cmp/cmp"

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
		link, _ := page.Find("a[href^='otpauth://totp/Harbour:anna%40example.com?']").Attr("href")
		picture, _ := page.Find("img.qr").Attr("src")
		if !strings.Contains(link, "secret="+key(page)) || len(picture) < 200 {
			t.Errorf("the page shows link %q, a picture of %d bytes", link, len(picture))
		}
		if page.Find(".ways a[href^='/account']").Length() != 0 {
			t.Error("where an app's request asks for an authenticator, the page offers a way past it")
		}
		code := s.codeOf(key(page))
		b.post("/account/totp", "next", next, "enrolment", field(page, "enrolment"), "totp", code).leadsTo(saving(next))
		codes := codes(b.get(saving(next)).is(http.StatusOK, "Your authenticator app is added", "Continue to Notes"))
		b.post("/account/totp/codes", "next", next).leadsTo(onward(next))
		standing := b.standing()
		if !standing.Enrolled() || standing.SignIn.AMR != identity.PWD|identity.OTP|identity.MFA {
			t.Errorf("enrolled %v, proved %v", standing.Enrolled(), standing.SignIn.AMR.Names())
		}
		if b.cookie() == old || s.standingOf(old).SignedIn() {
			t.Error("the cookie's old value still works")
		}
		other := s.signedIn("anna@example.com")
		other.post("/signin/totp", "totp", code).is(http.StatusUnauthorized, "used up")
		other.post("/signin/recovery", "recovery_code", codes[0]).leadsTo("/account/totp/new")
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
		next := b.post("/account/totp", "enrolment", field(page, "enrolment"), "totp", s.codeOf(key(page))).nextOf("/account/totp/codes")
		b.post("/account/totp/codes", "next", next).leadsTo("/account/security")
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
		b.post("/account/totp", "next", next, "enrolment", field(page, "enrolment"), "totp", s.codeOf(want)).leadsTo(saving(next))
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
		b.post("/account/totp", "enrolment", field(fresh, "enrolment"), "totp", s.codeOf(key(fresh))).nextOf("/account/totp/codes")
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
		on := map[string]bool{saving(next): true, onward(next): true, "/signin/totp?next=" + next: true} // added, and the new cookie not yet there
		for range 4 {
			if a := <-answers; a.status != http.StatusSeeOther || !on[a.header.Get("Location")] {
				a.leadsTo(saving(next))
			}
		}
	})
}

// What a phone does that discards the tab while its owner is in the authenticator, and what people do with tabs.
func TestEnrol_showsTheSameKeyForAnHourOfOneSignIn(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		b, next := s.signedIn(u.Email), s.next()
		page := b.get("/account/totp?next=" + next).is(http.StatusOK)
		begun := key(page)
		same := func(what string) {
			t.Helper()
			if got := key(b.get("/account/totp").is(http.StatusOK)); got != begun {
				t.Errorf("%s there is another key", what)
			}
		}
		same("in a second tab")
		s.wait(30 * time.Minute)
		again := b.get("/account/totp").nextOf("/signin") // a key is shown only on a fresh proof
		b.signIn(u.Email, again).leadsTo("/account/totp")
		same("after signing in once more")
		if other := key(s.signedIn(u.Email).get("/account/totp").is(http.StatusOK)); other == begun {
			t.Error("another sign-in shows the same key")
		}
		b.post("/account/totp", "next", next, "enrolment", field(page, "enrolment"), "totp", s.codeOf(begun)).leadsTo(saving(next))
	})
}

func TestEnrol_keyIsVoidAfterAnHourAndAfterAChange(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		b := s.signedIn(u.Email)
		begun := key(b.get("/account/totp").is(http.StatusOK))
		b.post("/account/security", "current_password", password, "new_password", "quite another one")
		changed := key(b.get("/account/totp").is(http.StatusOK))
		if changed == begun {
			t.Error("the key outlives a change of the password")
		}
		s.wait(61 * time.Minute)
		b.post("/signin", "username", u.Email, "password", "quite another one").leadsTo("/account")
		if later := key(b.get("/account/totp").is(http.StatusOK)); later == changed {
			t.Error("the key outlives its hour")
		}
	})
}

func TestSave_showsTheCodesAgainUntilThePersonHasThem(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		b, next := s.signedIn(u.Email), s.next()
		page := b.enrol(next).is(http.StatusOK, "Your authenticator app is added", "I have saved them")
		first := codes(page)
		if len(first) != 10 {
			t.Fatalf("%d codes", len(first))
		}
		b.get("/account/totp?next=" + next).leadsTo(saving(next)) // the back button; a restored tab
		security := b.get("/account/security").is(http.StatusOK, "You have not said yet that you saved your recovery codes")
		if security.Find("a[href='/account/totp/codes']").Length() != 1 {
			t.Error("no way to them from Security")
		}
		if diff := cmp.Diff(first, codes(b.get("/account/totp/codes").is(http.StatusOK))); diff != "" {
			t.Error(diff)
		}
		s.signedIn(u.Email).get("/account/totp/codes").nextOf("/signin/totp")
		s.wait(11 * time.Minute)
		b.get("/account/totp/codes").nextOf("/signin") // no longer just proved
		b.post("/account/totp/codes", "next", next).leadsTo(onward(next))
		b.get("/account/totp/codes").leadsTo("/account/security")
	})
}

func TestSave_showsNoCodesThatAreVoid(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		b := s.signedIn(u.Email)
		b.enrol("").is(http.StatusOK)
		renewal := field(b.get("/account/codes").is(http.StatusOK), "renewal")
		b.post("/account/codes", "renewal", renewal).leadsTo(renewed)
		b.get("/account/totp/codes").leadsTo("/account/security")
		hour := s.signedIn(s.user("bob@example.com").Email)
		hour.enrol("").is(http.StatusOK)
		s.wait(61 * time.Minute)
		hour.get("/account/totp/codes").leadsTo("/account/security")
	})
}

// enrol adds an authenticator and looks at what comes next.
func (b *browser) enrol(next string) answer {
	b.s.t.Helper()
	page := b.get("/account/totp?next=" + next).is(http.StatusOK)
	a := b.post("/account/totp", "next", field(page, "next"), "enrolment", field(page, "enrolment"), "totp", b.s.codeOf(key(page)))
	a.nextOf("/account/totp/codes")
	return b.get(a.header.Get("Location"))
}

func saving(next string) string { return "/account/totp/codes?next=" + next }
