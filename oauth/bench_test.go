package oauth_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

// BenchmarkRefresh is the hot path without the network: a public client, no ID token.
func BenchmarkRefresh(b *testing.B) {
	for _, kind := range []string{storage.SQLite, storage.Postgres} {
		b.Run(kind, func(b *testing.B) {
			s := newStage(b, kind)
			c := s.app()
			token := s.begin(c).RefreshToken
			s.pass(2 * time.Second) // so that the client is kept in memory
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest(http.MethodPost, "/oauth2/token", strings.NewReader(refreshing(c, token).Encode()))
				r.Header.Set("Content-Type", formType)
				w := httptest.NewRecorder()
				s.server.ServeHTTP(w, r)
				var got struct {
					Next string `json:"refresh_token"`
				}
				if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Next == "" {
					b.Fatalf("%d %s", w.Code, w.Body)
				}
				token = got.Next
			}
		})
	}
}

// BenchmarkClientCredentials is all that a token costs beside the database.
func BenchmarkClientCredentials(b *testing.B) {
	s := newStage(b, storage.SQLite)
	c := s.app(s.confidential, func(c *identity.Client) { c.AuthMethod = "client_secret_basic" })
	s.pass(2 * time.Second)
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/oauth2/token", strings.NewReader(own().Encode()))
		r.Header.Set("Content-Type", formType)
		asClient(c, clientSecret)(r)
		w := httptest.NewRecorder()
		s.server.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatalf("%d %s", w.Code, w.Body)
		}
	}
}
