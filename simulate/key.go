package simulate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// key is a phone's, as its Keystore or Secure Enclave holds it: it signs, and can't be copied with the token. Which key it is
// changes nothing about anyone's life, so that it need not come from the seed.
type key struct {
	private *ecdsa.PrivateKey
	head    string // of every proof, as it is sent
	htu     string
}

// newKey makes one, or none where tokens are not bound to keys.
func (w *world) newKey() *key {
	if !w.Bound {
		return nil
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // impossible: crypto/rand never fails
	}
	point, err := private.PublicKey.Bytes() // 4, x, y (SEC 1 §2.3.3)
	if err != nil {
		panic(err) // impossible: it was just made
	}
	return &key{private, section(map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": map[string]string{
		"kty": "EC", "crv": "P-256", "x": unpadded(point[1:33]), "y": unpadded(point[33:]),
	}}), tokenURL}
}

// proof is one for a token request (RFC 9449 §4.2), or "" without a key.
func (k *key) proof(now time.Time) string {
	if k == nil {
		return ""
	}
	text := k.head + "." + section(map[string]any{
		"jti": identity.RandomText(12), "htm": "POST", "htu": tokenURL, "iat": now.Unix(),
	})
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, k.private, sum[:])
	if err != nil {
		panic(err) // impossible: crypto/rand never fails
	}
	var signature [64]byte // RFC 7518 §3.4
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return text + "." + unpadded(signature[:])
}

func section(claims map[string]any) string {
	text, err := json.Marshal(claims)
	if err != nil {
		panic(err) // impossible: texts and numbers
	}
	return unpadded(text)
}

func unpadded(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
