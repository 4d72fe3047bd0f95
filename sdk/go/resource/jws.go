package resource

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// jws is a compact JWS (RFC 7515 §7.1), taken apart; nothing about it is known to be true.
type jws struct {
	alg, typ, kid string
	jwk           json.RawMessage // of a proof
	payload       []byte
	signed        string
	signature     []byte
}

// parseJWS reads one strictly: names are as they are written, and each content has one text. Of a member that comes twice the last
// one is meant (§4), as of a claim (RFC 7519 §4).
func parseJWS(text string) (j jws, err error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return j, errors.New("it is no compact JWS")
	}
	var decoded [3][]byte
	for i, part := range parts {
		if decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(part); err != nil || strings.ContainsAny(part, "\r\n") { // which Go skips
			return j, errors.New("it is no base64url")
		}
	}
	var header map[string]json.RawMessage
	if json.Unmarshal(decoded[0], &header) != nil {
		return j, errors.New("its header is no JSON object")
	}
	if _, there := header["crit"]; there {
		return j, errors.New("its header has a crit")
	}
	for name, to := range map[string]*string{"alg": &j.alg, "typ": &j.typ, "kid": &j.kid} {
		if value, there := header[name]; there && (value[0] != '"' || json.Unmarshal(value, to) != nil) {
			return j, errors.New("its header is no JSON as it should be")
		}
	}
	j.typ = strings.TrimPrefix(strings.ToLower(j.typ), "application/") // RFC 7515 §4.1.9
	j.jwk, j.payload, j.signature = header["jwk"], decoded[1], decoded[2]
	j.signed = text[:len(parts[0])+1+len(parts[1])]
	return j, nil
}

// signedBy reports whether a key that fits its alg signed it (RFC 7518 §3).
func (j jws) signedBy(key jose.JSONWebKey) bool {
	sum := sha256.Sum256([]byte(j.signed))
	switch public := key.Key.(type) {
	case *ecdsa.PublicKey:
		if len(j.signature) != 64 {
			return false
		}
		r, s := new(big.Int).SetBytes(j.signature[:32]), new(big.Int).SetBytes(j.signature[32:])
		return ecdsa.Verify(public, sum[:], r, s)
	case *rsa.PublicKey:
		if j.alg == "PS256" {
			return rsa.VerifyPSS(public, crypto.SHA256, sum[:], j.signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], j.signature) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(public, []byte(j.signed), j.signature)
	}
	return false
}
