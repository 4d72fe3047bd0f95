package oauth_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sojourn-auth/sojourn/identity"
)

// signs makes a client one that signs request objects.
func signs(t *testing.T, pens ...pen) func(*identity.Client) {
	return func(c *identity.Client) { c.RedirectURIs, c.JWKS = []string{webBack}, setOf(t, pens...) }
}

// object are the claims of a right request object, changed by pairs; a nil takes one away.
func (s *stage) object(c identity.Client, pairs ...any) map[string]any {
	m := map[string]any{"iss": c.ID, "aud": issuer, "exp": s.now().Add(time.Minute).Unix()}
	for name, values := range asking(c) {
		m[name] = values[0]
	}
	for i := 0; i < len(pairs); i += 2 {
		if m[pairs[i].(string)] = pairs[i+1]; pairs[i+1] == nil {
			delete(m, pairs[i].(string))
		}
	}
	return m
}

// enclosing is a request by a request object, as RFC 9101 §5 has it: nothing else beside it.
func enclosing(c identity.Client, object string, pairs ...string) url.Values {
	return changed(url.Values{"client_id": {c.ID}, "request": {object}}, pairs)
}

func TestRequestObject_everyAlgorithmBringsACode(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		cookie := s.signIn(s.user)
		for _, alg := range []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA} {
			p := newPen(t, alg, "k")
			c := s.app(signs(t, p))
			object := p.write(t, s.object(c))
			s.good(s.post(redeeming(c, s.code(enclosing(c, object), cookie))))
			// OpenID Connect Core 1.0 §6.1 wants these beside it too.
			s.code(enclosing(c, object, "response_type", "code", "scope", "openid"), cookie)
		}
	})
}

// RFC 9101 §6.3: what stands beside a request object does not count, or whoever changes an address changes the request.
func TestRequestObject_onlyWhatIsInsideCounts(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p, cookie := newPen(t, jose.ES256, "k"), s.signIn(s.user)
		c := s.app(signs(t, p))
		q := enclosing(c, p.write(t, s.object(c, "state", "inside", "nonce", "inside")),
			"state", "outside", "nonce", "outside", "scope", "openid email", "redirect_uri", "https://evil.example/", "prompt", "none login",
			"max_age", "soon", "response_mode", "x", "code_challenge", strings.Repeat("A", 43))
		to, answer := s.location(s.authorize(q, cookie))
		if to+"?from=door" != webBack || answer.Get("state") != "inside" {
			t.Fatalf("led to %s with %v", to, answer)
		}
		got := s.post(redeeming(c, answer.Get("code")))
		s.good(got)
		if _, claims := s.decode(got.IDToken); claims["nonce"] != "inside" || got.Scope != "openid offline_access" {
			t.Errorf("nonce %v, scope %s", claims["nonce"], got.Scope)
		}
	})
}

// Numbers, objects and lists inside mean what they would as parameters; fosite made %!s(int64=1) of a number.
func TestRequestObject_valuesOfJSONAreParameters(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p, cookie := newPen(t, jose.ES256, "k"), s.signIn(s.user)
		c := s.app(signs(t, p), func(c *identity.Client) { c.Resources = []string{"https://a.example/", "https://b.example/"} })
		s.pass(time.Hour)
		resources := []any{"https://a.example/", "https://b.example/"}
		s.code(enclosing(c, p.write(t, s.object(c, "max_age", 7200, "resource", resources, "prompt", nil, "state", ""))), cookie)
		for name, member := range map[string][]any{
			"an age that is over": {"max_age", 60}, "a password that is wanted": {"prompt", "login"},
		} {
			if page, _ := s.location(s.authorize(enclosing(c, p.write(t, s.object(c, member...))), cookie)); page != "/signin" {
				t.Errorf("%s leads to %s", name, page)
			}
		}
		for name, member := range map[string][]any{
			"several where one may be": {"state", []any{"a", "b"}}, "an age that is none": {"max_age", map[string]any{}},
		} {
			_, answer := s.location(s.authorize(enclosing(c, p.write(t, s.object(c, member...))), cookie))
			if name[0] == 'a' && answer.Get("error") != "invalid_request" {
				t.Errorf("%s: %v", name, answer)
			}
		}
	})
}

