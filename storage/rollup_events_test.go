package storage_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// An Event counts once and on the day that it is of: one that is written late or comes twice, one of a clock that is ahead, and on days
// that have no 24 hours.
func TestRollUp_countsEachEventOnceOnItsDay(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		for name, c := range map[string]struct {
			zone string
			from time.Time
		}{
			"23 hours":   {"Europe/Berlin", time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)},
			"25 hours":   {"Europe/Berlin", time.Date(2026, 10, 24, 12, 0, 0, 0, time.UTC)},
			"24.5 hours": {"Australia/Lord_Howe", time.Date(2026, 4, 4, 4, 0, 0, 0, time.UTC)},
		} {
			t.Run(kind+"/"+name, func(t *testing.T) {
				t.Parallel()
				w := &watch{}
				w.micros.Store(c.from.UnixMicro())
				zone, err := time.LoadLocation(c.zone)
				ok(t, err)
				db, err := storage.Open(t.Context(), storagetest.DSN(t, kind), storage.Options{
					Keys: storagetest.Keys(t), MaxConns: 2, Now: w.Now, Calendar: identity.NewCalendar(zone),
				})
				ok(t, err)
				t.Cleanup(func() { ok(t, db.Close()) })
				want := livesOf(t, db, w)
				got := map[identity.Day]int64{}
				for day := range want {
					s := must[identity.Stats](t)(db.Stats(t.Context(), identity.StatsQuery{From: day, To: day}))
					got[day] = s.Engagement.Events[string(identity.ProfileChanged)]
				}
				if diff := cmp.Diff(want, got); diff != "" || len(want) < 3 {
					t.Errorf("happened (-), told (+):\n%s", diff)
				}
				numbers := numbersOf(t, db)
				_, _, err = db.Recompute(t.Context(), db.Calendar().DayOf(c.from), 0)
				ok(t, err)
				same(t, numbers, numbersOf(t, db))
			})
		}
	}
}

// livesOf has two days of Events happen, rolled up meanwhile, and returns how many were of which day.
func livesOf(t *testing.T, db *storage.DB, w *watch) map[identity.Day]int64 {
	t.Helper()
	want := map[identity.Day]int64{}
	for step := range 80 {
		for _, off := range []time.Duration{0, -90 * time.Minute, 45 * time.Minute} {
			e := identity.Event{ID: identity.NewID(), At: w.Now().Add(off), Kind: identity.ProfileChanged}
			ok(t, db.AddEvent(t.Context(), e))
			want[db.Calendar().DayOf(e.At)]++
			if err := db.AddEvent(t.Context(), e); err == nil {
				t.Error("an event was written twice")
			}
		}
		if step%5 == 0 {
			ok(t, db.RollUp(t.Context()))
		}
		w.pass(30 * time.Minute)
	}
	w.pass(4 * time.Hour)
	ok(t, db.RollUp(t.Context()))
	return want
}
