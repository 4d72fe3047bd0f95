package oauth_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sojourn-auth/sojourn/identity"
)

// pen is a client's key pair.
type pen struct {
	alg     jose.SignatureAlgorithm
	kid     string
	private any
	public  any
}

func newPen(t *testing.T, alg jose.SignatureAlgorithm, kid string) pen {
	t.Helper()
	switch alg {
	case jose.ES256:
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return pen{alg, kid, key, key.Public()}
	case jose.EdDSA:
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return pen{alg, kid, private, public}
	default:
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		return pen{alg, kid, key, key.Public()}
	}
}

// write signs claims under no typ.
func (p pen) write(t *testing.T, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return p.sealed(t, "", string(payload))
}

// sealed is a payload as it is written, signed under a typ.
func (p pen) sealed(t *testing.T, typ, payload string) string {
	t.Helper()
	options := &jose.SignerOptions{}
	if typ != "" {
		options.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: p.alg, Key: jose.JSONWebKey{Key: p.private, KeyID: p.kid}}, options)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func setOf(t testing.TB, pens ...pen) []byte {
	t.Helper()
	set := jose.JSONWebKeySet{}
	for _, p := range pens {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: p.public, KeyID: p.kid})
	}
	body, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func (s *stage) signing7523(pens ...pen) func(*identity.Client) {
	return func(c *identity.Client) {
		s.confidential(c)
		c.AuthMethod, c.SecretHash, c.JWKS = "private_key_jwt", nil, setOf(s.TB, pens...)
	}
}

// claims are a right assertion's, changed by pairs; a nil takes one away.
func (s *stage) claims(c identity.Client, pairs ...any) map[string]any {
	m := map[string]any{
		"iss": c.ID, "sub": c.ID, "aud": issuer, "jti": identity.RandomText(8),
		"exp": s.now().Add(time.Minute).Unix(), "iat": s.now().Unix(),
	}
	for i := 0; i < len(pairs); i += 2 {
		if m[pairs[i].(string)] = pairs[i+1]; pairs[i+1] == nil {
			delete(m, pairs[i].(string))
		}
	}
	return m
}

func asserting(assertion string, pairs ...string) url.Values {
	return changed(own("client_assertion_type", jwtBearer, "client_assertion", assertion), pairs)
}

func TestAssertion_everyAlgorithm(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		for _, alg := range []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA} {
			p := newPen(t, alg, "")
			c := s.app(s.signing7523(p, newPen(t, jose.ES256, "another"), newPen(t, jose.EdDSA, "one more")))
			if alg == jose.ES256 || alg == jose.EdDSA {
				c = s.app(s.signing7523(p)) // without kid, two keys of the type would be ambiguous
			}
			s.good(s.post(asserting(p.write(t, s.claims(c)))))
			s.good(s.post(asserting(p.write(t, s.claims(c, "aud", []string{issuer})), "client_id", c.ID)))
		}
	})
}

