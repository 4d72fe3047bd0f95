package oauth_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/sojourn-auth/sojourn/identity"
)

const fullName jose.SignatureAlgorithm = "Ed25519" // RFC 9864

// ed25519Hand signs under the name that go-jose does not know.
type ed25519Hand ed25519.PrivateKey

func (h ed25519Hand) Public() *jose.JSONWebKey {
	return &jose.JSONWebKey{Key: ed25519.PrivateKey(h).Public()}
}

func (h ed25519Hand) Algs() []jose.SignatureAlgorithm { return []jose.SignatureAlgorithm{fullName} }

func (h ed25519Hand) SignPayload(payload []byte, _ jose.SignatureAlgorithm) ([]byte, error) {
	return ed25519.Sign(ed25519.PrivateKey(h), payload), nil
}

// renamed writes a pen's algorithm by its other name.
func (p pen) renamed() pen {
	p.alg, p.private = fullName, ed25519Hand(p.private.(ed25519.PrivateKey))
	return p
}

func TestEd25519_isEdDSAByItsOwnName(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		old, cookie := newPen(t, jose.EdDSA, "k"), s.signIn(s.user)
		p := old.renamed()
		for _, registered := range []string{"", "EdDSA", "Ed25519"} {
			c := s.app(s.signing7523(p), func(c *identity.Client) { c.AuthSigningAlg = registered })
			s.good(s.post(asserting(p.write(t, s.claims(c)))))
			s.good(s.post(asserting(old.write(t, s.claims(c)))))
			c = s.app(signs(t, old), func(c *identity.Client) { c.RequestAlg = registered })
			s.good(s.post(redeeming(c, s.code(enclosing(c, p.write(t, s.object(c))), cookie))))
		}
		strict := s.app(s.signing7523(p), func(c *identity.Client) { c.AuthSigningAlg = "ES256" })
		s.bad(s.post(asserting(p.write(t, s.claims(strict)))), 401, "invalid_client", "stop")
	})
}

// What is signed must be right under either name, by a key of that kind, and is never taken for anything else.
func TestEd25519_signatureMustBeRight(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		p := newPen(t, jose.EdDSA, "k").renamed()
		c := s.app(s.signing7523(p))
		rsa := s.app(s.signing7523(newPen(t, jose.RS256, "k")))
		right := strings.Split(p.write(t, s.claims(c)), ".")
		for name, text := range map[string]string{
			"another key":  newPen(t, jose.EdDSA, "k").renamed().write(t, s.claims(c)),
			"no signature": right[0] + "." + right[1] + ".",
			"another name": base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA","kid":"k"}`)) + "." + right[1] + "." + right[2],
			"of RSA":       p.write(t, s.claims(rsa)),
			"in capitals":  base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ED25519","kid":"k"}`)) + "." + right[1] + "." + right[2],
		} {
			if got := s.post(asserting(text)); got.Status != http.StatusUnauthorized || got.Error != "invalid_client" {
				t.Errorf("%s: %d %s", name, got.Status, got.Error)
			}
		}
		k := newProofKey(t, fullName)
		d := s.draft(k, http.MethodPost, "/oauth2/token")
		whole := k.sign(d)
		got := s.post(redeeming(c, "x"), func(r *http.Request) { r.Header.Set("DPoP", whole[:len(whole)-4]+"AAAA") })
		s.invalidProof(got)
	})
}

func TestEd25519_signsWithKeysOfItsOwnWhereItIsPublished(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		s.publish("ES256", "RS256", "EdDSA", "Ed25519")
		c := s.app(func(c *identity.Client) {
			c.IDTokenAlg, c.UserinfoAlg, c.IDTokenOnRefresh = "Ed25519", "Ed25519", new(true)
		})
		got := s.begin(c)
		r := httptest.NewRequest(http.MethodGet, userinfoAt, nil)
		r.Header.Set("Authorization", "Bearer "+got.AccessToken)
		userinfo, err := io.ReadAll(s.send(r).Body)
		if err != nil {
			t.Fatal(err)
		}
		keys := s.published()
		for _, text := range []string{got.IDToken, string(userinfo)} {
			header, _ := s.decode(text)
			known := keys.Key(header["kid"].(string))
			if header["alg"] != "Ed25519" || len(known) != 1 || known[0].Algorithm != "Ed25519" || !signedBy(t, text, known[0]) {
				t.Errorf("it has %v, of the key %+v", header, known)
			}
		}
		if asked := s.asked(s.logout(http.MethodGet, map[string][]string{"id_token_hint": {got.IDToken}})); asked.Sub != s.user.Sub {
			t.Errorf("as a hint it says %+v", asked)
		}
		if err := s.signing.Rotate(t.Context(), "Ed25519"); err != nil {
			t.Error(err)
		}
	})
}

func signedBy(t *testing.T, text string, key jose.JSONWebKey) bool {
	t.Helper()
	i := strings.LastIndexByte(text, '.')
	raw, err := base64.RawURLEncoding.DecodeString(text[i+1:])
	if err != nil {
		t.Fatal(err)
	}
	return ed25519.Verify(key.Key.(ed25519.PublicKey), []byte(text[:i]), raw)
}
