package simulate_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/config"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/server"
	"github.com/sojourn-auth/sojourn/simulate"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func seedOptions(users, sessions int) simulate.SeedOptions {
	return simulate.SeedOptions{
		Users: users, Sessions: sessions, PasswordHash: "x", TokensAtMost: 1000, Progress: io.Discard, Wall: time.Now,
		Lives:       identity.Lifetimes{Idle: 30 * 24 * time.Hour, Absolute: 180 * 24 * time.Hour},
		SignInLives: identity.Lifetimes{Idle: 12 * time.Hour, Absolute: 14 * 24 * time.Hour},
	}
}

// A seeded Session is one like any other: its token refreshes, its list of devices shows it, and it ends.
func TestSeed_itsTokensAreRefreshed(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		keys, file := storagetest.Keys(t), filepath.Join(t.TempDir(), "tokens")
		o := seedOptions(50, 120)
		o.Tokens = file
		if _, err := simulate.Seed(t.Context(), db, keys, o); err != nil {
			t.Fatal(err)
		}
		texts, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all := strings.Fields(string(texts))
		if about, err := os.Stat(file); err != nil || about.Mode().Perm() != 0o600 || len(all) != 120 {
			t.Fatal(err, len(all), about.Mode())
		}
		handler := serverOn(t, db)
		for _, token := range []string{all[0], all[60], all[119]} {
			if status, said := refreshed(t, handler, token); status != http.StatusOK {
				t.Fatalf("%d: %s", status, said)
			}
		}
		last, err := keys.ReadRefresh(all[119])
		if err != nil {
			t.Fatal(err)
		}
		s, err := db.SessionByID(t.Context(), last.SessionID)
		if err != nil || s.Line.Generation != 1 || s.LastUsedAt.After(s.IdleEndsAt) {
			t.Fatal(s, err)
		}
		struck, err := db.End(t.Context(), identity.Ending{User: s.UserID, Cause: identity.EndOperator})
		if err != nil || len(struck.Sessions) == 0 {
			t.Fatal(struck, err)
		}
		if status, said := refreshed(t, handler, all[119]); status == http.StatusOK {
			t.Fatal("it was refreshed after its end: ", said)
		}
	})
}

func serverOn(t *testing.T, db *storage.DB) http.Handler {
	t.Helper()
	cfg, err := config.Load(config.Options{Getenv: func(string) string { return "" }, Flags: map[string]string{
		"issuer": "http://localhost:8080",
	}})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Secret = [][]byte{storagetest.Root()}
	built, err := server.New(t.Context(), cfg, db, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return built.Handler()
}

func refreshed(t *testing.T, by http.Handler, token string) (int, string) {
	t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {simulate.SeedClient}, "refresh_token": {token}}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/oauth2/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	by.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// interrupter ends a context at the nth look at the clock, as ^C does somewhere in the middle.
type interrupter struct {
	left int
	stop context.CancelFunc
}

func (i *interrupter) now() time.Time {
	if i.left--; i.left == 0 {
		i.stop()
	}
	return time.Now()
}

func TestSeed_whatWasInterruptedGoesOn(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		o := seedOptions(12_000, 13_000)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		o.Wall = (&interrupter{left: 3, stop: stop}).now // after the first batch
		report, err := simulate.Seed(ctx, db, storagetest.Keys(t), o)
		if !errors.Is(err, context.Canceled) || report.Users != 5_000 || !strings.Contains(err.Error(), "the same command goes on") {
			t.Fatal(report, err)
		}
		o.Wall = time.Now
		if report, err = simulate.Seed(t.Context(), db, storagetest.Keys(t), o); err != nil || report.Found != 5_000 {
			t.Fatal(report, err)
		}
		wantRows(t, db, 12_000, 13_000)
	})
}

// Of seeds at once each person is made by one of them, whole.
func TestSeed_ofSeveralAtOnceNobodyIsMadeTwice(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				_, err := simulate.Seed(t.Context(), db, storagetest.Keys(t), seedOptions(500, 1_000))
				if err != nil && identity.KindOf(err) != identity.Conflict {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		wantRows(t, db, 500, 1_000)
	})
}

func wantRows(t *testing.T, db *storage.DB, users, sessions int) {
	t.Helper()
	rows, err := db.Count(t.Context())
	if err != nil || rows["users"] != users || rows["sign_ins"] != users || rows["sessions"] != sessions || rows["clients"] != 1 {
		t.Error(rows, err)
	}
}

// A seeded year is like one: people came and things happened evenly, in their order, to Sessions that there are; a tenth of the
// Sessions is over, and what was interrupted goes on without a gap.
func TestSeed_aYear(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		o := seedOptions(300, 1_000)
		o.Events, o.Days = 1_000, 365
		for _, o.Events = range []int{1_000, 1_000} {
			if _, err := simulate.Seed(t.Context(), db, storagetest.Keys(t), o); err != nil {
				t.Fatal(err)
			}
		}
		rows, err := db.Count(t.Context())
		if err != nil || rows["events"] != 1_000 || rows["sessions"] != 1_000 {
			t.Fatal(rows, err)
		}
		last, before := time.Time{}, 0
		kinds := map[identity.EventKind]int{}
		ok := db.WalkEvents(t.Context(), identity.EventSpan{Until: db.Now()}, func(all []identity.Event) error {
			for _, e := range all {
				if gap := e.At.Sub(last); !last.IsZero() && (gap < 8*time.Hour || gap > 9*time.Hour) {
					t.Fatalf("%s after the one before", gap)
				}
				if _, err := db.SessionByID(t.Context(), e.SessionID); before%100 == 0 && err != nil {
					t.Fatal(err)
				}
				last, before = e.At, before+1
				kinds[e.Kind]++
			}
			return nil
		})
		if ok != nil || kinds[identity.SignedIn] < 300 || kinds[identity.SessionForked] < 100 || len(kinds) < 8 {
			t.Fatal(kinds, ok)
		}
		if err := db.RollUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		stats, err := db.Stats(t.Context(), identity.StatsQuery{})
		e := stats.Engagement
		if err != nil || e.Living.Last() < 800 || e.Living.Last() > 950 || e.Ended.Sum() < 50 || e.Users30.Last() < 200 || stats.Health.Forced.Sum() == 0 {
			t.Fatalf("%+v %+v %v", e.Living, e.Ended, err)
		}
	})
}
