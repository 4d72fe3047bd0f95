package oauth_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/oauth"
)

// leads returns the page a request leads to, or "code", or the error that goes back.
func (s *stage) leads(q url.Values, cookies ...*http.Cookie) string {
	s.Helper()
	place, got := s.location(s.authorize(q, cookies...))
	switch {
	case got.Has("code"):
		return "code"
	case got.Has("error"):
		return got.Get("error")
	}
	return place
}

// prompt and max_age, of a person who signed in ten minutes ago (OpenID Connect Core 1.0 §3.1.2.1).
func TestFreshness_matrix(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		ten := 600
		aged := s.app(func(c *identity.Client) { c.DefaultMaxAge = &ten })
		cookie := s.signIn(s.user)
		s.pass(10*time.Minute + time.Second)
		tests := []struct {
			c               identity.Client
			prompt, maxAge  string
			signedIn, never string // what a signed-in browser gets, and one that is not
		}{
			{c, "", "", "code", "/signin"},
			{c, "none", "", "code", "login_required"},
			{c, "login", "", "/signin", "/signin"},
			{c, "select_account", "", "/signin", "/signin"},
			{c, "login consent", "", "/signin", "/signin"},
			{c, "consent", "", "/consent", "/signin"},
			{c, "", "0", "/signin", "/signin"}, // fosite ignores 0
			{c, "none", "0", "login_required", "login_required"},
			{c, "", "600", "/signin", "/signin"},
			{c, "", "602", "code", "/signin"},
			{c, "none", "600", "login_required", "login_required"},
			{c, "none", "10000", "code", "login_required"},
			{aged, "", "", "/signin", "/signin"},
			{aged, "", "10000", "code", "/signin"},
			{aged, "none", "", "login_required", "login_required"},
		}
		for _, test := range tests {
			q := asking(test.c, "prompt", test.prompt, "max_age", test.maxAge)
			if got := s.leads(q, cookie); got != test.signedIn {
				t.Errorf("prompt=%q max_age=%q: led to %s, want %s", test.prompt, test.maxAge, got, test.signedIn)
			}
			if got := s.leads(q); got != test.never {
				t.Errorf("prompt=%q max_age=%q, signed out: led to %s, want %s", test.prompt, test.maxAge, got, test.never)
			}
		}
	})
}

// DESIGN §9: a proof no older than the request satisfies it, or pages would loop.
func TestFreshness_aProofSinceTheRequestSatisfiesIt(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		for _, edit := range [][]string{{"prompt", "login"}, {"max_age", "0"}, {"prompt", "select_account"}, {"max_age", "1"}} {
			before := s.signIn(s.user)
			s.pass(time.Minute)
			page, q := s.location(s.authorize(asking(c, edit...), before))
			if page != "/signin" {
				t.Fatalf("%v led to %s", edit, page)
			}
			s.pass(time.Minute)
			after := s.signInFor(s.user, q, s.standing(before))
			s.pass(time.Minute) // even when the page stayed open for a while
			if got := s.leads(q, after); got != "code" {
				t.Errorf("%v: after the sign-in it led to %s", edit, got)
			}
		}
	})
}

func TestFreshness_authTimeIsWhenThePasswordWasProved(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		cookie := s.signIn(s.user)
		proved := s.now().Unix()
		s.pass(time.Hour)
		for _, q := range []url.Values{asking(c), asking(c, "prompt", "none"), asking(c, "max_age", "10000")} {
			got := s.post(redeeming(c, s.code(q, cookie)))
			s.good(got)
			_, claims := s.decode(got.IDToken)
			_, access := s.decode(got.AccessToken)
			if claims["auth_time"] != float64(proved) || access["auth_time"] != float64(proved) {
				t.Errorf("auth_time is %v and %v, want %d", claims["auth_time"], access["auth_time"], proved)
			}
		}
	})
}

