package storage_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

func TestSweep_takesOnlyWhatNobodyCanNeed(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		p := someone(t, db) // its sign-in ends in a day
		bound, offline := p.begin(t, db, "openid"), p.begin(t, db, "offline_access")
		must[bool](t)(db.EndSession(t.Context(), offline.ID, identity.EndRevoked))
		fill := func() {
			soon := w.Now().Add(time.Minute)
			ok(t, db.DenyToken(t.Context(), fmt.Sprint(w.Now()), soon))
			must[bool](t)(db.SpendAssertion(t.Context(), "app", fmt.Sprint(w.Now()), soon))
			ok(t, db.CreateRegistrationToken(t.Context(), []byte(fmt.Sprint(w.Now())), 1, soon))
			must[time.Duration](t)(db.CountTry(t.Context(), fmt.Sprint(w.Now()), five))
		}
		fill()
		same(t, storage.SweptRows{}, must[storage.SweptRows](t)(db.Sweep(t.Context())))
		w.pass(31*24*time.Hour + time.Microsecond)
		fill()
		same(t, storage.SweptRows{
			Sessions: 1, SignIns: 1, DeniedTokens: 1, SpentAssertions: 1, RegistrationTokens: 1, Throttles: 1,
		}, must[storage.SweptRows](t)(db.Sweep(t.Context())))

		_, err := db.SessionByID(t.Context(), bound.ID)
		wantKind(t, err, identity.NotFound)
		must[identity.Session](t)(db.SessionByID(t.Context(), offline.ID)) // ended, but a part of the device history
		same(t, identity.Standing{}, must[identity.Standing](t)(db.StandingOf(t.Context(), p.signIn.ID)))
		if !must[bool](t)(db.TokenDenied(t.Context(), fmt.Sprint(w.Now()))) {
			t.Error("a token that has not expired is not denied any more")
		}
		ok(t, db.SpendRegistrationToken(t.Context(), []byte(fmt.Sprint(w.Now()))))
		same(t, storage.SweptRows{RegistrationTokens: 1}, must[storage.SweptRows](t)(db.Sweep(t.Context())))
	})
}

func TestSweep_forgetsForksSoonAndOtherEventsLate(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		for _, kind := range []identity.EventKind{identity.SessionForked, identity.SessionEnded} {
			ok(t, db.AddEvent(t.Context(), identity.Event{ID: identity.NewID(), At: w.Now(), Kind: kind}))
		}
		for after, want := range []int{0, 1, 0, 1} { // a week, and more; more than a year, and the rest of 400 days
			w.pass([]time.Duration{7 * 24 * time.Hour, time.Microsecond, 390 * 24 * time.Hour, 10 * 24 * time.Hour}[after])
			if got := must[storage.SweptRows](t)(db.Sweep(t.Context())).Events; got != want {
				t.Errorf("sweep %d took %d events, want %d", after, got, want)
			}
		}
	})
}

// spend writes more assertions than one statement deletes, and lets them expire.
func spend(t *testing.T, db *storage.DB, w *watch) (n int) {
	t.Helper()
	ok(t, db.InTx(t.Context(), func(ctx context.Context) error {
		for ; n < 2*storage.Batch+3; n++ {
			if _, err := db.SpendAssertion(ctx, "app", fmt.Sprint(n), w.Now()); err != nil {
				return err
			}
		}
		return nil
	}))
	w.pass(2 * time.Hour)
	return n
}

func TestSweep_goesOnUntilNoneIsLeft(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		want := spend(t, db, w)
		same(t, storage.SweptRows{SpentAssertions: want}, must[storage.SweptRows](t)(db.Sweep(t.Context())))
	})
}

func TestSweep_countsEachRowOnceBesideOthers(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		want := spend(t, db, w)
		var swept atomic.Int64
		sweep := func(int) bool {
			swept.Add(int64(must[storage.SweptRows](t)(db.Sweep(t.Context())).SpentAssertions))
			return true
		}
		race(sweep)
		sweep(0) // what was locked is left for the next time
		if swept.Load() != int64(want) {
			t.Errorf("swept %d assertions, want %d", swept.Load(), want)
		}
	})
}