// fosite answers an expired assertion with HTTP 500, takes exp ten years ahead, allows a clock no second, and wants use.
func TestAssertion_wrongOnesAre401(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p, stranger := newPen(t, jose.ES256, "k"), newPen(t, jose.ES256, "k")
		c, other := s.app(s.signing7523(p)), s.app(s.signing7523(p))
		secretive := s.app(s.confidential)
		in := func(d time.Duration) int64 { return s.now().Add(d).Unix() }
		wrong := map[string]string{
			"expired":                p.write(t, s.claims(c, "exp", in(-31*time.Second))),
			"long expired":           p.write(t, s.claims(c, "exp", in(-24*time.Hour))),
			"without exp":            p.write(t, s.claims(c, "exp", nil)),
			"exp too far":            p.write(t, s.claims(c, "exp", in(331*time.Second), "iat", nil)),
			"exp in ten years":       p.write(t, s.claims(c, "exp", in(10*365*24*time.Hour), "iat", nil)),
			"exp beyond time":        p.write(t, s.claims(c, "exp", 1e300, "iat", nil)),
			"exp is text":            p.write(t, s.claims(c, "exp", "soon")),
			"old, and exp is ahead":  p.write(t, s.claims(c, "exp", in(time.Minute), "iat", in(-331*time.Second))),
			"iat ahead":              p.write(t, s.claims(c, "iat", in(31*time.Second))),
			"nbf ahead":              p.write(t, s.claims(c, "nbf", in(31*time.Second))),
			"without jti":            p.write(t, s.claims(c, "jti", nil)),
			"jti with NUL":           p.write(t, s.claims(c, "jti", "a\x00b")),
			"jti too long":           p.write(t, s.claims(c, "jti", strings.Repeat("j", 513))),
			"other aud":              p.write(t, s.claims(c, "aud", "https://elsewhere.example")),
			"the token endpoint":     p.write(t, s.claims(c, "aud", issuer+"/oauth2/token")),
			"another beside us":      p.write(t, s.claims(c, "aud", []string{"https://evil.example", issuer})),
			"we twice":               p.write(t, s.claims(c, "aud", []string{issuer, issuer})),
			"the issuer with slash":  p.write(t, s.claims(c, "aud", issuer+"/")),
			"without aud":            p.write(t, s.claims(c, "aud", nil)),
			"aud is a number":        p.write(t, s.claims(c, "aud", 1)),
			"iss is another":         p.write(t, s.claims(c, "iss", other.ID)),
			"sub is nobody":          p.write(t, s.claims(c, "iss", "nobody", "sub", "nobody")),
			"sub with NUL":           p.write(t, s.claims(c, "iss", "\x00", "sub", "\x00")),
			"without sub":            p.write(t, s.claims(c, "iss", nil, "sub", nil)),
			"a stranger's key":       stranger.write(t, s.claims(c)),
			"a client with a secret": p.write(t, s.claims(secretive)),
			"unknown kid":            pen{jose.ES256, "x", p.private, p.public}.write(t, s.claims(c)),
			"not a JWT":              "x.y.z",
			"too long":               strings.Repeat("a", 9000),
		}
		for name, assertion := range wrong {
			got := s.post(asserting(assertion))
			if got.Status != 401 || got.Error != "invalid_client" || got.Header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: answered %d %s (%s)", name, got.Status, got.Error, got.Description)
			}
		}
		s.bad(s.post(asserting(p.write(t, s.claims(c)), "client_id", other.ID)), 401, "invalid_client", "stop")
		for name, claims := range map[string]map[string]any{
			"just expired":   s.claims(c, "exp", in(-29*time.Second)),
			"exp at its end": s.claims(c, "exp", in(329*time.Second)),
			"exp in an hour": s.claims(c, "exp", in(time.Hour)), // Authlib
			"just not old":   s.claims(c, "exp", in(time.Hour), "iat", in(-329*time.Second)),
			"iat just ahead": s.claims(c, "iat", in(29*time.Second), "nbf", in(29*time.Second)),
			"without iat":    s.claims(c, "iat", nil),
		} {
			if got := s.post(asserting(p.write(t, claims))); got.Status != 200 {
				t.Errorf("%s: answered %d (%s)", name, got.Status, got.Description)
			}
		}
	})
}

// fosite takes the first key of the type when there is no kid.
func TestAssertion_withoutKidTwoKeysOfATypeAreAmbiguous(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		first, second := newPen(t, jose.ES256, "a"), newPen(t, jose.ES256, "b")
		c := s.app(s.signing7523(first, second))
		s.good(s.post(asserting(second.write(t, s.claims(c)))))
		first.kid = ""
		s.bad(s.post(asserting(first.write(t, s.claims(c)))), 401, "invalid_client", "stop")
	})
}