func TestConsent_isAskedForRememberedAndAskedAgain(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		cookie := s.signIn(s.user)
		s.pass(time.Minute)
		allow := func(c identity.Client, scopes ...string) {
			t.Helper()
			s.allow(c, cookie, scopes...)
			s.pass(time.Minute)
		}
		c := s.app(untrusted)
		if got := s.leads(asking(c), cookie); got != "/consent" {
			t.Errorf("without consent it led to %s", got)
		}
		if got := s.leads(asking(c, "prompt", "none"), cookie); got != "consent_required" {
			t.Errorf("prompt=none without consent: %s", got)
		}
		allow(c, "openid", "offline_access")
		if got := s.leads(asking(c), cookie); got != "code" {
			t.Errorf("remembered consent led to %s", got)
		}
		if got := s.leads(asking(c, "scope", "openid files"), cookie); got != "/consent" {
			t.Errorf("one scope more led to %s", got)
		}
		_, q := s.location(s.authorize(asking(c, "prompt", "consent"), cookie))
		if !q.Has("next") {
			t.Fatalf("prompt=consent led on: %v", q)
		}
		allow(c, "openid", "offline_access")
		if got := s.leads(q, cookie); got != "/consent" {
			t.Errorf("an answer to another request counts for prompt=consent: led to %s", got)
		}
		if got := s.leads(s.pressing(identity.ForAllowal, q, cookie), cookie); got != "code" {
			t.Errorf("after the answer to prompt=consent it led to %s", got)
		}

		// Anyone can pose as a public client on a private-use scheme (RFC 8252 §8.6).
		poser := s.app(selfRegistered)
		allow(poser, "openid", "offline_access")
		_, q = s.location(s.authorize(asking(poser), cookie))
		if !q.Has("next") {
			t.Fatal("the consent of a self-registered public client was remembered")
		}
		allow(poser, "openid", "offline_access")
		if got := s.leads(s.pressing(identity.ForAllowal, q, cookie), cookie); got != "code" {
			t.Errorf("after consent it led to %s", got)
		}
	})
}

func TestHint_saysWhoIsMeant(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		first := s.begin(c)
		hint := first.IDToken
		eve := s.addUser("eve@example.com")
		s.pass(24 * time.Hour) // the hint has expired
		if err := s.signing.Rotate(s.Context(), ""); err != nil {
			t.Fatal(err)
		}
		s.rebuild() // and its key is retired
		ada, other := s.signIn(s.user), s.signIn(eve)
		s.pass(time.Minute)
		for name, test := range map[string]struct {
			cookie *http.Cookie
			prompt string
			want   string
		}{
			"the same person":         {ada, "", "code"},
			"the same person, none":   {ada, "none", "code"},
			"someone else":            {other, "", "/signin"},
			"someone else, none":      {other, "none", "login_required"},
			"nobody":                  {&http.Cookie{Name: "x"}, "", "/signin"},
			"the same person, afresh": {ada, "login", "/signin"},
		} {
			if got := s.leads(asking(c, "id_token_hint", hint, "prompt", test.prompt), test.cookie); got != test.want {
				t.Errorf("%s: led to %s, want %s", name, got, test.want)
			}
		}
		_, q := s.location(s.authorize(asking(c, "id_token_hint", hint), other))
		s.pass(time.Minute)
		if got := s.leads(q, s.signInFor(eve, q, s.standing(other))); got != "login_required" {
			t.Errorf("someone else who signed in again: led to %s", got) // another sign-in page would be a loop
		}
		for _, none := range []string{first.AccessToken, "x.y.z", hint[:len(hint)-4] + "AAAA", strings.Repeat("x", 5000)} {
			for _, prompt := range []string{"", "none"} {
				if got := s.leads(asking(c, "id_token_hint", none, "prompt", prompt), ada); got != "code" {
					t.Errorf("a hint that cannot be verified: led to %s", got)
				}
			}
		}
	})
}

func (s *stage) enrol(u identity.User) {
	s.Helper()
	f := zeroFactor(s.db.CreateTOTP)
	f.UserID, f.Secret, f.ConfirmedAt = u.ID, []byte("12345678901234567890"), s.now()
	if err := s.db.CreateTOTP(s.Context(), f); err != nil {
		s.Fatal(err)
	}
}

// zeroFactor makes what storage calls a factor; this package may not name package mfa.
func zeroFactor[F any](func(context.Context, F) error) (f F) { return f }

