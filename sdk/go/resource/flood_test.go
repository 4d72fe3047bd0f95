package resource

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
)

// slow answers introspection when it is let go, and all else at once.
func slow(t *testing.T) (guard *Guard, let func()) {
	t.Helper()
	held := make(chan struct{})
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{
			"issuer": server.URL, "jwks_uri": server.URL + "/jwks", "introspection_endpoint": server.URL + "/introspect",
		})
	})
	mux.HandleFunc("/introspect", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-held:
		case <-r.Context().Done():
		}
		_, _ = w.Write([]byte(`{"active": false}`))
	})
	guard, err := Open(Config{Issuer: server.URL, ClientID: "api", ClientSecret: "a secret of the api"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(guard.Close)
	return guard, func() { close(held) }
}

// Callers who send a token that nobody knows and hang up leave no more than a bounded queue behind.
func TestCheck_aFloodOfUnknownTokensDoesNotPileUp(t *testing.T) {
	t.Parallel()
	guard, let := slow(t)
	defer let()
	gone, leave := context.WithCancel(t.Context())
	leave()
	for range 5 * maxWaiting {
		r := httptest.NewRequestWithContext(gone, http.MethodGet, "/notes", nil)
		r.Header.Set("Authorization", "Bearer ref_"+rand.Text())
		if _, refusal := guard.Check(r, Operation{}); refusal == nil || refusal.Status != http.StatusServiceUnavailable {
			t.Fatalf("without an answer: %+v", refusal)
		}
	}
	guard.asked.mu.Lock()
	defer guard.asked.mu.Unlock()
	if n := len(guard.asked.asking); n > maxWaiting+maxAsking {
		t.Errorf("%d tokens are asked about for callers who left", n)
	}
}

// A crit that is there at all is one that is not known here (RFC 7515 §4.1.11).
func TestHeader_anyCritIsRefused(t *testing.T) {
	t.Parallel()
	for name, refused := range map[string]bool{
		"eyJhbGciOiJFUzI1NiIsImNyaXQiOm51bGx9.e30.AA": true, // null
		"eyJhbGciOiJFUzI1NiIsImNyaXQiOltdfQ.e30.AA":   true, // []
		"eyJhbGciOiJFUzI1NiJ9.e30.AA":                 false,
	} {
		if _, err := parseJWS(name); (err != nil) != refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}
