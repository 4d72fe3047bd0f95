package storage_test

import (
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

var five = identity.Throttle{Free: 5, First: 30 * time.Second, Max: time.Hour, Forget: 24 * time.Hour}

func wantWait(t *testing.T, db *storage.DB, want time.Duration) {
	t.Helper()
	if got := must[time.Duration](t)(db.CountTry(t.Context(), "k", five)); got != want {
		t.Errorf("wait %v, want %v", got, want)
	}
}

func TestCountTry_waitsGrow(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		for range 5 {
			wantWait(t, db, 0)
		}
		for _, wait := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute} {
			wantWait(t, db, wait)
			w.pass(time.Second)
			wantWait(t, db, wait-time.Second) // a blocked try counts nothing and prolongs nothing
			w.pass(wait - time.Second)
			wantWait(t, db, 0)
		}
		ok(t, db.ClearTries(t.Context(), "k"))
		wantWait(t, db, 0)
		if got := must[time.Duration](t)(db.CountTry(t.Context(), "other", five)); got != 0 {
			t.Errorf("another key waits %v", got)
		}
	})
}

func TestCountTry_forgets(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		for range 4 {
			wantWait(t, db, 0)
		}
		w.pass(24*time.Hour + time.Microsecond)
		for range 5 {
			wantWait(t, db, 0)
		}
		wantWait(t, db, 30*time.Second)
	})
}

func TestCountTry_parallelGuessesCountOneByOne(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		through := race(func(int) bool {
			wait, err := db.CountTry(t.Context(), "k", five)
			if err != nil {
				t.Error(err)
			}
			return wait == 0
		})
		if through != 5 {
			t.Errorf("%d of 16 parallel guesses got through, want 5", through)
		}
	})
}

func TestForgiveTry_takesOneBack(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, _ *watch) {
		ok(t, db.ForgiveTry(t.Context(), "k")) // nothing to forgive
		for range 20 {
			wantWait(t, db, 0)
			ok(t, db.ForgiveTry(t.Context(), "k"))
		}
		for range 5 {
			wantWait(t, db, 0)
		}
		ok(t, db.ForgiveTry(t.Context(), "k")) // and the block that the fifth began
		wantWait(t, db, 0)
		wantWait(t, db, 30*time.Second)
	})
}

func TestCountTry_theRefusedAreCountedByTheirKind(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		for _, who := range []string{"ada", "eve"} {
			for range five.Free + 2 {
				must[time.Duration](t)(db.CountTry(t.Context(), identity.ThrottleKey("factor", who), five))
			}
		}
		must[time.Duration](t)(db.CountTry(t.Context(), identity.ThrottleKey("signup", "ada"), five))
		if got := db.RefusedTries(); len(got) != 1 || got["factor"] != 4 {
			t.Errorf("refused %v, want two of each", got)
		}
	})
}
