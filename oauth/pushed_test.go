package oauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sojourn-auth/sojourn/identity"
)

// pushing sends a request ahead and returns its request_uri.
func (s *stage) pushing(form url.Values, edit ...func(*http.Request)) string {
	s.Helper()
	got := s.askForm("/oauth2/par", form, edit...)
	uri, _ := got.json["request_uri"].(string)
	if got.status != http.StatusCreated || !strings.HasPrefix(uri, "urn:ietf:params:oauth:request_uri:") || got.json["expires_in"] != 300.0 {
		s.Fatalf("answered %d %v", got.status, got.json)
	}
	return uri
}

func TestPush_theRequestIsWhatWasPushed(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		cookie := s.signIn(s.user)
		public, web := s.app(onTheWeb), s.app(onTheWeb, s.confidential)
		uri := s.pushing(asking(public))
		// RFC 9126 §4: what stands beside it does not count; fosite lets anyone add to a pushed request.
		q := changed(pointing(public, uri), []string{"state", "other", "prompt", "login", "redirect_uri", "https://evil.example/"})
		to, answer := s.location(s.authorize(q, cookie))
		if to+"?from=door" != webBack || answer.Get("state") != "st" {
			t.Fatalf("led to %s with %v", to, answer)
		}
		s.good(s.post(redeeming(public, answer.Get("code"))))
		// A second tab: each gets a code of its own, and neither harms the other.
		s.good(s.post(redeeming(public, s.code(pointing(public, uri), cookie))))

		uri = s.pushing(changed(asking(web), []string{"client_id", ""}), asClient(web, clientSecret))
		s.good(s.post(redeeming(web, s.code(pointing(web, uri), cookie)), asClient(web, clientSecret)))
	})
}

func TestPush_isOfItsClientAndForMinutes(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		cookie := s.signIn(s.user)
		c, other := s.app(onTheWeb), s.app(onTheWeb)
		uri := s.pushing(asking(c))
		refused := func(name string, q url.Values) {
			t.Helper()
			if _, answer := s.location(s.authorize(q, cookie)); answer.Get("error") != "invalid_request_uri" {
				t.Errorf("%s: %v", name, answer)
			}
		}
		refused("another client's", pointing(other, uri))
		refused("altered", pointing(c, uri[:len(uri)-2]+"AA"))
		page, q := s.location(s.authorize(pointing(c, uri)))
		s.pass(5 * time.Minute)
		refused("too old", pointing(c, uri))
		if page != "/signin" { // law 6: whoever is at the pages goes on
			t.Fatalf("led to %s", page)
		}
		s.code(url.Values{"next": q["next"]}, cookie)
	})
}

func TestPush_refusesWhatAuthorizeWould(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, web := s.app(onTheWeb), s.app(onTheWeb, s.confidential)
		for want, form := range map[string]url.Values{
			"invalid_request":           asking(c, "redirect_uri", "https://evil.example/"),
			"invalid_request ":          asking(c, "code_challenge", "", "code_challenge_method", ""),
			"invalid_request  ":         asking(c, "request_uri", identity.PushedPrefix+"x"),
			"invalid_request   ":        asking(c, "prompt", "soon"),
			"invalid_scope":             asking(c, "scope", "nope"),
			"unsupported_response_type": asking(c, "response_type", "token"),
			"invalid_request_object":    asking(c, "request", "eyJ"),
			"invalid_client":            asking(web),
		} {
			got := s.askForm("/oauth2/par", form)
			if got.status < 400 || got.json["error"] != strings.TrimSpace(want) {
				t.Errorf("%s: answered %d %v", want, got.status, got.json)
			}
		}
		s.badForms("/oauth2/par")
	})
}

func TestPush_takesARequestObject(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p, cookie := newPen(t, jose.ES256, "k"), s.signIn(s.user)
		c := s.app(signs(t, p), func(c *identity.Client) { c.RequestSigned, c.RequirePushed = true, true })
		object := p.write(t, s.object(c))
		s.code(pointing(c, s.pushing(enclosing(c, object))), cookie)
		if _, answer := s.location(s.authorize(enclosing(c, object, "redirect_uri", webBack), cookie)); answer.Get("error") != "invalid_request" {
			t.Errorf("one that was not pushed brings %v", answer)
		}
		if got := s.askForm("/oauth2/par", asking(c)); got.json["error"] != "invalid_request" {
			t.Errorf("one that was not signed brings %v", got.json)
		}
	})
}

// RFC 9449 §10.1: the proof of a push binds the code.
func TestPush_aProofBindsTheCodeToItsKey(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, k, cookie := s.app(onTheWeb), newProofKey(t, jose.ES256), s.signIn(s.user)
		uri := s.pushing(asking(c), s.by(k))
		code := s.code(pointing(c, uri), cookie)
		if got := s.post(redeeming(c, code)); got.Error == "" {
			t.Error("the code was redeemed without a proof of the key")
		}
		s.good(s.post(redeeming(c, code), s.by(k)))
	})
}
