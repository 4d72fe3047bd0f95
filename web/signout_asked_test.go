package web_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/sojourn-auth/sojourn/identity"
)

const byeURL = "https://notes.example/bye?from=door"

// leaving adds a client that may be led back to after a sign-out.
func (s *site) leaving(id string, changes ...func(*identity.Client)) {
	s.t.Helper()
	c := identity.Client{ID: id, Trusted: true, Metadata: identity.Metadata{
		Name: "Notes", RedirectURIs: []string{callback}, AuthMethod: "none",
		PostLogoutRedirectURIs: []string{byeURL, "com.example.notes:/bye"},
	}}
	for _, change := range changes {
		change(&c)
	}
	s.client(c)
}

func selfRegistered(c *identity.Client) { c.SelfRegistered, c.Trusted = true, false }

func untrusted(c *identity.Client) { c.Trusted = false }

// ask is the page's address for a sign-out that an app asked for.
func (s *site) ask(a identity.AskedSignOut) string {
	s.t.Helper()
	a.At = s.time().Unix()
	text, err := s.keys.SignOutText(a)
	if err != nil {
		s.t.Fatal(err)
	}
	return "/signout?ask=" + text
}

// session starts a Session of a client from the browser's sign-in.
func (b *browser) session(clientID string, scopes ...string) identity.Session {
	b.s.t.Helper()
	return b.sessionAt(nil, clientID, scopes...)
}

// sessionAt is session for resources, by their marks.
func (b *browser) sessionAt(marks []string, clientID string, scopes ...string) identity.Session {
	b.s.t.Helper()
	ctx, now := context.Background(), b.s.time()
	pointer, err := b.s.keys.ReadCookie(b.cookie())
	if err != nil {
		b.s.t.Fatal(err)
	}
	c, err := b.s.db.ClientByID(ctx, clientID)
	if err != nil {
		b.s.t.Fatal(err)
	}
	sessions := identity.Sessions{
		Store: b.s.db, Keys: b.s.keys, Now: b.s.time, Policy: identity.MFAOptional,
		Lives: identity.Lifetimes{Idle: 24 * time.Hour, Absolute: 240 * time.Hour},
	}
	row, _, err := sessions.Start(ctx, identity.Promise{
		SessionID: identity.NewID(), SessionSecret: identity.NewSecret(), SignInID: pointer.SignInID,
		SignInSecret: pointer.CodeSecret, AuthTime: now, IssuedAt: now, AMR: identity.PWD, Scopes: scopes,
		Resources: marks,
	}, identity.Holder{Client: c})
	if err != nil {
		b.s.t.Fatal(err)
	}
	return row
}

func (s *site) alive(id identity.ID) bool {
	s.t.Helper()
	row, err := s.db.SessionByID(context.Background(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return row.Alive(s.time())
}

func TestSignOut_thePersonWhomAnAppNamesIsSignedOutAtOnce(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.leaving("app")
		u := s.user("anna@example.com")
		b := s.signedIn(u.Email)
		own, sibling := b.session("app", "openid", "offline_access"), b.session("notes", "openid", "offline_access")
		bound, elsewhere := b.session("notes", "openid"), s.signedIn(u.Email).session("app", "openid")
		asked := s.ask(identity.AskedSignOut{ClientID: "app", Sub: u.Sub, SessionID: own.ID, Back: byeURL, State: "a&b"})
		b.get(asked).leadsTo(byeURL + "&state=a%26b")
		if b.cookie() != "" || b.standing().SignedIn() {
			t.Error("the browser is still signed in")
		}
		for name, is := range map[string]struct {
			id    identity.ID
			alive bool
		}{
			"the app's own": {own.ID, false}, "one that lives as long as the sign-in": {bound.ID, false},
			"an offline sibling": {sibling.ID, true}, "one of another browser": {elsewhere.ID, true},
		} {
			if s.alive(is.id) != is.alive {
				t.Errorf("%s: alive is %v", name, !is.alive)
			}
		}
		b.get(asked).leadsTo(byeURL + "&state=a%26b") // nobody is signed in: the way back at once
	})
}

// Signing the browser out reaches other apps: an app that nobody trusts with that has the person asked.
func TestSignOut_theScopeDevicesIsAsGoodAsTrustAsLongAsItsSessionLives(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.leaving("app", untrusted, func(c *identity.Client) { c.Scope = "openid offline_access devices" })
		u := s.user("anna@example.com")
		b := s.signedIn(u.Email)
		over, own := b.session("app", "openid", "offline_access", "devices"), b.session("app", "openid", "offline_access", "devices")
		other := b.session("app", "openid")
		if _, err := s.db.End(t.Context(), identity.Ending{Session: over.ID, Cause: identity.EndRevoked}); err != nil {
			t.Fatal(err)
		}
		for i, session := range []identity.Session{over, own} {
			b.get(s.ask(identity.AskedSignOut{ClientID: "app", Sub: u.Sub, SessionID: session.ID}))
			if signedOut := i == 1; s.alive(other.ID) == signedOut {
				t.Errorf("session %d: signed out is %v", i, !signedOut)
			}
		}
	})
}

