package resource

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// rsaKey is published too, made once: RSA keys take time.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // impossible: the size is good
	}
	return key
})

// forgery is a token or proof that is good but for what it says here.
type forgery struct {
	Claims    map[string]any `json:"claims"`    // over the right ones; null takes one away; numbers of times are seconds from now
	Header    map[string]any `json:"header"`    // over the right one
	Alg       string         `json:"alg"`       // ES256; RS256; none; HS256, with the public key as a secret
	Key       string         `json:"key"`       // "other": not the published one; "first": the authority's first; the name of an odd one
	Bound     bool           `json:"bound"`     // to the player's key (cnf.jkt)
	Tamper    bool           `json:"tamper"`    // one letter of the signed claims is another
	JWK       map[string]any `json:"jwk"`       // over a proof's right one
	MoreHead  string         `json:"more_head"` // more members of the header, as text: what no encoder writes. NOW and ISSUER are filled in
	More      string         `json:"more"`      // more members of the claims, likewise
	Signature string         `json:"signature"` // "loose", with other bits after its last byte; "padded"; "der"; "zero"
	Raw       string         `json:"raw"`       // this very text
	Long      int            `json:"long"`      // so many letters in a claim of its own, or in a proof's jti
	Reference map[string]any `json:"reference"` // a reference token, and what introspection says of it over the usual
	Active    *bool          `json:"active"`    // what introspection says of a JWT; true, if it is not there
}

var times = map[string]bool{"exp": true, "iat": true, "nbf": true, "auth_time": true}

// over puts members over the right ones.
func over(right, members map[string]any) map[string]any {
	all := maps.Clone(right)
	for name, value := range members {
		if seconds, ok := value.(float64); ok && times[name] {
			value = time.Now().Unix() + int64(seconds)
		}
		if all[name] = value; value == nil {
			delete(all, name)
		}
	}
	return all
}

// token makes an access token of the authority.
func (s *stage) token(f forgery) string {
	s.t.Helper()
	a := s.authority
	now := time.Now().Unix()
	claims := map[string]any{
		"iss": s.issuer, "aud": s.issuer, "sub": "ada", "sid": "sid-1", "client_id": "app", "scope": "notes.read", "jti": rand.Text(),
		"iat": now, "exp": now + 600, "acr": "pwd", "auth_time": now - 60,
	}
	if f.Bound {
		more, _ := f.Claims["cnf"].(map[string]any)
		claims["cnf"] = over(map[string]any{"jkt": thumbprint(s.t, s.key)}, more)
		f.Claims = maps.Clone(f.Claims)
		delete(f.Claims, "cnf")
	}
	if f.Long > 0 {
		claims["long"] = strings.Repeat("x", f.Long)
	}
	active := over(over(claims, map[string]any{"active": true, "token_type": "Bearer"}), f.Claims)
	text := f.Raw
	switch {
	case f.Reference != nil:
		text, active = "ref_"+rand.Text(), over(active, f.Reference)
	case text == "":
		text = f.sign(s.t, a, over(claims, f.Claims))
	}
	if f.Raw != "" || f.Active != nil && !*f.Active {
		active = map[string]any{"active": false}
	}
	a.change(func() { a.tokens[text] = active })
	return text
}

