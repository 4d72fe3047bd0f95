package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestConsent_allowIsKeptAndLeadsOn(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		anna := s.user("anna@example.com")
		b, next := s.signedIn("anna@example.com"), s.next()
		page := b.get("/consent?next="+next).is(http.StatusOK, "Notes", "anna@example.com", "See your e-mail address", "notes.example")
		if page.Find(".notice").Length() != 0 {
			t.Error("the operator's own app is warned of")
		}
		b.post("/consent", "next", next, "binding", field(page, "binding"), "consent", "allow").allows(b, next)
		grant, err := s.db.GrantOf(t.Context(), anna.ID, "notes")
		notes, _ := s.db.ClientByID(t.Context(), "notes")
		want := identity.Grant{
			UserID: anna.ID, ClientID: "notes", Scopes: []string{"openid", "email"}, UpdatedAt: s.time(),
			Shown: identity.Demand{Client: notes, Redirect: callback}.Shown(),
		}
		if diff := cmp.Diff(want, grant); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
		b.post("/consent", "next", next, "binding", field(page, "binding"), "consent", "allow").allows(b, next) // twice
	})
}

// What the app gets is authorize's to say: TestConsent_denyLeadsBackToTheAppWithItsAnswer of oauth.
func TestConsent_denyLeadsToAuthorizeWithTheNoOfThisPersonForThisRequest(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		anna := s.user("anna@example.com")
		s.client(identity.Client{ID: "two", Metadata: identity.Metadata{RedirectURIs: []string{callback, callback + "2"}}})
		b := s.signedIn("anna@example.com")
		for _, next := range []string{
			s.next(), s.next("redirect_uri", ""),
			s.next("redirect_uri", "https://evil.example/cb"), s.next("redirect_uri", "javascript:alert(1)"),
			s.next("client_id", "two", "redirect_uri", ""),
		} {
			page := b.get("/consent?next=" + next).is(http.StatusOK)
			a := b.post("/consent", "next", next, "binding", field(page, "binding"), "consent", "deny")
			if got := a.nextOf("/oauth2/authorize"); got != next {
				t.Errorf("the request changed on its way: %s", got)
			}
			press := identity.Press{Button: identity.ForDenial, By: b.standing(), Next: next}
			if no := a.query("denied"); !s.keys.Pressed(no, press, s.time()) {
				t.Errorf("%q is not the no of this person for this request", no)
			}
		}
		if grant, err := s.db.GrantOf(t.Context(), anna.ID, "notes"); err != nil || !grant.UpdatedAt.IsZero() {
			t.Errorf("a grant was kept: %+v (%v)", grant, err)
		}
	})
}

func TestConsent_denyWithAnotherPagesButtonSaysNothing(t *testing.T) {
	t.Parallel()
	run(t, nil, func(_ *testing.T, s *site) {
		s.user("anna@example.com")
		b, next := s.signedIn("anna@example.com"), s.next()
		binding := field(b.get("/consent?next="+s.next("scope", "openid")).is(http.StatusOK), "binding")
		b.post("/consent", "next", next, "binding", binding, "consent", "deny").is(http.StatusConflict, "See your e-mail address")
		s.browser().post("/consent", "next", next, "binding", binding, "consent", "deny").leadsTo(onward(next)) // signed out meanwhile
	})
}

func TestConsent_buttonCountsOnlyForThePageItWasOn(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		bob := s.user("bob@example.com")
		s.wait(time.Second)
		b, next := s.signedIn("anna@example.com"), s.next()
		binding := field(b.get("/consent?next="+next).is(http.StatusOK), "binding")
		swapped := func(what string, b *browser, next, binding string) string {
			t.Helper()
			page := b.post("/consent", "next", next, "binding", binding, "consent", "allow").is(http.StatusConflict, "See your e-mail address")
			if fresh := field(page, "binding"); fresh != "" && fresh != binding {
				return fresh
			}
			t.Errorf("%s: the page has no binding of its own", what)
			return ""
		}
		swapped("another request", b, s.next("scope", "openid email profile"), binding)
		swapped("another browser", s.signedIn("anna@example.com"), next, binding)
		swapped("no binding", b, next, "")
		swapped("a forged one", b, next, "forged")
		swapped("another person", s.signedIn("bob@example.com"), next, binding)
		b.post("/signin", "username", "bob@example.com", "password", password).leadsTo("/account")
		fresh := swapped("another person in the same browser", b, next, binding)
		if grant, err := s.db.GrantOf(t.Context(), bob.ID, "notes"); err != nil || !grant.UpdatedAt.IsZero() {
			t.Errorf("a grant was kept: %+v (%v)", grant, err)
		}
		b.post("/consent", "next", next, "binding", fresh, "consent", "allow").allows(b, next)
	})
}

