package resource

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// bench is a guard and who signs for it. There is no feed: what a request costs is asked, not how an ending comes.
type bench struct {
	guard *Guard
	url   string
	key   *ecdsa.PrivateKey
}

func newBench(b *testing.B) *bench {
	b.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	b.Cleanup(server.Close)
	answer := func(path string, what any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(what)
		})
	}
	answer("/.well-known/openid-configuration", map[string]string{
		"issuer": server.URL, "jwks_uri": server.URL + "/jwks", "introspection_endpoint": server.URL + "/introspect",
	})
	answer("/jwks", jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Use: "sig", Algorithm: "ES256"}}})
	guard, err := Open(Config{Issuer: server.URL, ClientID: "api", ClientSecret: "a secret of the api", Stale: Accept})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(guard.Close)
	return &bench{guard, server.URL, key}
}

// sign makes a JWT of this kind.
func (x *bench) sign(b *testing.B, claims map[string]any, options jose.SignerOptions, key any) string {
	b.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, &options)
	if err != nil {
		b.Fatal(err)
	}
	payload, _ := json.Marshal(claims)
	signed, err := signer.Sign(payload)
	if err != nil {
		b.Fatal(err)
	}
	text, _ := signed.CompactSerialize()
	return text
}

func (x *bench) token(b *testing.B, cnf any) string {
	b.Helper()
	now := time.Now().Unix()
	claims := map[string]any{
		"iss": x.url, "aud": x.url, "sub": "ada", "sid": "s", "client_id": "app", "scope": "notes.read", "jti": rand.Text(), "iat": now, "exp": now + 600,
	}
	if cnf != nil {
		claims["cnf"] = cnf
	}
	return x.sign(b, claims, *new(jose.SignerOptions).WithType("at+jwt"), jose.JSONWebKey{Key: x.key, KeyID: "k"})
}

func (x *bench) check(b *testing.B, r *http.Request) {
	b.Helper()
	if _, refusal := x.guard.Check(r, Operation{Scopes: []string{"notes.read"}}); refusal != nil {
		b.Fatal(refusal)
	}
}

// BenchmarkCheck is what a request costs an API: with a token that was seen before, with a new one, and with a proof.
func BenchmarkCheck(b *testing.B) {
	x := newBench(b)
	request := func(scheme, token string) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "http://api.example.com/notes", nil)
		r.Header.Set("Authorization", scheme+" "+token)
		return r
	}
	b.Run("seen", func(b *testing.B) {
		r := request("Bearer", x.token(b, nil))
		for b.Loop() {
			x.check(b, r)
		}
	})
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			r := request("Bearer", x.token(b, nil))
			b.StartTimer()
			x.check(b, r)
		}
	})
	b.Run("proof", func(b *testing.B) {
		key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		thumb, _ := (&jose.JSONWebKey{Key: key.Public()}).Thumbprint(crypto.SHA256)
		token := x.token(b, map[string]string{"jkt": base64.RawURLEncoding.EncodeToString(thumb)})
		sum := sha256.Sum256([]byte(token))
		r := request("DPoP", token)
		for b.Loop() {
			b.StopTimer()
			r.Header.Set("DPoP", x.sign(b, map[string]any{
				"jti": rand.Text(), "htm": "GET", "htu": "http://api.example.com/notes", "iat": time.Now().Unix(),
				"ath": base64.RawURLEncoding.EncodeToString(sum[:]),
			}, *(&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"), key))
			b.StartTimer()
			x.check(b, r)
		}
	})
}