func TestSignOut_anAppThatNobodyTrustsAsksThePerson(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.leaving("app", untrusted)
		u := s.user("anna@example.com")
		b := s.signedIn(u.Email)
		own, sibling := b.session("app", "openid"), b.session("app", "openid")
		b.get(s.ask(identity.AskedSignOut{ClientID: "app", Sub: u.Sub, SessionID: own.ID, Back: byeURL})).is(http.StatusOK)
		if !s.alive(own.ID) || !s.alive(sibling.ID) {
			t.Error("it signed out without a word")
		}
	})
}

// A browser forgets sooner than an app: who signs out in the morning must not find the app among their devices.
func TestSignOut_theAppsOwnSessionEndsThoughTheBrowserForgot(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.leaving("app")
		s.leaving("posing", selfRegistered)
		u := s.user("anna@example.com")
		b := s.signedIn(u.Email)
		own, sibling := b.session("app", "openid", "offline_access"), b.session("app", "openid", "offline_access")
		posing := b.session("posing", "openid", "offline_access")
		s.wait(13 * time.Hour)
		for _, wrong := range []identity.AskedSignOut{
			{ClientID: "app", SessionID: own.ID},
			{ClientID: "app", Sub: "other", SessionID: own.ID},
			{ClientID: "notes", Sub: u.Sub, SessionID: own.ID},
			{ClientID: "posing", Sub: u.Sub, SessionID: posing.ID},
		} {
			b.get(s.ask(wrong)).is(http.StatusOK, "You are signed out")
		}
		if !s.alive(own.ID) || !s.alive(posing.ID) {
			t.Fatal("what proves nothing ended a Session")
		}
		b.get(s.ask(identity.AskedSignOut{ClientID: "app", Sub: u.Sub, SessionID: own.ID, Back: byeURL})).leadsTo(byeURL)
		if s.alive(own.ID) || !s.alive(sibling.ID) {
			t.Errorf("its own is alive: %v, the other: %v", s.alive(own.ID), s.alive(sibling.ID))
		}
	})
}

// What an app proved counts for an hour: an address that somebody kept signs nobody out, and is no dead end.
func TestSignOut_anAddressThatWasKeptAsksThePerson(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.leaving("app")
		u := s.user("anna@example.com")
		b := s.signedIn(u.Email)
		own := b.session("app", "openid", "offline_access")
		kept := s.ask(identity.AskedSignOut{ClientID: "app", Sub: u.Sub, SessionID: own.ID, Back: byeURL, State: "x"})
		s.wait(time.Hour)
		b.get(kept).is(http.StatusOK, "Sign out")
		if !b.standing().SignedIn() || !s.alive(own.ID) {
			t.Fatal("a kept address signed the person out")
		}
		b.post(kept).leadsTo(byeURL + "&state=x")
		if b.standing().SignedIn() {
			t.Error("who presses the button is signed in still")
		}
	})
}

func TestSignOut_anyoneElseIsAskedFirst(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.leaving("app")
		s.leaving("posing", selfRegistered)
		anna, bob := s.user("anna@example.com"), s.user("bob@example.com")
		for name, is := range map[string]struct {
			asked identity.AskedSignOut
			back  bool
		}{
			"nothing is known":         {identity.AskedSignOut{}, false},
			"an app's word alone":      {identity.AskedSignOut{ClientID: "app", Back: byeURL}, true},
			"another person's hint":    {identity.AskedSignOut{ClientID: "app", Sub: bob.Sub, Back: byeURL}, true},
			"another person's address": {identity.AskedSignOut{ClientID: "app", Sub: anna.Sub, LoginHint: bob.Email, Back: byeURL}, true},
			"an app that is gone":      {identity.AskedSignOut{ClientID: "gone", Sub: anna.Sub, Back: byeURL}, false},
			"a self-registered app":    {identity.AskedSignOut{ClientID: "posing", Sub: anna.Sub, Back: byeURL}, true},
		} {
			b := s.signedIn(anna.Email)
			page := b.get(s.ask(is.asked)).is(http.StatusOK, "Sign out anna@example.com?")
			if n := page.Find("form button").Length(); n != 1 {
				t.Errorf("%s: the page has %d buttons", name, n)
			}
			if !b.standing().SignedIn() {
				t.Fatalf("%s: signed out before the button was pressed", name)
			}
			late := b.twin()
			for _, pressed := range []answer{b.post(s.ask(is.asked)), late.post(s.ask(is.asked))} { // a double click
				if is.back {
					pressed.leadsTo(byeURL)
				} else {
					pressed.is(http.StatusOK, "You are signed out")
				}
			}
			if b.cookie() != "" || b.standing().SignedIn() {
				t.Errorf("%s: the browser is still signed in", name)
			}
		}
	})
}

