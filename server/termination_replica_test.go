package server

import (
	"net/http"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/storage"
)

// TestTermination_holdsInEveryProcessWithinASecond ends by one process and asks another. Only what it knows of clients may
// be a second old there.
func TestTermination_holdsInEveryProcessWithinASecond(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"user_ends_one", "user_locked", "client_disabled"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, storage.Postgres, causes[name])
			h := s.held["this"]
			elsewhere := h.at(s.w.replica(t))
			h.tokens = elsewhere.tokens(t, elsewhere.refresh(t, h.RefreshToken)) // warms the other process's cache
			causes[name].play(t, s)
			s.w.pass(time.Second)
			if got := elsewhere.userinfo(t, h.AccessToken); got.status != http.StatusUnauthorized {
				t.Errorf("a second later another process still serves it: %d %s", got.status, got.body)
			}
			if got := elsewhere.refresh(t, h.RefreshToken); got.status == http.StatusOK {
				t.Errorf("a second later another process answers a refresh: %s", got.body)
			}
		})
	}
}
