package app

import (
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"

	"github.com/sojourn-auth/sojourn/sdk/go/internal/vector"
)

var _ = vector.Offer(computeVector)

// computeVector computes what the contract's vectors ask for (sdk/contract/vectors), with the functions that the app uses itself.
func computeVector(kind string, input []byte) (any, error) {
	var in struct {
		Verifier string            `json:"verifier"`
		JWK      jose.JSONWebKey   `json:"jwk"`
		Token    string            `json:"token"`
		Key      jose.JSONWebKey   `json:"key"`
		Method   string            `json:"htm"`
		URL      string            `json:"htu"`
		IssuedAt int64             `json:"iat"`
		ID       string            `json:"jti"`
		Nonce    string            `json:"nonce"`
		Status   int               `json:"status"`
		Headers  map[string]string `json:"headers"`
		Body     string            `json:"body"`
		Value    string            `json:"value"`
		Now      int64             `json:"now"`
		Language string            `json:"lang"`
		Reason   string            `json:"reason"`
	}
	if err := json.Unmarshal(input, &in); err != nil {
		return nil, fmt.Errorf("vector %s: %w", kind, err)
	}
	switch kind {
	case "pkce":
		return oauth2.S256ChallengeFromVerifier(in.Verifier), nil
	case "thumbprint":
		return thumbprint(in.JWK)
	case "ath":
		return tokenHash(in.Token), nil
	case "proof":
		private, ok := in.Key.Key.(*ecdsa.PrivateKey)
		if !ok {
			return nil, errors.New("vector proof: the key is no private P-256 key")
		}
		k, err := newKey(private)
		if err != nil {
			return nil, err
		}
		claims := proofClaims{ID: in.ID, Method: in.Method, URL: in.URL, IssuedAt: in.IssuedAt, Nonce: in.Nonce}
		if in.Token != "" {
			claims.Hash = tokenHash(in.Token)
		}
		return k.sign(claims)
	case "action":
		header := http.Header{}
		for name, value := range in.Headers {
			header.Set(name, value)
		}
		v := answer{in.Status, header, []byte(in.Body)}.judge(time.Unix(in.Now, 0))
		return map[string]any{"do": v.do, "after": int64(v.after / time.Second)}, nil
	case "retry_after":
		return int64(retryAfter(in.Value, time.Unix(in.Now, 0)) / time.Second), nil
	case "sentence":
		return sentence(in.Language, in.Reason), nil
	}
	return nil, fmt.Errorf("there are no vectors %q", kind)
}