func TestAssertion_authenticatesAtRevocationAndIntrospectionToo(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p := newPen(t, jose.ES256, "k")
		c := s.app(s.signing7523(p))
		token := s.post(asserting(p.write(t, s.claims(c)))).AccessToken
		asked := func(path string) *http.Response {
			form := asserting(p.write(t, s.claims(c)), "token", token)
			form.Del("grant_type")
			r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			return s.send(r)
		}
		for _, active := range []bool{true, false} {
			var told struct{ Active bool }
			resp := asked("/oauth2/introspect")
			if err := json.NewDecoder(resp.Body).Decode(&told); err != nil || resp.StatusCode != 200 || told.Active != active {
				t.Errorf("introspection answered %d, active %t (%v), want %t", resp.StatusCode, told.Active, err, active)
			}
			if resp := asked("/oauth2/revoke"); resp.StatusCode != 200 {
				t.Errorf("revocation answered %d", resp.StatusCode)
			}
		}
	})
}

func TestAssertion_theRegisteredAlgorithmIsTheOnlyOne(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p := newPen(t, jose.PS256, "k")
		c := s.app(s.signing7523(p), func(c *identity.Client) { c.AuthSigningAlg = "PS256" })
		s.good(s.post(asserting(p.write(t, s.claims(c)))))
		p.alg = jose.RS256
		s.bad(s.post(asserting(p.write(t, s.claims(c)))), 401, "invalid_client", "stop")
	})
}

// However far ahead its exp is, an assertion that was spent is never taken again: not while its jti is kept, nor afterwards.
func TestAssertion_withALongLifeIsSpentForAllOfIt(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p := newPen(t, jose.ES256, "k")
		c := s.app(s.signing7523(p))
		text := p.write(t, s.claims(c, "exp", s.now().Add(time.Hour).Unix()))
		s.good(s.post(asserting(text)))
		for range 70 {
			if got := s.post(asserting(text)); got.Status != http.StatusUnauthorized {
				t.Fatalf("at %s it is answered %d", s.now(), got.Status)
			}
			s.pass(time.Minute)
			if _, err := s.db.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// fosite has one namespace of jti for all clients, and checks it in two steps.
func TestAssertion_isSpentOnceInItsClientsNamespace(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p := newPen(t, jose.ES256, "k")
		c, other := s.app(s.signing7523(p)), s.app(s.signing7523(p))
		text := p.write(t, s.claims(c, "jti", "same"))
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if s.post(asserting(text)).Status == http.StatusOK {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d of 16 uses of one assertion succeeded", won.Load())
		}
		s.good(s.post(asserting(p.write(t, s.claims(other, "jti", "same")))))
	})
}

func TestAssertion_aBrokenRequestDoesNotBurnIt(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p := newPen(t, jose.ES256, "k")
		c := s.app(s.signing7523(p))
		late := s.claims(c, "jti", "j", "aud", "https://elsewhere.example")
		s.bad(s.post(asserting(p.write(t, late))), 401, "invalid_client", "stop")
		s.good(s.post(asserting(p.write(t, s.claims(c, "jti", "j")))))
	})
}

// host serves a key set that tests change, and counts who asks.
type host struct {
	*httptest.Server
	body  atomic.Pointer[[]byte]
	asked atomic.Int32
}

func newHost(t *testing.T, body []byte) *host {
	t.Helper()
	h := &host{}
	h.body.Store(&body)
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h.asked.Add(1)
		_, _ = w.Write(*h.body.Load())
	}))
	t.Cleanup(h.Close)
	return h
}

func (s *stage) hosted(h *host) func(*identity.Client) {
	return func(c *identity.Client) {
		s.signing7523()(c)
		c.JWKS, c.JWKSURI = nil, h.URL
	}
}

func TestKeySets_areReadOnceAndAgainForANewKey(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		old, next := newPen(t, jose.ES256, "old"), newPen(t, jose.ES256, "new")
		h := newHost(t, setOf(t, old))
		c := s.app(s.hosted(h))
		for range 3 {
			s.good(s.post(asserting(old.write(t, s.claims(c)))))
		}
		if n := h.asked.Load(); n != 1 {
			t.Errorf("the set was read %d times", n)
		}
		// fosite reads the set again for every unknown kid: anyone can make it knock on someone's door.
		for range 20 {
			s.bad(s.post(asserting(next.write(t, s.claims(c)))), 401, "invalid_client", "retry") // it is read again soon
		}
		if n := h.asked.Load(); n != 1 {
			t.Errorf("unknown keys made us read the set %d times in a minute", n)
		}
		body := setOf(t, old, next)
		h.body.Store(&body)
		s.pass(time.Minute)
		s.good(s.post(asserting(next.write(t, s.claims(c)))))
		if n := h.asked.Load(); n != 2 {
			t.Errorf("the set was read %d times", n)
		}
	})
}

