package oauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// kept is a request that an app asked for from its own machine, without any browser, to be opened in one later.
func (s *stage) kept(q url.Values) url.Values {
	s.Helper()
	page, next := s.location(s.authorizeIn(q))
	if page != "/signin" {
		s.Fatalf("led to %s", page)
	}
	s.pass(time.Second)
	return next
}

// What was signed in, or allowed, after a request was sealed was not signed in or allowed for it.
func TestBound_anOldSealedRequestGainsNothing(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		native, poser := s.app(), s.app(selfRegistered)
		for name, c := range map[string]struct {
			q    url.Values
			want string
		}{
			"an app that anyone can pose as":    {asking(poser), "/consent"},
			"with a fresh sign-in and consent":  {asking(poser, "prompt", "consent login"), "/signin"},
			"with a sign-in that is just over":  {asking(poser, "max_age", "0"), "/signin"},
			"the operator's own, max_age=2":     {asking(native, "max_age", "2"), "/signin"},
			"the operator's own, prompt=login":  {asking(native, "prompt", "login"), "/signin"},
			"the operator's own, account again": {asking(native, "prompt", "select_account"), "/signin"},
			"the operator's own, and consent":   {asking(native, "prompt", "consent"), "/consent"},
		} {
			old := s.kept(c.q)
			cookie := s.signIn(s.user)
			s.allow(poser, cookie, "openid", "offline_access")
			s.allow(native, cookie, "openid", "offline_access")
			s.pass(6 * time.Second)
			if got := s.leads(old, cookie); got != c.want {
				t.Errorf("%s: led to %s, want %s", name, got, c.want)
			}
		}
	})
}

// The same holds for a request that the browser's own pages carried, once another sign-in or consent came by.
func TestBound_aProofCountsForTheRequestThatItWasGivenFor(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(untrusted)
		cookie := s.signIn(s.user)
		_, first := s.location(s.authorize(asking(c, "prompt", "login consent"), cookie))
		s.pass(time.Second)
		_, second := s.location(s.authorize(asking(c, "prompt", "login consent"), cookie))
		cookie = s.signInFor(s.user, second, s.standing(cookie))
		s.allow(c, cookie, "openid", "offline_access")
		if got := s.leads(first, cookie); got != "/signin" {
			t.Errorf("a sign-in for another request counts: led to %s", got)
		}
		if got := s.leads(second, cookie); got != "/consent" {
			t.Errorf("a consent that was not given for it counts: led to %s", got)
		}
		allowed := s.pressing(identity.ForAllowal, second, cookie)
		if got := s.leads(url.Values{"next": first["next"], "allowed": allowed["allowed"]}, cookie); got != "/signin" {
			t.Errorf("a press for another request counts: led to %s", got)
		}
		if got := s.leads(allowed, cookie); got != "code" {
			t.Errorf("it led to %s", got)
		}
	})
}

// DESIGN law 6: elsewhere, and later, a request is asked anew, and is no dead end.
func TestBound_elsewhereAndLaterARequestIsAskedAnew(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		for name, open := range map[string]func(q url.Values, cookie *http.Cookie) *http.Response{
			"another browser": func(q url.Values, cookie *http.Cookie) *http.Response {
				return s.authorizeIn(q, cookie, &http.Cookie{Name: identity.RequestCookieName(false), Value: "another"})
			},
			"a browser without the cookie": func(q url.Values, cookie *http.Cookie) *http.Response { return s.authorizeIn(q, cookie) },
			"an hour later": func(q url.Values, cookie *http.Cookie) *http.Response {
				s.pass(identity.AskedFor)
				return s.authorize(q, cookie)
			},
		} {
			_, q := s.location(s.authorize(asking(c, "prompt", "login")))
			cookie := s.signInFor(s.user, q, identity.Standing{})
			if got := s.leads(q, cookie); got != "code" {
				t.Fatalf("%s: where and when it began it led to %s", name, got)
			}
			page, anew := s.location(open(q, cookie))
			if page != "/signin" || anew.Get("next") == q.Get("next") {
				t.Errorf("%s: led to %s", name, page)
			}
			plain, _ := s.keys.AskedText(identity.NewAsked(asking(c), s.now()))
			if got := s.leads(url.Values{"next": {plain}}, cookie); got != "code" {
				t.Errorf("%s: a request that asks for no more than it has led to %s", name, got)
			}
		}
	})
}

func TestBound_theCookieIsGivenOnceAndOnlyOnTheWayToAPage(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		resp := s.authorizeIn(asking(c))
		given := resp.Cookies()
		if len(given) != 1 || given[0].Name != identity.RequestCookieName(false) || !given[0].HttpOnly || given[0].Path != "/" ||
			given[0].SameSite != http.SameSiteLaxMode || given[0].MaxAge != 0 {
			t.Fatalf("the cookies are %v", given)
		}
		_, q := s.location(resp)
		cookie := s.signInFor(s.user, q, identity.Standing{})
		for name, resp := range map[string]*http.Response{
			"on the way back":  s.authorizeIn(q, given[0], cookie),
			"for another page": s.authorizeIn(asking(c), given[0]),
			"in silence":       s.authorizeIn(asking(c, "prompt", "none")),
			"for an error":     s.authorizeIn(asking(c, "scope", "nope")),
		} {
			if got := resp.Cookies(); len(got) != 0 {
				t.Errorf("%s: %v", name, got)
			}
		}
	})
}

