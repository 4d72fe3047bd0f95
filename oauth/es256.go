package oauth

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// es256 signs JWTs of one type with one P-256 key, in the compact form of RFC 7515 §7.1. Every refresh pays for it, so the
// header is written once; go-jose, which signs all else and verifies this too, would write it anew each time.
type es256 struct {
	key    *ecdsa.PrivateKey
	header string // encoded, with the dot behind it
}

func newES256(id string, key *ecdsa.PrivateKey, typ string) (es256, error) {
	header, err := json.Marshal(struct {
		Alg string `json:"alg"`
		KID string `json:"kid"`
		Typ string `json:"typ"`
	}{"ES256", id, typ})
	if err != nil {
		return es256{}, fmt.Errorf("signing key %s: %w", id, err)
	}
	return es256{key: key, header: base64.RawURLEncoding.EncodeToString(header) + "."}, nil
}

// sign returns the token that says claims.
func (s es256) sign(claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("write claims: %w", err)
	}
	var signature [64]byte
	text := make([]byte, 0, len(s.header)+base64.RawURLEncoding.EncodedLen(len(payload))+1+base64.RawURLEncoding.EncodedLen(len(signature)))
	text = base64.RawURLEncoding.AppendEncode(append(text, s.header...), payload)
	sum := sha256.Sum256(text)
	r, v, err := ecdsa.Sign(rand.Reader, s.key, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	r.FillBytes(signature[:32]) // both at full length (RFC 7518 §3.4)
	v.FillBytes(signature[32:])
	return string(base64.RawURLEncoding.AppendEncode(append(text, '.'), signature[:])), nil
}