// A key that its owner took away, because somebody else has it, is good for an hour at most.
func TestKeySets_forgetWithinTheHourWhatIsNoLongerInThem(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		lost, next := newPen(t, jose.ES256, "lost"), newPen(t, jose.ES256, "next")
		h := newHost(t, setOf(t, lost))
		c := s.app(s.hosted(h))
		s.good(s.post(asserting(lost.write(t, s.claims(c)))))
		body := setOf(t, next)
		h.body.Store(&body)
		s.pass(time.Hour)
		s.bad(s.post(asserting(lost.write(t, s.claims(c)))), 401, "invalid_client", "stop")
		s.good(s.post(asserting(next.write(t, s.claims(c)))))
		if n := h.asked.Load(); n != 2 {
			t.Errorf("the set was read %d times", n)
		}
	})
}

// Whoever can read a private key there could sign with it.
func TestKeySets_passOverKeysThatTellTheirSecret(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p, shown := newPen(t, jose.ES256, "k"), newPen(t, jose.ES256, "shown")
		body := []byte(strings.Replace(string(setOf(t, shown, p)), `"kid":"shown"`, `"kid":"shown","d":"AAAA"`, 1))
		c := s.app(s.hosted(newHost(t, body)))
		s.good(s.post(asserting(p.write(t, s.claims(c)))))
		s.bad(s.post(asserting(shown.write(t, s.claims(c)))), 401, "invalid_client", "retry")
	})
}

func TestKeySets_thatCannotBeReadAreNoSignOut(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p := newPen(t, jose.ES256, "k")
		h := newHost(t, []byte(strings.Repeat(" ", 70<<10)))
		c := s.app(s.hosted(h))
		got := s.post(asserting(p.write(t, s.claims(c))))
		s.bad(got, 503, "temporarily_unavailable", "retry")
		if got.Header.Get("Retry-After") == "" {
			t.Error("there is no Retry-After")
		}
		for range 5 {
			s.bad(s.post(asserting(p.write(t, s.claims(c)))), 503, "temporarily_unavailable", "retry")
		}
		if n := h.asked.Load(); n != 1 {
			t.Errorf("a failing host was asked %d times at once", n)
		}
		good := setOf(t, p)
		h.body.Store(&good)
		s.pass(10 * time.Second)
		s.good(s.post(asserting(p.write(t, s.claims(c)))))
		h.Close()
		s.pass(2 * time.Hour)
		s.good(s.post(asserting(p.write(t, s.claims(c))))) // what was known stays
	})
}

// What a client that registered itself did not put there is no fault of ours: no 503, on which operators are told to alarm.
func TestKeySets_ofASelfRegisteredClientThatCannotBeReadAreItsOwnFault(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p := newPen(t, jose.ES256, "k")
		c := s.app(s.hosted(newHost(t, []byte("none"))), selfRegistered)
		got := s.post(asserting(p.write(t, s.claims(c))))
		if got.Status != 401 || got.Error != "invalid_client" || !strings.Contains(got.Description, "jwks_uri") {
			t.Errorf("answered %d %s (%s)", got.Status, got.Error, got.Description)
		}
	})
}

// RFC 7517 §5: a key of a kind that we do not know must not hide the others.
func TestKeySets_passOverKeysOfOtherKinds(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p := newPen(t, jose.ES256, "k")
		c := s.app(s.signing7523(p), func(c *identity.Client) {
			c.JWKS = []byte(strings.Replace(string(setOf(t, p)), `{"keys":[`, `{"keys":[{"kty":"XYZ"},{"kty":"EC","crv":"P-521x"},7,`, 1))
		})
		s.good(s.post(asserting(p.write(t, s.claims(c)))))
	})
}