func TestSignOut_anotherPersonsSessionIsLeftAlone(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.leaving("app")
		anna, bob := s.user("anna@example.com"), s.user("bob@example.com")
		b := s.signedIn(anna.Email)
		his := s.signedIn(bob.Email).session("app", "openid", "offline_access")
		for _, sub := range []string{bob.Sub, anna.Sub} { // the second cannot come from a token of ours
			b.post(s.ask(identity.AskedSignOut{ClientID: "app", Sub: sub, SessionID: his.ID})).is(http.StatusOK, "You are signed out")
			if !s.alive(his.ID) {
				t.Error("the other person's Session ended")
			}
			b = s.signedIn(anna.Email)
		}
		b.post(s.ask(identity.AskedSignOut{ClientID: "app", Sub: anna.Sub, SessionID: identity.NewID()})).is(http.StatusOK)
	})
}

func TestSignOut_anUnregisteredWayBackIsNeverTaken(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.leaving("app")
		u := s.user("anna@example.com")
		for _, back := range []string{"https://evil.example/", byeURL + "x", callback, "javascript:alert(1)", "//evil.example", "/x"} {
			b := s.signedIn(u.Email)
			page := b.get(s.ask(identity.AskedSignOut{ClientID: "app", Sub: u.Sub, Back: back})).
				is(http.StatusOK, "You are signed out", "a way back that is not registered for it")
			if strings.Contains(page.Text(), "Back to") || strings.Contains(b.get("/signin").body, "evil") {
				t.Errorf("%s: the page leads there", back)
			}
			if b.standing().SignedIn() {
				t.Errorf("%s: still signed in", back)
			}
		}
	})
}

// RFC 9700 §4.11.2: an address of ours leads nobody to an app that anyone may have registered, unless they press something.
func TestSignOut_nobodyIsLedToAnAppWithoutWantingIt(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.leaving("app")
		s.leaving("posing", selfRegistered)
		for name, is := range map[string]struct {
			asked identity.AskedSignOut
			host  string
		}{
			"no hint":               {identity.AskedSignOut{ClientID: "app", Back: byeURL}, ""},
			"a self-registered app": {identity.AskedSignOut{ClientID: "posing", Sub: "its own user", Back: byeURL}, "notes.example"},
			"an app on the device":  {identity.AskedSignOut{ClientID: "app", Sub: "anyone", Back: "com.example.notes:/bye"}, ""},
		} {
			page := s.browser().get(s.ask(is.asked)).is(http.StatusOK, "You are signed out", "Back to Notes", is.host)
			if to := page.Find("main a.button").First().AttrOr("href", ""); to != is.asked.Back {
				t.Errorf("%s: the button leads to %s", name, to)
			}
			if page.Find("[data-continue]").Length() > 0 {
				t.Errorf("%s: the page goes there by itself", name)
			}
		}
	})
}

// A tap lets an app on the device open; without one Chromium refuses.
func TestSignOut_anAppOnTheDeviceOpensByATap(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.leaving("app")
		u := s.user("anna@example.com")
		asked := s.ask(identity.AskedSignOut{ClientID: "app", Sub: u.Sub, Back: "com.example.notes:/bye", State: "s"})
		page := s.signedIn(u.Email).get(asked).is(http.StatusOK, "Back to Notes")
		if to := page.Find("main a.button").First().AttrOr("href", ""); to != "com.example.notes:/bye?state=s" {
			t.Errorf("the button leads to %s", to)
		}
		s.signedIn(u.Email).post(asked).leadsTo("com.example.notes:/bye?state=s") // a button was pressed
	})
}