func TestConsent_withoutAnAnswerAsksAgain(t *testing.T) {
	t.Parallel()
	run(t, nil, func(_ *testing.T, s *site) {
		s.user("anna@example.com")
		b, next := s.signedIn("anna@example.com"), s.next()
		page := b.get("/consent?next=" + next).is(http.StatusOK)
		for _, answer := range []string{"", "perhaps", "\x00\xff"} {
			b.post("/consent", "next", next, "binding", field(page, "binding"), "consent", answer).is(http.StatusBadRequest, "See your e-mail address")
		}
	})
}

func TestConsent_warnsOfAnAppThatRegisteredItself(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		s.client(identity.Client{ID: "self", SelfRegistered: true, Metadata: identity.Metadata{
			Name: "Bank", RedirectURIs: []string{callback}, LogoURI: "https://bank.example/logo.png",
		}})
		page := s.signedIn("anna@example.com").get("/consent?next="+s.next("client_id", "self")).is(http.StatusOK, "Bank")
		if page.Find(".notice").Length() != 1 {
			t.Error("no word of it")
		}
		if logo, _ := page.Find(".app img").Attr("src"); logo != "/logo/self" {
			t.Errorf("its logo comes from %q", logo)
		}
	})
}

func TestConsent_promisesToStaySignedInOnlyToWhoeverCan(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		s.client(identity.Client{ID: "phone", Metadata: identity.Metadata{
			RedirectURIs: []string{callback}, GrantTypes: []string{"authorization_code", "refresh_token"},
		}})
		b := s.signedIn("anna@example.com")
		for id, want := range map[string]bool{"phone": true, "notes": false} {
			page := b.get("/consent?next=" + s.next("client_id", id, "scope", "openid offline_access")).is(http.StatusOK)
			if got := strings.Contains(page.Text(), "Keep you signed in"); got != want {
				t.Errorf("%s: promised %v, want %v", id, got, want)
			}
		}
	})
}

func TestConsent_takesTheSecondFactorFirst(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		anna := s.user("anna@example.com")
		b, next := s.signedIn("anna@example.com"), s.next()
		page := b.get("/consent?next=" + next).is(http.StatusOK)
		s.enrolled(anna)
		b.get("/consent?next=" + next).leadsTo(onward(next))
		b.post("/consent", "next", next, "binding", field(page, "binding"), "consent", "allow").leadsTo(onward(next))
		if grant, err := s.db.GrantOf(t.Context(), anna.ID, "notes"); err != nil || !grant.UpdatedAt.IsZero() {
			t.Errorf("a grant was kept: %+v (%v)", grant, err)
		}
		b.post("/signin/totp", "next", next, "totp", s.code()).leadsTo(onward(next))
		page = b.get("/consent?next=" + next).is(http.StatusOK)
		b.post("/consent", "next", next, "binding", field(page, "binding"), "consent", "allow").allows(b, next)
	})
}

func TestConsent_takesASignInAsFreshAsTheAppAsksFor(t *testing.T) {
	t.Parallel()
	run(t, nil, func(_ *testing.T, s *site) {
		s.user("anna@example.com")
		b := s.signedIn("anna@example.com")
		s.wait(time.Minute)
		for _, next := range []string{s.next("prompt", "login"), s.next("max_age", "0"), s.next("max_age", "59")} {
			b.get("/consent?next=" + next).leadsTo("/signin?next=" + next)
			b.post("/consent", "next", next, "consent", "allow").leadsTo(onward(next))
		}
		next := s.next("prompt", "login")
		b.signIn("anna@example.com", next).leadsTo(onward(next))
		s.wait(time.Minute)
		b.get("/consent?next="+next).is(http.StatusOK, "See your e-mail address")
		broken := s.next("max_age", "soon")
		b.get("/consent?next=" + broken).leadsTo(onward(broken)) // authorize says what is wrong
	})
}

