package anomaly_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/anomaly"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// stage is a real database, a clock that tests move, and who looks at it.
type stage struct {
	*testing.T
	db    *storage.DB
	mu    sync.Mutex
	at    time.Time
	watch *anomaly.Watch
	n     int
}

func (s *stage) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

func (s *stage) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = s.at.Add(d)
}

// onStage runs f on both databases, with the shipped rules or the operator's before them.
func onStage(t *testing.T, own string, f func(s *stage)) {
	t.Helper()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := &stage{T: t, at: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)}
			s.db = storagetest.OpenAt(t, kind, s.now)
			s.watch = s.another(own)
			f(s)
		})
	}
}

// another is one more process that looks.
func (s *stage) another(own string) *anomaly.Watch {
	s.Helper()
	rules, err := anomaly.Read([]byte(own))
	if err != nil {
		s.Fatal(err)
	}
	return anomaly.New(anomaly.Options{
		Store: s.db, Now: s.now, Rules: rules, Locate: world, Log: slog.New(slog.DiscardHandler),
	})
}

// world is what a database of places would say.
func world(address string) anomaly.Place {
	return map[string]anomaly.Place{
		"203.0.113.1":  {Country: "DE", Lat: 52.5, Lon: 13.4, Located: true}, // Berlin
		"203.0.113.2":  {Country: "DE", Lat: 52.5, Lon: 13.4, Located: true},
		"198.51.100.1": {Country: "DE", Lat: 48.1, Lon: 11.6, Located: true}, // Munich
		"192.0.2.1":    {Country: "JP", Lat: 35.7, Lon: 139.7, Located: true},
	}[address]
}

const (
	berlin, munich, tokyo = "203.0.113.1", "198.51.100.1", "192.0.2.1"
)

// someone makes an account, long ago.
func (s *stage) someone() identity.User {
	s.Helper()
	s.n++
	u := identity.User{
		ID: identity.NewID(), Sub: identity.RandomText(16), Email: fmt.Sprintf("person-%d@example.com", s.n), PasswordHash: "x",
		CreatedAt: s.now().Add(-300 * 24 * time.Hour), UpdatedAt: s.now(),
	}
	s.ok(s.db.CreateUser(s.Context(), u))
	return u
}

func (s *stage) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// tell writes an Event of now.
func (s *stage) tell(e identity.Event) {
	s.Helper()
	e.ID = identity.NewID()
	if e.At.IsZero() {
		e.At = s.now()
	}
	s.ok(s.db.AddEvent(s.Context(), e))
}

// signIn is a sign-in by password, in a browser that the person knows or not.
func (s *stage) signIn(u identity.User, address string, newBrowser bool) {
	s.Helper()
	if newBrowser {
		s.tell(identity.Event{Kind: identity.NewBrowser, UserID: u.ID, Address: address})
	}
	s.tell(identity.Event{Kind: identity.SignedIn, UserID: u.ID, Detail: "pwd", Address: address})
}

// look takes in everything that there is.
func (s *stage) look() { s.Helper(); s.lookBy(s.watch) }

func (s *stage) lookBy(w *anomaly.Watch) {
	s.Helper()
	for {
		more, err := w.Look(s.Context())
		s.ok(err)
		if !more {
			return
		}
	}
}

// found are the decisions of a rule, the newest first.
func (s *stage) found(rule string) (all []identity.Event) {
	s.Helper()
	events, err := s.db.Events(s.Context(), identity.EventQuery{Kind: identity.AnomalyFound, Limit: 1000})
	s.ok(err)
	for _, e := range events {
		if identity.ReadDecision(e.Detail).Rule == rule {
			all = append(all, e)
		}
	}
	return all
}

// decided checks how often a rule decided.
func (s *stage) decided(rule string, want int) []identity.Event {
	s.Helper()
	got := s.found(rule)
	if len(got) != want {
		s.Errorf("%s decided %d times, want %d: %v", rule, len(got), want, got)
	}
	return got
}

// session begins one by hand, with a browser's SignIn that has shown a second factor.
func (s *stage) browser(u identity.User, amr identity.AMR) identity.SignIn {
	s.Helper()
	secret := identity.NewSecret()
	in := identity.SignIn{
		ID: identity.NewID(), UserID: u.ID, SecretHash: secret.Hash(), CodeSecretHash: secret.Hash(), Epoch: u.Epoch, AMR: amr,
		ProvedAt: s.now(), CreatedAt: s.now(), LastUsedAt: s.now(), IdleEndsAt: s.now().Add(12 * time.Hour), EndsAt: s.now().Add(24 * time.Hour),
	}
	s.ok(s.db.StartSignIn(s.Context(), in))
	return in
}

func (s *stage) standing(id identity.ID) identity.Standing {
	s.Helper()
	got, err := s.db.StandingOf(context.Background(), id)
	s.ok(err)
	return got
}
