package oauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

// denying is a request of the consent page, with the no of whoever is signed in with a browser.
func (s *stage) denying(q url.Values, cookie *http.Cookie) url.Values {
	s.Helper()
	page, q := s.location(s.authorize(q, cookie))
	if page != "/consent" {
		s.Fatalf("led to %s", page)
	}
	return s.pressing(identity.ForDenial, q, cookie)
}

func TestConsent_denyLeadsBackToTheAppWithItsAnswer(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		app := func(redirects ...string) identity.Client {
			return s.app(untrusted, func(c *identity.Client) { c.RedirectURIs = redirects })
		}
		web, native := app("https://notes.example/cb?from=door"), app("com.example.native:/cb", "http://127.0.0.1/cb")
		stranger := s.app(selfRegistered)
		cookie := s.signIn(s.user)
		for _, c := range []struct {
			q    url.Values
			want string
		}{
			{asking(web), "https://notes.example/cb?from=door&"},
			{asking(web, "redirect_uri", "", "scope", "files"), "https://notes.example/cb?from=door&"},
			{asking(native), "com.example.native:/cb?"},
			{asking(native, "redirect_uri", "http://127.0.0.1:4711/cb"), "http://127.0.0.1:4711/cb?"},
			{asking(stranger), appBack + "?"},
		} {
			want := c.want + url.Values{
				"error": {"access_denied"}, "error_description": {"The person did not allow it."},
				"iss": {issuer}, "state": {"st&te"},
			}.Encode()
			q := s.denying(changed(c.q, []string{"state", "st&te"}), cookie)
			if got := s.authorize(q, cookie).Header.Get("Location"); got != want {
				t.Errorf("led to %s, want %s", got, want)
			}
		}
	})
}

func TestConsent_denyNeverLeadsWhereTheAppDidNotRegister(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		two := s.app(untrusted, func(c *identity.Client) { c.RedirectURIs = []string{appBack, appBack + "2"} })
		cookie := s.signIn(s.user)
		for _, place := range []string{"https://evil.example/cb", "javascript:alert(1)", ""} {
			next, err := s.keys.AskedText(identity.NewAsked(asking(two, "redirect_uri", place), s.now()).In(thisBrowser.Value, s.now()))
			if err != nil {
				t.Fatal(err)
			}
			resp := s.authorize(s.pressing(identity.ForDenial, url.Values{"next": {next}}, cookie), cookie)
			if p := <-s.problems; resp.StatusCode != 400 || resp.Header.Get("Location") != "" || p.BackURL != "" {
				t.Errorf("%s: answered %d, with the page %+v", place, resp.StatusCode, p)
			}
		}
	})
}

// DESIGN law 12: a no counts for one person, browser and request, for a minute. What else a link says asks again, even
// where everything is allowed: whoever pressed no never gets a yes.
func TestConsent_denyCountsOnlyForWhoeverPressedItAndForWhat(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(untrusted)
		eve := s.signIn(s.addUser("eve@example.com"))
		ada, phone := s.signIn(s.user), s.signIn(s.user)
		q := s.denying(asking(c), ada)
		later := s.denying(asking(c), ada)
		asks := func(what string, q url.Values, cookie *http.Cookie) {
			t.Helper()
			if got := s.leads(q, cookie); got != "/consent" {
				t.Errorf("%s: led to %s", what, got)
			}
		}
		for range 2 {
			asks("another person", q, eve)
			asks("another browser", q, phone)
			asks("another request", url.Values{"next": later["next"], "denied": q["denied"]}, ada)
			asks("a forged one", url.Values{"next": q["next"], "denied": {"AWlm"}}, ada)
			binding := s.keys.ConsentBinding(identity.Question{To: s.standing(ada), Next: q.Get("next")})
			asks("what the page says", url.Values{"next": q["next"], "denied": {binding}}, ada)
			if got := s.leads(q, ada); got != "access_denied" {
				t.Errorf("the person themselves: led to %s", got)
			}
			for _, cookie := range []*http.Cookie{ada, eve, phone} { // and all of that again, once it is allowed
				s.allow(c, cookie, "openid", "offline_access")
			}
		}
		again := s.signInAfter(s.user, s.standing(ada))
		asks("after another sign-in", q, again)
		q = s.pressing(identity.ForDenial, q, again)
		s.pass(identity.PressFor)
		asks("a minute later", q, again)
		if got := s.leads(asking(c), again); got != "code" {
			t.Errorf("the next request led to %s", got)
		}
	})
}