func TestRequestObject_wrongOnesAreRefused(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p, cookie := newPen(t, jose.ES256, "k"), s.signIn(s.user)
		c := s.app(signs(t, p))
		unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + strings.Split(p.write(t, s.object(c)), ".")[1] + "."
		id := s.begin(s.app()).IDToken
		at := func(d time.Duration) int64 { return s.now().Add(d).Unix() }
		for name, object := range map[string]string{
			"garbage":              "eyJ",
			"unsigned":             unsigned,
			"by another key":       newPen(t, jose.ES256, "k").write(t, s.object(c)),
			"by an unknown key":    newPen(t, jose.EdDSA, "x").write(t, s.object(c)),
			"too long":             p.write(t, s.object(c, "state", strings.Repeat("s", 16<<10))),
			"another issuer":       p.write(t, s.object(c, "iss", "other")),
			"no issuer":            p.write(t, s.object(c, "iss", nil)),
			"for another server":   p.write(t, s.object(c, "aud", "https://other.example")),
			"for nobody":           p.write(t, s.object(c, "aud", nil)),
			"another client":       p.write(t, s.object(c, "client_id", "other")),
			"no client":            p.write(t, s.object(c, "client_id", nil)),
			"expired":              p.write(t, s.object(c, "exp", at(-time.Minute))),
			"for ever":             p.write(t, s.object(c, "exp", at(25*time.Hour))),
			"not yet":              p.write(t, s.object(c, "nbf", at(time.Minute))),
			"made later":           p.write(t, s.object(c, "iat", at(time.Minute))),
			"another one inside":   p.write(t, s.object(c, "request", "eyJ")),
			"an address inside":    p.write(t, s.object(c, "request_uri", "https://notes.example/r")),
			"a client assertion":   p.write(t, s.claims(c)),
			"an assertion and all": p.write(t, s.object(c, "sub", c.ID)),
			"an ID token of ours":  id,
			"NUL inside":           p.write(t, s.object(c, "nonce", "a\x00b")),
		} {
			to, answer := s.location(s.authorize(enclosing(c, object, "redirect_uri", webBack, "state", "st"), cookie))
			if to+"?from=door" != webBack || answer.Get("error") != "invalid_request_object" || answer.Get("state") != "st" {
				t.Errorf("%s: led to %s with %v", name, to, answer)
			}
		}
	})
}

// RFC 9101 §10.8.1: whatever else its key signs says by its typ that it is no request.
func TestRequestObject_isOfItsOwnTypeOrSaysNone(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p, cookie := newPen(t, jose.ES256, "k"), s.signIn(s.user)
		c := s.app(signs(t, p))
		payload, err := json.Marshal(s.object(c))
		if err != nil {
			t.Fatal(err)
		}
		for _, right := range []string{"", "JWT", "jwt", "oauth-authz-req+jwt", "application/oauth-authz-req+jwt"} {
			s.code(enclosing(c, p.sealed(t, right, string(payload))), cookie)
		}
		for _, wrong := range []string{"at+jwt", "dpop+jwt", "logout+jwt", "client-authentication+jwt", "oauth-authz-req"} {
			q := enclosing(c, p.sealed(t, wrong, string(payload)), "redirect_uri", webBack)
			if _, answer := s.location(s.authorize(q, cookie)); answer.Get("error") != "invalid_request_object" {
				t.Errorf("%s: %v", wrong, answer)
			}
		}
	})
}

// RFC 7519 §4: who judged the first of two would see the last one count. And what everybody may read, the public key, is no
// secret to sign with (RFC 8725 §3.1).
func TestRequestObject_saysNothingTwiceAndIsSignedByNoPublicKey(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p, cookie := newPen(t, jose.ES256, "k"), s.signIn(s.user)
		c := s.app(signs(t, p))
		payload, err := json.Marshal(s.object(c, "aud", []string{"https://other.example", issuer}))
		if err != nil {
			t.Fatal(err)
		}
		s.code(enclosing(c, p.sealed(t, "", string(payload))), cookie)
		public, err := json.Marshal(jose.JSONWebKey{Key: p.public, KeyID: "k"})
		if err != nil {
			t.Fatal(err)
		}
		more := func(member string) string {
			return p.sealed(t, "", strings.Replace(string(payload), "{", "{"+member+",", 1))
		}
		for name, object := range map[string]string{
			"a parameter twice":     more(`"redirect_uri":"https://evil.example/"`),
			"a claim twice":         more(`"aud":"https://other.example"`),
			"a client twice":        more(`"client_id":"other"`),
			"signed by what is out": pen{jose.HS256, "k", public, nil}.sealed(t, "", string(payload)),
		} {
			q := enclosing(c, object, "redirect_uri", webBack)
			if _, answer := s.location(s.authorize(q, cookie)); answer.Get("error") != "invalid_request_object" {
				t.Errorf("%s: %v", name, answer)
			}
		}
	})
}

