package oauth

import (
	"crypto"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	// maxProof is the longest proof that is looked at, in characters: the key and the signature of RSA-8192 fit in.
	maxProof = 4 << 10
	// proofSkew is how far iat of a proof without a nonce may lie from our time, both ways.
	proofSkew = time.Minute
	// maxProofID bounds jti in bytes (RFC 9449 §11.1: no unnecessarily large ones).
	maxProofID = 255
)

// proofClaims are what a proof says (RFC 9449 §4.2).
type proofClaims struct {
	ID       string   `json:"jti"`
	Method   string   `json:"htm"`
	URL      string   `json:"htu"`
	IssuedAt *float64 `json:"iat"` // seconds since 1970
	Hash     string   `json:"ath"`
	Nonce    string   `json:"nonce"`
}

// call is the request that a proof should be for.
type call struct {
	method string
	url    string
	token  string // the access token that came with it; empty at the token endpoint
}

// readProof reads a proof and checks what the proof alone shows: form, typ, alg, key and signature (RFC 9449 §4.3, points
// 2 and 4 to 7). It returns the claims and the thumbprint of the key.
func readProof(text string) (claims proofClaims, key identity.Thumbprint, err error) {
	if len(text) > maxProof {
		return claims, key, say(invalidProof, "The DPoP proof may have 4,096 characters.")
	}
	if err := checkProofHead(text); err != nil {
		return claims, key, err
	}
	jws, err := jose.ParseSignedCompact(text, proofAlgs)
	if err != nil {
		return claims, key, say(invalidProof, "The DPoP proof is not a JWT that can be read, or its jwk is no good public key.")
	}
	head := jws.Signatures[0].Protected
	if head.JSONWebKey == nil || !fits(*head.JSONWebKey, head.Algorithm) {
		return claims, key, say(invalidProof, "jwk of the DPoP proof must be a public key for its alg: P-256 for ES256, Ed25519 for "+
			"EdDSA or Ed25519, RSA of 2048 to 8192 bits for RS256.")
	}
	payload, err := jws.Verify(verifierOf(head.JSONWebKey.Key, head.Algorithm))
	if err != nil {
		return claims, key, say(invalidProof, "The signature of the DPoP proof was not made with the key in its jwk.")
	}
	if json.Unmarshal(payload, &claims) != nil {
		return claims, key, say(invalidProof, "The claims of the DPoP proof cannot be read: jti, htm, htu, ath and nonce are text, "+
			"iat is a number.")
	}
	sum, err := head.JSONWebKey.Thumbprint(crypto.SHA256) // RFC 7638 §3
	if err != nil {
		return claims, key, say(invalidProof, "jwk of the DPoP proof has no thumbprint (RFC 7638).")
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
		return say(invalidProof, "The DPoP proof is not a signed JWT in compact form.")
	}
	switch {
	case head.Type != "dpop+jwt":
		return say(invalidProof, "typ of the DPoP proof must be dpop+jwt.")
	case !slices.Contains(proofAlgs, jose.SignatureAlgorithm(head.Alg)):
		return say(invalidProof, "alg of the DPoP proof must be ES256, EdDSA, Ed25519 or RS256: none and shared secrets prove nothing.")
	case len(head.Key) == 0:
		return say(invalidProof, "The DPoP proof needs a jwk: the public key that it is signed with.")
	case holdsPrivateKey(head.Key):
		return say(invalidProof, "jwk of the DPoP proof holds a private key. Do not use that key again, and send public ones only.")
	}
	return nil
}

// fit checks that a proof was made for this call (RFC 9449 §4.3, points 3, 8, 9 and 12). Of the URL it is the address that
// the issuer goes by that counts: behind a proxy the server never sees it.
func (c proofClaims) fit(to call) error {
	switch {
	case c.ID == "" || len(c.ID) > maxProofID:
		return say(invalidProof, "The DPoP proof needs a jti of 1 to 255 bytes.")
	case c.IssuedAt == nil:
		return say(invalidProof, "The DPoP proof needs an iat.")
	case c.Method != to.method:
		return sayf(invalidProof, "htm of the DPoP proof must be %s.", to.method)
	case plainURL(c.URL) != plainURL(to.url):
		return sayf(invalidProof, "htu of the DPoP proof must be %s.", to.url)
	case to.token != "" && !hashes(c.Hash, to.token):
		return say(invalidProof, "ath of the DPoP proof must be BASE64URL(SHA256(access token)) of the token that comes with it.")
	}
	return nil
}

func hashes(hash, token string) bool {
	sum := sha256.Sum256([]byte(token))
	want := base64.RawURLEncoding.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(hash), []byte(want)) == 1
}

// inTime checks when a proof was made, and returns until when it would pass again. A nonce of ours says it by our clock,
// so that iat does not matter (RFC 9449 §11.1) and a phone whose clock is hours off is served; without one iat has to.
// It can't be told a stale proof from a wrong clock, so both are asked for a nonce (§8).
func (p *proofs) inTime(w http.ResponseWriter, c proofClaims) (until time.Time, err error) {
	now := p.now()
	if c.Nonce != "" {
		made, ok := p.nonces.madeAt(c.Nonce)
		if !ok || now.Sub(made) > nonceLife || made.Sub(now) > proofSkew {
			return until, say(useNonce, "The nonce of the DPoP proof is stale, or not one of this server. "+
				"Make a new proof with the one in DPoP-Nonce.")
		}
		if now.Sub(made) < nonceRest {
			w.Header().Set(nonceHeader, c.Nonce)
		}
		return made.Add(nonceLife), nil
	}
	if math.Abs(*c.IssuedAt-float64(now.Unix())) > proofSkew.Seconds() {
		return until, say(useNonce, "The DPoP proof is stale, or the clock is wrong: iat is more than 60 seconds from this "+
			"server's time. Make a new proof with the nonce in DPoP-Nonce.")
	}
	return time.Unix(int64(*c.IssuedAt)+1, 0).Add(proofSkew), nil
}

// defaultPorts may be left out (RFC 9110 §4.2).
var defaultPorts = map[string]string{"http": "80", "https": "443"}

// plainURL spells a URL in the one way in which two are compared: without query and fragment (RFC 9449 §4.3, point 9),
// normalised by syntax and scheme (RFC 3986 §6.2.2, §6.2.3). What no URL of ours can be becomes empty.
func plainURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || defaultPorts[u.Scheme] == "" || strings.Contains(u.Host, "%") {
		return ""
	}
	u = new(url.URL).ResolveReference(u) // takes . and .. out of the path
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" && port != defaultPorts[u.Scheme] {
		host += ":" + port
	}
	return u.Scheme + "://" + host + "/" + strings.TrimPrefix(plainEscapes(u.EscapedPath()), "/")
}

var escape = regexp.MustCompile("%[0-9A-Fa-f]{2}")

// plainEscapes undoes the escapes that need not be, and writes the others in capitals (RFC 3986 §6.2.2.1, §6.2.2.2).
func plainEscapes(path string) string {
	return escape.ReplaceAllStringFunc(path, func(triplet string) string {
		if c, err := url.PathUnescape(triplet); err == nil && unreserved(c[0]) {
			return c
		}
		return strings.ToUpper(triplet)
	})
}

// unreserved knows RFC 3986 §2.3.
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
