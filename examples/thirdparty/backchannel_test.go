package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

// signer makes an ES256 key and what signs and verifies with it.
func signer(t *testing.T) (jose.Signer, *oidc.IDTokenVerifier) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signs, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	keys := &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{key.Public()}}
	return signs, oidc.NewVerifier("https://id.example", keys, &oidc.Config{
		ClientID: "me", SupportedSigningAlgs: []string{oidc.ES256},
	})
}

// post sends a token with these claims, where a good one has them otherwise, and returns the status.
func (b backChannel) post(t *testing.T, signs jose.Signer, changes map[string]any) int {
	t.Helper()
	claims := map[string]any{
		"iss": "https://id.example", "aud": "me", "sub": "ada", "sid": "s-1", "exp": time.Now().Add(time.Minute).Unix(),
		"events": map[string]any{logoutEvent: map[string]any{}},
	}
	for name, value := range changes {
		claims[name] = value
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signs.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, logoutPath, strings.NewReader(url.Values{"logout_token": {text}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w.Code
}

func TestBackChannel_takesLogoutTokensAndNothingElse(t *testing.T) {
	t.Parallel()
	signs, verifier := signer(t)
	strangers, _ := signer(t)
	b := backChannel{verifier, make(chan string, 1)}
	if status := b.post(t, signs, nil); status != http.StatusOK || <-b.ended != "s-1" {
		t.Errorf("a good one: %d", status)
	}
	for name, changes := range map[string]map[string]any{
		"an ID token":            {"events": nil, "nonce": "n"},
		"with a nonce":           {"nonce": ""},
		"another event":          {"events": map[string]any{"urn:other": map[string]any{}}},
		"for another app":        {"aud": "you"},
		"from another server":    {"iss": "https://evil.example"},
		"of yesterday":           {"exp": time.Now().Add(-24 * time.Hour).Unix()},
		"of no session":          {"sid": ""},
		"events that are a list": {"events": []string{logoutEvent}},
	} {
		if status := b.post(t, signs, changes); status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, status)
		}
	}
	if status := b.post(t, strangers, nil); status != http.StatusBadRequest {
		t.Errorf("signed by a stranger: %d", status)
	}
}