func TestConsent_asksOnlyWhoIsSignedInForAnApp(t *testing.T) {
	t.Parallel()
	run(t, nil, func(_ *testing.T, s *site) {
		s.user("anna@example.com")
		next := s.next()
		s.browser().get("/consent?next=" + next).leadsTo("/signin?next=" + next)
		s.browser().post("/consent", "next", next, "consent", "allow").leadsTo(onward(next))
		s.signedIn("anna@example.com").get("/consent").leadsTo("/account")
		s.signedIn("anna@example.com").post("/consent", "consent", "allow").leadsTo("/account")
	})
}

// allow is what a person of b allows a client.
func (b *browser) allow(clientID string, scopes ...string) {
	b.s.t.Helper()
	grants := identity.Grants{Store: b.s.db, Now: b.s.time}
	client, err := b.s.db.ClientByID(b.s.t.Context(), clientID)
	if err != nil {
		b.s.t.Fatal(err)
	}
	page := identity.Demand{Client: client, Redirect: callback, Scopes: scopes}
	if err := grants.Allow(b.s.t.Context(), b.standing(), page); err != nil {
		b.s.t.Fatal(err)
	}
}

func TestApps_accessIsListedInPlainWordsAndTakenBack(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		s.user("bob@example.com")
		s.client(identity.Client{ID: "mail", Metadata: identity.Metadata{Name: "Mail", RedirectURIs: []string{callback}}})
		b := s.signedIn(u.Email)
		b.get("/account/apps").is(http.StatusOK, "You have not let any app use your account.")
		b.allow("notes", "openid", "email", "calendar")
		s.wait(48 * time.Hour)
		b, bob := s.signedIn(u.Email), s.signedIn("bob@example.com")
		b.allow("mail", "openid")
		bob.allow("notes", "openid")
		gone, kept, bobs := b.session("notes", "openid"), b.session("mail", "openid"), bob.session("notes", "openid")
		words := []string{"Notes", "2 days ago", "See your e-mail address", "Use “calendar” in your name", "Mail"}
		b.get("/account/apps").is(http.StatusOK, words...)
		for range 2 { // one press too many does no harm
			b.post("/account/apps", "client_id", "notes").leadsTo("/account/apps?notice=apps.withdrawn")
		}
		page := b.get("/account/apps?notice=apps.withdrawn").is(http.StatusOK, "has no access any more", "Mail")
		listed := strings.Contains(page.Find(".list").Text(), "Notes")
		if listed || s.alive(gone.ID) || !s.alive(kept.ID) || !s.alive(bobs.ID) {
			t.Error("the wrong access ended")
		}
		if n := s.told(u.ID, identity.ConsentWithdrawn); n != 1 {
			t.Errorf("%d Events tell of one withdrawal", n)
		}
	})
}

func TestApps_whatIsPartOfTheServiceIsNotTakenBack(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		about := identity.Metadata{Name: "Own", RedirectURIs: []string{callback}}
		s.client(identity.Client{ID: "own", Trusted: true, Metadata: about})
		b := s.signedIn(u.Email)
		session := b.session("own", "openid")
		page := b.get("/account/apps").is(http.StatusOK, "Own", "Part of this service")
		if page.Find("main form").Length() != 0 {
			t.Error("it can be taken back")
		}
		for _, id := range []string{"own", "nobody", "", "\x00"} {
			b.post("/account/apps", "client_id", id).leadsTo("/account/apps?notice=apps.withdrawn")
		}
		if !s.alive(session.ID) || s.told(u.ID, identity.ConsentWithdrawn) != 0 {
			t.Error("what was never allowed is taken back")
		}
	})
}
