package oauth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestRegisteredKeys_arePublicKeysAndNothingElse(t *testing.T) {
	t.Parallel()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: ec.Public(), KeyID: "1", Use: "sig"}, {Key: ed}}})
	if err != nil {
		t.Fatal(err)
	}
	withMore := strings.Replace(string(text), `{"keys":[`,
		`{"x": 1, "keys": [{"kty":"OKP","crv":"X25519","x":"AAAA"}, {"kty":"new"}, `, 1)
	got, _, err := takeRegistration(withKeys(withMore), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(text), string(got.JWKS)); diff != "" {
		t.Error(diff)
	}
}

// RFC 7517 §5: what we cannot use says nothing about the keys beside it, neither at registration nor where it is fetched.
func TestKeys_ofNoUseArePassedOver(t *testing.T) {
	t.Parallel()
	good, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := json.Marshal(jose.JSONWebKey{Key: good.Public(), KeyID: "good"})
	if err != nil {
		t.Fatal(err)
	}
	weak, err := json.Marshal(jose.JSONWebKey{Key: weakKey(t)})
	if err != nil {
		t.Fatal(err)
	}
	odd := func(member string) string { return strings.Replace(string(public), "{", "{"+member+",", 1) }
	for name, key := range map[string]string{
		"another type":     `{"kty":"AKP","alg":"ML-DSA-44","pub":"AAAA"}`,
		"another curve":    `{"kty":"EC","crv":"secp256k1","x":"AAAA","y":"AAAA"}`,
		"not on the curve": `{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}`,
		"missing members":  `{"kty":"RSA","e":"AQAB"}`,
		"weak":             string(weak),
		"another alg":      odd(`"alg":"ECDH-ES"`),
		"a broken id":      odd(`"kid":7`),
		"no object":        `7`,
		"null":             `null`,
	} {
		jwks := `{"keys":[` + key + `,` + string(public) + `]}`
		got, _, err := takeRegistration(withKeys(jwks), nil)
		if want := `{"keys":[` + string(public) + `]}`; err != nil || string(got.JWKS) != want {
			t.Errorf("%s: registered as %s: %v", name, got.JWKS, err)
		}
		if set, err := readSet([]byte(jwks)); err != nil || len(set.Keys) != 1 || set.Keys[0].KeyID != "good" {
			t.Errorf("%s: fetched as %+v: %v", name, set, err)
		}
	}
	set, err := readSet([]byte(`{"keys":[` + odd(`"d":"AAAA"`) + `,{"kty":"oct","k":"AAAA"}]}`))
	if err != nil || len(set.Keys) != 0 {
		t.Errorf("keys that anyone may have are taken: %+v (%v)", set, err)
	}
}

func withKeys(jwks string) identity.Metadata {
	return identity.Metadata{
		RedirectURIs: []string{"https://app.example.com/cb"}, AuthMethod: "private_key_jwt", JWKS: json.RawMessage(jwks),
	}
}

func TestRegisteredKeys_refusesThoseThatAreOfNoUse(t *testing.T) {
	t.Parallel()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := json.Marshal(jose.JSONWebKey{Key: private})
	if err != nil {
		t.Fatal(err)
	}
	public, err := json.Marshal(jose.JSONWebKey{Key: private.Public()})
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := json.Marshal(jose.JSONWebKey{Key: other.Public()})
	if err != nil {
		t.Fatal(err)
	}
	weak, err := json.Marshal(jose.JSONWebKey{Key: weakKey(t)})
	if err != nil {
		t.Fatal(err)
	}
	for name, jwks := range map[string]string{
		"no object":        `[]`,
		"not JSON":         `{"keys":`,
		"text":             `"keys"`,
		"no keys":          `{}`,
		"empty":            `{"keys":[]}`,
		"null key":         `{"keys":[null]}`,
		"text key":         `{"keys":["x"]}`,
		"unknown only":     `{"keys":[{"kty":"new"}]}`,
		"private":          `{"keys":[` + string(public) + `,` + string(secret) + `]}`,
		"a stray d":        `{"keys":[` + strings.Replace(string(public), "{", `{"d":null,`, 1) + `]}`,
		"symmetric":        `{"keys":[{"kty":"oct","k":"AAAA"}]}`,
		"not on the curve": `{"keys":[{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}]}`,
		"another curve":    `{"keys":[` + string(p384) + `]}`,
		"weak":             `{"keys":[` + string(weak) + `]}`,
		"too many":         `{"keys":[` + strings.TrimSuffix(strings.Repeat(string(public)+",", 11), ",") + `]}`,
		"too long":         `{"keys":[` + string(public) + `]` + strings.Repeat(" ", 16*1024) + `}`,
		"NUL in the id":    `{"keys":[` + strings.Replace(string(public), "{", `{"kid":"a\u0000b",`, 1) + `]}`,
		"long id":          `{"keys":[` + strings.Replace(string(public), "{", `{"kid":"`+strings.Repeat("a", 256)+`",`, 1) + `]}`,
	} {
		_, _, err := takeRegistration(withKeys(jwks), nil)
		if refusal, ok := errors.AsType[*identity.Error](err); !ok || refusal.Field != "jwks" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func weakKey(t *testing.T) *rsa.PublicKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	return &key.PublicKey
}
