package oauth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// TestES256_isWhatGoJoseVerifies signs often enough for signatures whose halves begin with zeros, one in 128.
func TestES256_isWhatGoJoseVerifies(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := newES256("k-1", key, "at+jwt")
	if err != nil {
		t.Fatal(err)
	}
	for range 1_000 {
		text, err := signer.sign(AccessClaims{Subject: "ada", Scope: `"quoted" <b>`})
		if err != nil {
			t.Fatal(err)
		}
		jws, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			t.Fatal(text, err)
		}
		if _, err := jws.Verify(key.Public()); err != nil {
			t.Fatal(text, err)
		}
		header := jws.Signatures[0].Protected
		if header.KeyID != "k-1" || header.ExtraHeaders[jose.HeaderType] != "at+jwt" || len(jws.Signatures[0].Signature) != 64 {
			t.Fatalf("%+v", header)
		}
	}
}