func TestConsent_denyOfSomeoneWhoseSignInEndedAsksWhoTheyAre(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, cookie := s.app(untrusted), s.signIn(s.user)
		q := s.denying(asking(c), cookie)
		if _, err := s.db.End(s.Context(), identity.Ending{SignIn: s.standing(cookie).SignIn.ID, Cause: identity.EndSignedOut}); err != nil {
			t.Fatal(err)
		}
		page, q2 := s.location(s.authorize(q, cookie))
		if page != "/signin" || len(q2) != 1 {
			t.Fatalf("led to %s with %v", page, q2)
		}
		if got := s.leads(q2, s.signIn(s.user)); got != "/consent" {
			t.Errorf("after the sign-in it led to %s", got)
		}
	})
}

func TestWayBack_ofErrors(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		cookie := s.signIn(s.user)
		own, stranger := s.app(), s.app(selfRegistered)
		wrong := []string{"scope", "nope"}
		for name, q := range map[string]url.Values{
			"the operator's client":                 asking(own, wrong...),
			"the operator's client and prompt=none": asking(own, "scope", "nope", "prompt", "none"),
		} {
			if got := s.leads(q); got != "invalid_scope" {
				t.Errorf("%s: led to %s", name, got)
			}
		}
		if got := s.leads(asking(stranger, wrong...), cookie); got != "invalid_scope" {
			t.Errorf("a stranger's client after sign-in: led to %s", got)
		}

		if got := s.leads(asking(stranger, "prompt", "none")); got != "login_required" {
			t.Errorf("a stranger's client that asks in silence: led to %s", got)
		}
		for _, q := range []url.Values{ // or our address would lead to theirs for anyone
			asking(stranger, "scope", "nope", "prompt", "none"), {"client_id": {stranger.ID}, "redirect_uri": {appBack}, "prompt": {"none"}},
		} {
			if resp := s.authorize(q); resp.StatusCode != 400 || resp.Header.Get("Location") != "" {
				t.Errorf("a wrong request in silence: answered %d, leading to %q", resp.StatusCode, resp.Header.Get("Location"))
			}
			<-s.problems
		}

		resp := s.authorize(asking(stranger, wrong...))
		if resp.StatusCode != 400 || resp.Header.Get("Location") != "" {
			t.Fatalf("a stranger's client before sign-in: answered %d, leading to %q", resp.StatusCode, resp.Header.Get("Location"))
		}
		p := <-s.problems
		place, query, _ := strings.Cut(p.BackURL, "?")
		q, err := url.ParseQuery(query)
		if err != nil || place != appBack || q.Get("error") != "invalid_scope" || q.Get("state") != "st" || q.Get("iss") != issuer {
			t.Errorf("the link leads to %s", p.BackURL)
		}
		if !strings.Contains(p.BackLabel, "com.example.app") || p.Client.ID != stranger.ID {
			t.Errorf("the link %q does not name where it leads", p.BackLabel)
		}
	})
}

func TestWayBack_namesAHost(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(selfRegistered, func(c *identity.Client) { c.RedirectURIs = []string{"https://third.example/cb"} })
		s.authorize(asking(c, "scope", "nope"))
		if p := <-s.problems; p.BackLabel != "Back to third.example" {
			t.Errorf("the link says %q", p.BackLabel)
		}
	})
}

func TestWayBack_aDeadCookieIsNoSignIn(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, cookie := s.app(selfRegistered), s.signIn(s.user)
		if _, err := s.db.End(s.Context(), identity.Ending{SignIn: s.standing(cookie).SignIn.ID, Cause: identity.EndSignedOut}); err != nil {
			t.Fatal(err)
		}
		if resp := s.authorize(asking(c, "scope", "nope"), cookie, cookieOf("sj_si_forged")); resp.StatusCode != 400 {
			t.Errorf("answered %d", resp.StatusCode)
		}
	})
}