func TestSignOut_mishaps(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.leaving("app")
		u := s.user("anna@example.com")
		b := s.signedIn(u.Email)
		for _, ask := range []string{"x", "sj_so_AAAA", s.next()} { // the last is sealed for something else
			b.get("/signout?ask="+ask).is(http.StatusBadRequest, "incomplete or out of date")
			b.post("/signout", "ask", ask).is(http.StatusBadRequest, "incomplete or out of date")
		}
		asked := s.ask(identity.AskedSignOut{ClientID: "app", Sub: u.Sub, Back: byeURL})
		s.away.Store(true)
		b.get(asked).is(http.StatusServiceUnavailable, "does not sign you out")
		b.post(asked).is(http.StatusServiceUnavailable, "does not sign you out")
		s.away.Store(false)
		if !b.standing().SignedIn() {
			t.Fatal("signed out by a database that was away")
		}
		b.get(asked).leadsTo(byeURL) // a reload once it is back
	})
}

func withFrontchannel(uri string) func(*identity.Client) {
	return func(c *identity.Client) { c.FrontchannelLogoutURI = uri }
}

func TestSignOut_appsOfTheBrowserLearnOfItByFrames(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.leaving("app", withFrontchannel("https://notes.example/out?x=1"))
		s.leaving("maps", withFrontchannel("https://maps.example:8443/out"))
		s.leaving("offline", withFrontchannel("https://offline.example/out"))
		u := s.user("anna@example.com")
		b := s.signedIn(u.Email)
		own, maps := b.session("app", "openid"), b.session("maps", "openid")
		b.session("offline", "openid", "offline_access") // it goes on, so it is told nothing
		b.session("notes", "openid")                     // it has no address for it
		got := b.get(s.ask(identity.AskedSignOut{ClientID: "app", Sub: u.Sub, SessionID: own.ID, Back: byeURL}))
		page := got.is(http.StatusOK, "You are signed out", "Back to Notes")
		frames := map[string]bool{}
		page.Find("iframe[hidden]").Each(func(_ int, f *goquery.Selection) { frames[f.AttrOr("src", "")] = true })
		const iss = "iss=https%3A%2F%2Fdoor.example&sid="
		want := []string{"https://notes.example/out?x=1&" + iss + own.ID.String(), "https://maps.example:8443/out?" + iss + maps.ID.String()}
		if len(frames) != 2 || !frames[want[0]] || !frames[want[1]] {
			t.Errorf("the page loads %v, want %v", frames, want)
		}
		policy := got.header.Get("Content-Security-Policy")
		for _, origin := range []string{" https://notes.example", " https://maps.example:8443"} {
			if !strings.Contains(policy, "frame-src") || !strings.Contains(policy, origin) {
				t.Errorf("the policy %q does not allow%s", policy, origin)
			}
		}
		if strings.Contains(policy, "offline.example") {
			t.Errorf("the policy allows more: %q", policy)
		}
		if to := page.Find("a[data-continue]").AttrOr("href", ""); to != byeURL {
			t.Errorf("the page goes on to %q", to)
		}
		again := b.post("/signout").is(http.StatusOK)
		if again.Find("iframe").Length() > 0 {
			t.Error("a second press tells it again")
		}
	})
}

func TestSignOut_noMoreFramesThanAPageCanLoad(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		s.user("anna@example.com")
		b := s.signedIn("anna@example.com")
		for i := range 25 {
			id := fmt.Sprintf("app-%d", i)
			s.leaving(id, withFrontchannel(fmt.Sprintf("https://%s.example/out", id)))
			b.session(id, "openid")
		}
		page := b.post("/signout").is(http.StatusOK, "You are signed out")
		if n := page.Find("iframe").Length(); n != 20 {
			t.Errorf("the page loads %d frames", n)
		}
	})
}

// OpenID Connect Session Management 1.0 §3: the browser's state changes with every sign-in, factor and sign-out.
func TestStateCookie_changesWithWhoIsSignedIn(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *site) {
		u := s.user("anna@example.com")
		s.enrolled(u)
		b := s.browser()
		state := func() string {
			for _, c := range b.http.Jar.Cookies(b.at()) {
				if c.Name == identity.StateCookie {
					return c.Value
				}
			}
			return ""
		}
		got := b.post("/signin", "username", u.Email, "password", password)
		first := state()
		if first == "" || first != b.standing().BrowserState() {
			t.Errorf("after sign-in the state is %q", first)
		}
		for _, c := range (&http.Response{Header: got.header}).Cookies() {
			if c.Name == identity.StateCookie && (c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Secure) {
				t.Errorf("over http the cookie is %v", c)
			}
		}
		b.post("/signin/totp", "totp", s.code())
		if second := state(); second == first || second != b.standing().BrowserState() {
			t.Errorf("after the second factor the state is %q, was %q", second, first)
		}
		if b.post("/signout"); state() != (identity.Standing{}).BrowserState() {
			t.Errorf("after sign-out the state is %q, want one that says nobody is signed in", state())
		}
	})
}
