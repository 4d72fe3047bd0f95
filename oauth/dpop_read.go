package oauth

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/sojourn-auth/sojourn/identity"
)

// maxProof is the longest proof that is looked at, in characters: the key and the signature of RSA-8192 fit in.
const maxProof = 4 << 10

// privateMembers of a JWK are secrets (RFC 7518 §6.2.2, §6.3.2, §6.4.1; RFC 8037 §2).
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// readProof reads a proof and checks what the proof alone shows: form, typ, alg, key and signature (RFC 9449 §4.3, points
// 2 and 4 to 7). It returns the claims and the thumbprint of the key.
func readProof(text string) (claims proofClaims, key identity.Thumbprint, err error) {
	if len(text) > maxProof {
		return claims, key, say(errProof, "The DPoP proof may have 4,096 characters.")
	}
	if err := checkProofHead(text); err != nil {
		return claims, key, err
	}
	jws, err := jose.ParseSignedCompact(text, proofAlgs)
	if err != nil {
		return claims, key, say(errProof, "The DPoP proof is not a JWT that can be read, or its jwk is no good public key.")
	}
	head := jws.Signatures[0].Protected
	if head.JSONWebKey == nil || !fits(*head.JSONWebKey, head.Algorithm) {
		return claims, key, say(errProof, "jwk of the DPoP proof must be a public key for its alg: P-256 for ES256, Ed25519 for "+
			"EdDSA, RSA of 2048 to 8192 bits for RS256.")
	}
	payload, err := jws.Verify(head.JSONWebKey)
	if err != nil {
		return claims, key, say(errProof, "The signature of the DPoP proof was not made with the key in its jwk.")
	}
	if json.Unmarshal(payload, &claims) != nil {
		return claims, key, say(errProof, "The claims of the DPoP proof cannot be read: jti, htm, htu, ath and nonce are text, "+
			"iat is a number.")
	}
	sum, err := head.JSONWebKey.Thumbprint(crypto.SHA256) // RFC 7638 §3
	if err != nil {
		return claims, key, say(errProof, "jwk of the DPoP proof has no thumbprint (RFC 7638).")
	}
	return claims, identity.Thumbprint(sum), nil
}

// checkProofHead names what is wrong with a header that jose would refuse without a reason. jose stays the judge: what it
// verifies with is what it read itself.
func checkProofHead(text string) error {
	var head struct {
		Type string                     `json:"typ"`
		Alg  string                     `json:"alg"`
		Key  map[string]json.RawMessage `json:"jwk"`
	}
	first, _, _ := strings.Cut(text, ".")
	raw, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil || json.Unmarshal(raw, &head) != nil || strings.Count(text, ".") != 2 {
		return say(errProof, "The DPoP proof is not a signed JWT in compact form.")
	}
	private := func(name string) bool { _, ok := head.Key[name]; return ok }
	switch {
	case head.Type != "dpop+jwt":
		return say(errProof, "typ of the DPoP proof must be dpop+jwt.")
	case !slices.Contains(proofAlgs, jose.SignatureAlgorithm(head.Alg)):
		return say(errProof, "alg of the DPoP proof must be ES256, EdDSA or RS256: none and shared secrets prove nothing.")
	case len(head.Key) == 0:
		return say(errProof, "The DPoP proof needs a jwk: the public key that it is signed with.")
	case slices.ContainsFunc(privateMembers, private):
		return say(errProof, "jwk of the DPoP proof holds a private key. Do not use that key again, and send public ones only.")
	}
	return nil
}
