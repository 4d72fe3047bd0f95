package oauth_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// Whatever a proof says, the answer is the sender's to mend, and never a token.
func FuzzDPoP(f *testing.F) {
	f.Add(`{"typ":"dpop+jwt"}`, `{"jti":"a","htm":"POST","htu":"http://localhost:8080/oauth2/token","iat":1}`, "DPoP x")
	f.Add(`{"typ":"dpop+jwt","kid":"x"}`, `{"jti":{},"htm":null,"htu":"//","iat":1e999,"nonce":"AAAA"}`, "Bearer x")
	f.Add(`{"typ":7}`, `[]`, "DPoP")
	s := fuzzed(f)
	k := newProofKey(f, jose.ES256)
	f.Fuzz(func(t *testing.T, head, claims, authorization string) {
		proof := k.signText(t, head, claims)
		r := httptest.NewRequest(http.MethodPost, "/oauth2/token", strings.NewReader("grant_type=refresh_token&client_id=app&refresh_token=x"))
		r.Header.Set("Content-Type", formType)
		r.Header.Set("DPoP", proof)
		s.never5xx(t, r)
		r = httptest.NewRequest(http.MethodGet, userinfoAt, nil)
		r.Header.Set("Authorization", authorization)
		r.Header.Set("DPoP", proof)
		s.never5xx(t, r)
	})
}
