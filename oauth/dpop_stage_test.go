package oauth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/sojourn-auth/sojourn/identity"
)

// proofKey is an app's key on a phone.
type proofKey struct {
	testing.TB
	alg     jose.SignatureAlgorithm
	private crypto.Signer
}

func newProofKey(t testing.TB, alg jose.SignatureAlgorithm) proofKey {
	t.Helper()
	var private crypto.Signer
	var err error
	switch alg {
	case jose.RS256:
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	case jose.EdDSA, fullName:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return proofKey{t, alg, private}
}

func (k proofKey) jwk() jose.JSONWebKey { return jose.JSONWebKey{Key: k.private.Public()} }

func (k proofKey) thumbprint() identity.Thumbprint {
	k.Helper()
	jwk := k.jwk()
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		k.Fatal(err)
	}
	return identity.Thumbprint(sum)
}

// draft is a proof before it is signed: what goes into its header and its claims. A nil value takes a member away.
type draft struct {
	head, claims map[string]any
}

func (d draft) with(pairs ...any) draft {
	for i := 0; i < len(pairs); i += 2 {
		set(d.claims, pairs[i].(string), pairs[i+1])
	}
	return d
}

func (d draft) withHead(pairs ...any) draft {
	for i := 0; i < len(pairs); i += 2 {
		set(d.head, pairs[i].(string), pairs[i+1])
	}
	return d
}

func set(in map[string]any, name string, value any) {
	if in[name] = value; value == nil {
		delete(in, name)
	}
}

// draft is a proof that is right, for a request made now.
func (s *stage) draft(k proofKey, method, path string) draft {
	return draft{
		head: map[string]any{"typ": "dpop+jwt", "jwk": k.jwk()},
		claims: map[string]any{
			"jti": identity.RandomText(12), "htm": method, "htu": issuer + path, "iat": s.now().Unix(),
		},
	}
}

// sign makes the proof.
func (k proofKey) sign(d draft) string {
	k.Helper()
	var key any = k.private
	if k.alg == fullName {
		key = ed25519Hand(k.private.(ed25519.PrivateKey))
	}
	return signProof(k.TB, jose.SigningKey{Algorithm: k.alg, Key: key}, d)
}

// signText signs a header, of which alg and jwk are put right where it is an object, and claims that may be anything.
func (k proofKey) signText(t testing.TB, head, claims string) string {
	t.Helper()
	var members map[string]any
	if json.Unmarshal([]byte(head), &members) == nil && members != nil {
		members["alg"], members["jwk"] = k.alg, k.jwk()
		raw, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		head = string(raw)
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(head)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, k.private.(*ecdsa.PrivateKey), sum[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := make([]byte, 64) // RFC 7518 §3.4: both numbers, one after the other
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func signProof(t testing.TB, key jose.SigningKey, d draft) string {
	t.Helper()
	options := &jose.SignerOptions{}
	for name, value := range d.head {
		options.WithHeader(jose.HeaderKey(name), value)
	}
	signer, err := jose.NewSigner(key, options)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(d.claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// by sends a request with a fresh proof of a key, changed by pairs of claims.
func (s *stage) by(k proofKey, pairs ...any) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("DPoP", k.sign(s.draft(k, r.Method, r.URL.Path).with(pairs...)))
	}
}

func shown(proof string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("DPoP", proof) }
}

func ath(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// beginBy signs the person in and an app with it that proves a key.
func (s *stage) beginBy(c identity.Client, k proofKey, edit ...func(*http.Request)) told {
	s.Helper()
	form := redeeming(c, s.code(asking(c), s.signIn(s.user)))
	if !c.Public() {
		form.Del("client_id")
	}
	got := s.post(form, append(edit, s.by(k))...)
	s.good(got)
	return got
}

// userinfoBy asks userinfo for a token with the scheme DPoP.
func (s *stage) userinfoBy(token string, edit ...func(*http.Request)) reply {
	s.Helper()
	r := httptest.NewRequest(http.MethodGet, userinfoAt, nil)
	r.Header.Set("Authorization", "DPoP "+token)
	return s.ask(changedRequest(r, edit))
}

func boundOnly(c *identity.Client) { c.DPoPBound = true }

// invalidProof checks that a token request was refused for its proof, and that the answer has a nonce.
func (s *stage) invalidProof(got told) {
	s.Helper()
	s.bad(got, http.StatusBadRequest, "invalid_dpop_proof", "stop")
}

// replayed checks that a proof was refused because it was used before: another one, at once, is all that it takes.
func (s *stage) replayed(got told) {
	s.Helper()
	s.bad(got, http.StatusBadRequest, "invalid_dpop_proof", "retry")
}