// strengthen proves a second factor in the browser.
func (s *stage) strengthen(cookie *http.Cookie) *http.Cookie {
	s.Helper()
	value, err := s.signIns.Strengthen(s.Context(), s.standing(cookie), identity.TOTP)
	if err != nil {
		s.Fatal(err)
	}
	return cookieOf(value)
}

func TestSecondFactor_isAskedForByPolicyClientAndEnrolment(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		policy                 identity.MFAPolicy
		requires               bool
		unenrolled, enrolled   string
		unenrolledNone, inNone string
	}{
		{identity.MFAOff, true, "code", "code", "code", "code"},
		{identity.MFAOptional, false, "code", "/signin/totp", "code", "interaction_required"},
		{identity.MFAOptional, true, "/account/totp", "/signin/totp", "interaction_required", "interaction_required"},
		{identity.MFARequired, false, "/account/totp", "/signin/totp", "interaction_required", "interaction_required"},
	} {
		t.Run(string(test.policy), func(t *testing.T) {
			t.Parallel()
			onStage(t, func(s *stage) {
				c := s.app(func(c *identity.Client) { c.RequireMFA = test.requires })
				cookie := s.signIn(s.user)
				silent := asking(c, "prompt", "none")
				if got := s.leads(asking(c), cookie); got != test.unenrolled {
					t.Errorf("not enrolled: led to %s, want %s", got, test.unenrolled)
				}
				if got := s.leads(silent, cookie); got != test.unenrolledNone {
					t.Errorf("not enrolled, none: %s, want %s", got, test.unenrolledNone)
				}
				s.enrol(s.user)
				if got := s.leads(asking(c), cookie); got != test.enrolled {
					t.Errorf("enrolled: led to %s, want %s", got, test.enrolled)
				}
				if got := s.leads(silent, cookie); got != test.inNone {
					t.Errorf("enrolled, none: %s, want %s", got, test.inNone)
				}
				got := s.post(redeeming(c, s.code(asking(c), s.strengthen(cookie))))
				s.good(got)
				if _, claims := s.decode(got.IDToken); claims["acr"] != "mfa" {
					t.Errorf("acr is %v", claims["acr"])
				}
			}, func(o *oauth.Options) { o.Policy = test.policy })
		})
	}
}

// No token is issued before the step, whichever way a code came about.
func TestSecondFactor_aCodeFromBeforeThePolicyIsRefused(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		code := s.code(asking(c), s.signIn(s.user))
		s.rebuild(func(o *oauth.Options) { o.Policy = identity.MFARequired })
		s.invalidGrant(s.post(redeeming(c, code)))
	})
}

// OpenID Connect Core 1.0 §3.1.2.1: acr_values are voluntary. Whoever can do what discovery promises is led to it.
func TestACRValues_sayWhatDiscoverySays(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, plain, enrolled := s.app(), s.signIn(s.user), s.addUser("factor@example.com")
		s.enrol(enrolled)
		careful := s.signIn(enrolled)
		for policy, want := range map[identity.MFAPolicy]struct {
			listed          []any
			plain, enrolled string
		}{
			identity.MFAOff:      {[]any{"pwd"}, "code", "code"},
			identity.MFAOptional: {[]any{"pwd", "mfa"}, "code", "/signin/totp"},
			identity.MFARequired: {[]any{"mfa"}, "/account/totp", "/signin/totp"},
		} {
			s.rebuild(func(o *oauth.Options) { o.Policy = policy })
			listed := discovered(s)["acr_values_supported"]
			if diff := cmp.Diff(any(want.listed), listed); diff != "" {
				t.Errorf("policy %v: %s", policy, diff)
			}
			for cookie, way := range map[*http.Cookie]string{plain: want.plain, careful: want.enrolled} {
				if got := s.leads(asking(c, "acr_values", "mfa"), cookie); got != way {
					t.Errorf("policy %v: acr_values=mfa leads to %s, want %s", policy, got, way)
				}
			}
		}
	})
}

func discovered(s *stage) (doc map[string]any) {
	s.Helper()
	if err := json.NewDecoder(s.send(httptest.NewRequest(http.MethodGet, "/.well-known/openid-configuration", nil)).Body).Decode(&doc); err != nil {
		s.Fatal(err)
	}
	return doc
}