// A refused object proves nothing, so it leads nowhere: only what stands beside it could, where it is registered.
func TestRequestObject_aRefusedOneLeadsNowhereByItself(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p := newPen(t, jose.ES256, "k")
		c := s.app(signs(t, p), func(c *identity.Client) { c.RedirectURIs = append(c.RedirectURIs, appBack) })
		for name, q := range map[string]url.Values{
			"nothing beside it":        enclosing(c, newPen(t, jose.ES256, "k").write(t, s.object(c))),
			"an unregistered redirect": enclosing(c, "eyJ", "redirect_uri", "https://evil.example/"),
			"another redirect inside":  enclosing(c, p.write(t, s.object(c, "redirect_uri", "https://evil.example/")), "redirect_uri", webBack),
			"an unknown client":        enclosing(identity.Client{ID: "nobody"}, "eyJ"),
		} {
			if resp := s.authorize(q); resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Location") != "" {
				t.Fatalf("%s: answered %d, leading to %q", name, resp.StatusCode, resp.Header.Get("Location"))
			}
			if page := <-s.problems; page.BackURL != "" {
				t.Errorf("%s: the page leads to %s", name, page.BackURL)
			}
		}
	})
}

// DESIGN law 6: pages carry what was asked, sealed, and not the object, which would be too long and could expire meanwhile.
func TestRequestObject_isReadOnceAndItsParametersTravel(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p := newPen(t, jose.ES256, "k")
		c := s.app(signs(t, p), func(c *identity.Client) { c.RequestSigned = true })
		object := p.write(t, s.object(c, "padding", strings.Repeat("p", 8000)))
		page, q := s.location(s.authorize(enclosing(c, object)))
		if page != "/signin" || len(q.Get("next")) > 2000 {
			t.Fatalf("led to %s with %d characters", page, len(q.Get("next")))
		}
		s.pass(10 * time.Minute) // the object is over, the person is not
		s.good(s.post(redeeming(c, s.code(url.Values{"next": q["next"]}, s.signIn(s.user)))))
	})
}

func TestRequestObject_aClientThatMustSignIsRefusedWithout(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		es, rs, cookie := newPen(t, jose.ES256, "e"), newPen(t, jose.RS256, "r"), s.signIn(s.user)
		c := s.app(signs(t, es, rs), func(c *identity.Client) { c.RequestSigned, c.RequestAlg = true, "ES256" })
		for name, q := range map[string]url.Values{
			"invalid_request":        asking(c),
			"invalid_request ":       asking(c, "pushed", "1", "registration", ""),
			"invalid_request_object": enclosing(c, rs.write(t, s.object(c)), "redirect_uri", webBack),
		} {
			if _, answer := s.location(s.authorize(q, cookie)); answer.Get("error") != strings.TrimSpace(name) {
				t.Errorf("%v, want %s", answer, name)
			}
		}
		s.code(enclosing(c, es.write(t, s.object(c))), cookie)
	})
}

// fosite reads request objects where scope has openid, and passes over them silently elsewhere.
func TestRequestObject_countsWithoutOpenID(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p, cookie := newPen(t, jose.ES256, "k"), s.signIn(s.user)
		c := s.app(signs(t, p))
		if _, answer := s.location(s.authorize(enclosing(c, p.write(t, s.object(c, "scope", "offline_access", "state", "in"))), cookie)); !answer.Has("code") ||
			answer.Get("state") != "in" {
			t.Errorf("answered %v", answer)
		}
	})
}
