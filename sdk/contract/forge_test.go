package contract

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// forgery is an ID token of a provider that is the player: good but for what it says here.
type forgery struct {
	Claims map[string]any `json:"claims"` // over the right ones; null takes one away; numbers of times are seconds from now
	Alg    string         `json:"alg"`    // RS256, which every provider takes; none; HS256, with the public key as a secret
	Key    string         `json:"key"`    // "other": not the published one
}

// forgersKey is the player's, made once: RSA keys take time.
var forgersKey = sync.OnceValue(newRSAKey)

func newRSAKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // impossible: the size is good
	}
	return key
}

// forge has the next code redeemed by the player, with an ID token of its own; "at" the next refresh, the provider's answer has it, and
// nobody publishes the key.
func (s *stage) forge(from step, _ string) {
	s.t.Helper()
	var f forgery
	at := "code"
	s.member(from, "forge", &f)
	s.member(from, "at", &at)
	address, err := url.Parse(s.kept["address"].(string))
	if err != nil {
		s.t.Fatal(err)
	}
	n := s.serves.net()
	claims := map[string]any{
		"iss": n.issuer(), "aud": s.clientID, "sub": "forged", "nonce": address.Query().Get("nonce"), "name": "Forged",
		"exp": time.Now().Add(10 * time.Minute).Unix(), "iat": time.Now().Unix(),
	}
	for name, value := range f.Claims {
		if seconds, ok := value.(float64); ok && (name == "exp" || name == "iat" || name == "nbf") {
			value = time.Now().Unix() + int64(seconds)
		}
		if claims[name] = s.named(s.filled(value)); value == nil {
			delete(claims, name)
		}
	}
	if at == "refresh" {
		text, _ := json.Marshal(f.sign(s.t, claims)) // text can be
		n.change(s.t, fault{At: at, Do: "rewrite", Times: 1, Set: map[string]json.RawMessage{"id_token": text}})
		return
	}
	keys := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: forgersKey().Public(), KeyID: "player", Use: "sig", Algorithm: "RS256"}}}
	published, err := json.Marshal(keys)
	if err != nil {
		s.t.Fatal(err)
	}
	tokens, err := json.Marshal(map[string]any{
		"access_token": "forged", "token_type": "Bearer", "expires_in": 600, "id_token": f.sign(s.t, claims),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	json := map[string]string{"Content-Type": "application/json"}
	n.change(s.t, fault{At: "jwks", Do: "answer", Headers: json, Body: string(published)})
	n.change(s.t, fault{At: "code", Do: "answer", Headers: json, Body: string(tokens), Times: 1})
}

// named puts the app's client id in its place.
func (s *stage) named(value any) any {
	switch value := value.(type) {
	case string:
		return strings.ReplaceAll(value, "CLIENT", s.clientID)
	case []any:
		for i := range value {
			value[i] = s.named(value[i])
		}
	}
	return value
}

// sign makes the text of the token.
func (f forgery) sign(t *testing.T, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signs := jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: forgersKey(), KeyID: "player"}}
	switch {
	case f.Alg == "none":
		text := base64.RawURLEncoding.EncodeToString
		return text([]byte(`{"alg":"none"}`)) + "." + text(payload) + "."
	case f.Alg == "HS256":
		secret := sha256.Sum256(x509.MarshalPKCS1PublicKey(&forgersKey().PublicKey))
		signs = jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: secret[:], KeyID: "player"}}
	case f.Key == "other":
		signs.Key = jose.JSONWebKey{Key: newRSAKey(), KeyID: "player"}
	}
	signer, err := jose.NewSigner(signs, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// memory notes how much memory a driver has ever had, and at the second time that it did not grow by much since. Only Linux
// tells.
func (s *stage) memory(from step, when string) {
	s.t.Helper()
	const much = 100 << 10 // KiB
	status, err := os.ReadFile("/proc/" + strconv.Itoa(s.by(from).cmd.Process.Pid) + "/status")
	if err != nil {
		return
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	line, _, _ := strings.Cut(rest, "\n")
	peak, err := strconv.Atoi(strings.Fields(line)[0])
	if err != nil {
		s.t.Fatal(err)
	}
	if before, ok := s.kept["memory"].(int); ok && when == "after" && peak-before > much {
		s.t.Errorf("the driver took %d KiB more", peak-before)
	}
	s.kept["memory"] = peak
}