// max_age is judged by the clock, but for the pages that follow on a sign-in for the request.
func TestBound_maxAgeIsJudgedByTheClock(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		_, q := s.location(s.authorize(asking(c, "max_age", "2")))
		cookie := s.signInFor(s.user, q, identity.Standing{})
		s.pass(identity.FreshFor)
		if got := s.leads(q, cookie); got != "code" {
			t.Errorf("after ten minutes of pages: led to %s", got)
		}
		s.pass(time.Second)
		if got := s.leads(q, cookie); got != "/signin" {
			t.Errorf("later: led to %s", got)
		}
	})
}

// RFC 8252 §8.6: whoever could be posing as the app is never answered silently.
func TestPosable_theAnswerTakesAPressByThePerson(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		redirects := func(c *identity.Client) {
			c.RedirectURIs = []string{appBack, "http://127.0.0.1/cb", "https://app.example/cb"}
		}
		own, other := s.app(posable, redirects), s.app(untrusted, posable, redirects)
		cookie := s.signIn(s.user)
		for _, c := range []identity.Client{own, other} {
			for to, want := range map[string][2]string{
				appBack: {"/consent", "interaction_required"}, "http://127.0.0.1:31337/cb": {"/consent", "interaction_required"},
				"https://app.example/cb": {"code", "code"},
			} {
				d := identity.Demand{Client: c, Redirect: to, Scopes: []string{"openid", "offline_access"}}
				if err := s.grants.Allow(s.Context(), s.standing(cookie), d); err != nil {
					t.Fatal(err)
				}
				if got := s.leads(asking(c, "redirect_uri", to), cookie); got != want[0] {
					t.Errorf("%s: led to %s, want %s", to, got, want[0])
				}
				if got := s.leads(asking(c, "redirect_uri", to, "prompt", "none"), cookie); got != want[1] {
					t.Errorf("%s in silence: %s, want %s", to, got, want[1])
				}
			}
			_, q := s.location(s.authorize(asking(c, "redirect_uri", "http://127.0.0.1:4711/cb"), cookie))
			if got := s.leads(s.pressing(identity.ForDenial, q, cookie), cookie); got != "access_denied" {
				t.Errorf("after a no: led to %s", got)
			}
			s.allow(c, cookie, "openid", "offline_access")
			_, q = s.location(s.authorize(asking(c), cookie))
			if got := s.leads(s.pressing(identity.ForAllowal, q, cookie), cookie); got != "code" {
				t.Errorf("after a press: led to %s", got)
			}
			if got := s.leads(asking(c), cookie); got != "/consent" {
				t.Errorf("a press counts for the next request: led to %s", got)
			}
		}
		web := s.app(s.confidential, posable, func(c *identity.Client) { c.RedirectURIs = []string{"http://localhost/cb"} })
		if got := s.leads(asking(web), cookie); got != "code" {
			t.Errorf("a client that proves itself: led to %s", got)
		}
	})
}

// What no code could hold is said before the person has done anything.
// A request is bounded by its size alone: what is let through to the first page gets its code, and the ID token its nonce.
func TestAuthorize_aLongNonceComesBack(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		long := func(i string) string { return "https://api.example/" + strings.Repeat("r", 480) + i }
		c := s.app(reaching(long("1"), long("2"), long("3"), long("4"), long("5")))
		for name, q := range map[string]url.Values{
			"a nonce of 531 bytes": asking(c, "nonce", strings.Repeat("n", 531)),
			"one of 5,000":         asking(c, "nonce", strings.Repeat("n", 5000), "state", "s"),
			"of odd characters":    asking(c, "nonce", strings.Repeat("é<\"\\", 300)),
			"with a long state":    asking(c, "nonce", strings.Repeat("n", 2500), "state", strings.Repeat("s", 2500)),
			"five resources":       asking(c, "nonce", strings.Repeat("n", 600)),
		} {
			form := redeeming(c, "")
			if name == "five resources" {
				q["resource"] = c.Resources
				form.Set("resource", long("5"))
			}
			page, next := s.location(s.authorize(q))
			if page != "/signin" {
				t.Errorf("%s: led to %s", name, page)
				continue
			}
			_, back := s.location(s.authorize(url.Values{"next": next["next"]}, s.signIn(s.user)))
			if back.Get("state") != q.Get("state") || len(back.Get("code")) > identity.MaxCodeLen {
				t.Fatalf("%s: answered %v", name, back)
			}
			form.Set("code", back.Get("code"))
			for _, got := range []told{s.post(form), s.post(form)} { // also the retry of a lost answer
				s.good(got)
				if _, claims := s.decode(got.IDToken); claims["nonce"] != q.Get("nonce") {
					t.Errorf("%s: the nonce comes back as %v", name, claims["nonce"])
				}
			}
		}
	})
}

func TestAuthorize_whatDoesNotFitIsRefusedBeforeTheFirstPage(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		long := "https://api.example/" + strings.Repeat("r", 330)
		c := s.app(reaching(long, long+"2"))
		for name, q := range map[string]url.Values{
			"a nonce":      asking(c, "nonce", strings.Repeat("n", 6200)),
			"a login_hint": asking(c, "login_hint", strings.Repeat("x", 7000)),
		} {
			if got := s.leads(q); got != "invalid_request" {
				t.Errorf("%s: led to %s", name, got)
			}
		}
		if got := s.leads(changed(asking(c, "nonce", strings.Repeat("n", 150)), []string{"resource", long})); got != "/signin" {
			t.Errorf("what fits: led to %s", got)
		}
	})
}