func thumbprint(t testing.TB, key *ecdsa.PrivateKey) string {
	t.Helper()
	sum, err := (&jose.JSONWebKey{Key: key.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// sign makes the text of a token.
func (f forgery) sign(t testing.TB, a *authority, claims map[string]any) string {
	t.Helper()
	a.mu.Lock()
	key, kid := a.keys[len(a.keys)-1], fmt.Sprintf("k%d", len(a.keys))
	a.mu.Unlock()
	var signs any = key
	alg := f.Alg
	switch alg {
	case "HS256":
		public, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		signs = public
	case "RS256":
		signs, kid = rsaKey(), "rsa"
	case "":
		alg = "ES256"
	}
	switch f.Key {
	case "other":
		signs = newKey(t)
	case "first":
		signs, kid = a.keys[0], "k1"
	case "":
	default:
		signs, kid = a.odd[f.Key], f.Key
	}
	return f.compact(t, signs, over(map[string]any{"alg": alg, "typ": "at+jwt", "kid": kid}, f.Header), claims)
}

// compact signs any header and claims, whatever they say.
func (f forgery) compact(t testing.TB, key any, header, claims map[string]any) string {
	t.Helper()
	encode := func(what any, more string) string {
		text, err := json.Marshal(what)
		if err != nil {
			t.Fatal(err)
		}
		if more != "" {
			issuer, _ := claims["iss"].(string)
			more = strings.NewReplacer("NOW", strconv.FormatInt(time.Now().Unix(), 10), "ISSUER", issuer).Replace(more)
			text = fmt.Appendf(text[:len(text)-1], ",%s}", more)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	input := encode(header, f.MoreHead) + "." + encode(claims, f.More)
	text := input + "." + f.written(signature(t, key, f.Alg, input))
	if f.Tamper {
		head, rest, _ := strings.Cut(text, ".")
		text = head + "." + rest[:20] + string(rest[20]^1) + rest[21:]
	}
	return text
}

// written is how the signature stands in the text.
func (f forgery) written(signature []byte) string {
	text := base64.RawURLEncoding.EncodeToString(signature)
	switch f.Signature {
	case "loose": // of 86 letters the last has 4 bits that no byte has
		return text[:85] + string(text[85]+1)
	case "padded":
		return text + "=="
	case "der":
		der, _ := asn1.Marshal([]*big.Int{new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])})
		return base64.RawURLEncoding.EncodeToString(der)
	case "zero":
		return base64.RawURLEncoding.EncodeToString(make([]byte, 64))
	}
	return text
}

// signature is the raw one of a JWS (RFC 7518 §3).
func signature(t testing.TB, key any, alg, input string) []byte {
	t.Helper()
	if alg == "none" {
		return nil
	}
	sum := sha256.Sum256([]byte(input))
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	case *rsa.PrivateKey:
		out, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	mac := hmac.New(sha256.New, key.([]byte))
	_, _ = mac.Write([]byte(input))
	return mac.Sum(nil)
}

// proof makes a DPoP proof of the player's key.
func (s *stage) proof(f forgery, c call, token string) string {
	s.t.Helper()
	if f.Raw != "" {
		return f.Raw
	}
	key := s.key
	if f.Key == "other" {
		key = newKey(s.t)
	}
	public, err := json.Marshal(jose.JSONWebKey{Key: key.Public()})
	if err != nil {
		s.t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(token))
	claims := map[string]any{
		"jti": rand.Text(), "htm": c.Method, "htu": s.api() + c.Path, "iat": time.Now().Unix(),
		"ath": base64.RawURLEncoding.EncodeToString(sum[:]),
	}
	if htu, ok := f.Claims["htu"].(string); ok {
		f.Claims = maps.Clone(f.Claims)
		f.Claims["htu"] = strings.ReplaceAll(strings.ReplaceAll(htu, "URL", s.api()), "HOST", strings.ToUpper(strings.TrimPrefix(s.api(), "http://")))
	}
	header := map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": json.RawMessage(public)}
	if f.Header["jwk"] == "private" {
		text, err := json.Marshal(jose.JSONWebKey{Key: key})
		if err != nil {
			s.t.Fatal(err)
		}
		f.Header = map[string]any{"jwk": json.RawMessage(text)}
	}
	if f.JWK != nil {
		var jwk map[string]any
		_ = json.Unmarshal(public, &jwk)
		header["jwk"] = over(jwk, f.JWK)
	}
	if f.Alg != "" {
		header["alg"] = f.Alg
	}
	if f.Long > 0 {
		claims["jti"] = strings.Repeat("x", f.Long)
	}
	return f.compact(s.t, key, over(header, f.Header), over(claims, f.Claims))
}

// signed makes a message of the feed. It must be called under the lock.
func (a *authority) signed(typ string, payload map[string]any) string {
	header := map[string]any{"alg": "ES256", "typ": typ, "kid": fmt.Sprintf("k%d", len(a.keys))}
	return forgery{}.compact(a.t, a.keys[len(a.keys)-1], header, payload)
}
