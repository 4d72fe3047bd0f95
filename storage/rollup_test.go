package storage_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

var farOff = storage.FromTime(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))

// The row keeps the days by an expression, the domain by a function: they are one rule.
func TestAdvance_marksTheDaysAsTheDomainDoes(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
			db, err := storage.Open(t.Context(), storagetest.DSN(t, kind), storage.Options{
				Keys: storagetest.Keys(t), MaxConns: 2, Now: func() time.Time { return now },
			})
			ok(t, err)
			t.Cleanup(func() { ok(t, db.Close()) })
			s := someone(t, db).begin(t, db, "openid", "offline_access")
			ok(t, db.Q(t.Context()).Exec("UPDATE sessions SET idle_ends_at = ?, ends_at = ?", farOff, farOff).Error)
			want := identity.ActiveOn(db.Calendar().DayOf(now))
			for _, days := range []int{0, 0, 1, 1, 2, 7, -1, 30, 61, 62, 63, 64, 1000, 1, -3, 3} {
				before := now
				now = now.AddDate(0, 0, days)
				next, done, err := db.Advance(t.Context(), turn(s, now.AddDate(10, 0, 0)))
				if err != nil || !done {
					t.Fatalf("after %d days: done %v, %v", days, done, err)
				}
				want = want.Used(db.Calendar().DayOf(now))
				row := must[identity.Session](t)(db.SessionByID(t.Context(), s.ID))
				if diff := cmp.Diff(want, row.Active); diff != "" {
					t.Errorf("after %d days (-want +row):\n%s", days, diff)
				}
				if !row.UsedBeforeAt.Equal(before) || !next.UsedBeforeAt.Equal(before) {
					t.Errorf("used before at %v and %v, want %v", row.UsedBeforeAt, next.UsedBeforeAt, before)
				}
				s = next
			}
		})
	}
}

// numbersOf is every number that a database keeps of days.
func numbersOf(t *testing.T, db *storage.DB) (all []string) {
	t.Helper()
	ok(t, db.Q(t.Context()).Raw(`SELECT client_id || '|' || platform || '|' || app_version || '|' || day || '|' || measure || '|' || label ||
		'|' || part || '=' || n FROM rollups ORDER BY 1`).Scan(&all).Error)
	return all
}

// twoWeeks is a database in which somebody used four devices, one after the other, and signed out of two.
func twoWeeks(t *testing.T, db *storage.DB, w *watch) {
	t.Helper()
	p := someone(t, db)
	var sessions []identity.Session
	for range 4 {
		sessions = append(sessions, p.begin(t, db, "openid", "offline_access"))
	}
	for i, s := range sessions {
		for range 3 {
			w.pass(20 * time.Hour)
			next, done, err := db.Advance(t.Context(), turn(s, w.Now()))
			if err != nil || !done {
				t.Fatal(done, err)
			}
			s = next
		}
		if i%2 == 0 {
			must[identity.Struck](t)(db.End(t.Context(), identity.Ending{Session: s.ID, Cause: identity.EndDevice}))
			ok(t, db.NoteTold(t.Context(), s.ID, string(identity.EndDevice), w.Now()))
		}
	}
	w.pass(26 * time.Hour)
}

func TestRollUp_isWhatRecomputingSays(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		twoWeeks(t, db, w)
		ok(t, db.RollUp(t.Context()))
		want := numbersOf(t, db)
		if len(want) < 100 {
			t.Errorf("only %d numbers", len(want))
		}
		first, _, err := db.Recompute(t.Context(), db.Calendar().DayOf(w.Now())-30, 0)
		ok(t, err)
		same(t, want, numbersOf(t, db))
		s := must[identity.Stats](t)(db.Stats(t.Context(), identity.StatsQuery{From: first}))
		if e := s.Engagement; e.Begun.Sum() != 4 || e.Ended.Sum() != 2 || e.Living.Last() != 2 || s.Health.ForcedBy["ended_by_user"].Sum() != 2 {
			t.Errorf("%+v", s)
		}
		_, _, err = db.Recompute(t.Context(), first-1, 0)
		wantKind(t, err, identity.Invalid)

		ok(t, db.DeleteUser(t.Context(), must[identity.ID](t)(anyUser(t, db))))
		ok(t, db.RollUp(t.Context()))
		settled := must[identity.Stats](t)(db.Stats(t.Context(), identity.StatsQuery{From: first}))
		if settled.Engagement.Begun.Sum() != 4 {
			t.Error("deleting a person changed what was settled")
		}
	})
}

func anyUser(t *testing.T, db *storage.DB) (identity.ID, error) {
	t.Helper()
	var id string
	ok(t, db.Q(t.Context()).Raw("SELECT CAST(id AS text) FROM users LIMIT 1").Scan(&id).Error)
	return uuid.Parse(id)
}

// Whatever was rolled up before it was killed, and however many do it at once, the numbers are the same.
func TestRollUp_manyAtOnceAndKilledOnesMakeTheSameNumbers(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		twoWeeks(t, db, w)
		killed, kill := context.WithCancel(t.Context())
		statements := 0
		db.Hear(func(string) {
			if statements++; statements == 40 {
				kill()
			}
		})
		if err := db.RollUp(killed); err == nil {
			t.Error("it was not killed")
		}
		db.Hear(func(string) {})
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				if err := db.RollUp(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		got := numbersOf(t, db)
		_, _, err := db.Recompute(t.Context(), db.Calendar().DayOf(w.Now())-30, 0)
		ok(t, err)
		same(t, numbersOf(t, db), got)
	})
}

// A process that was told nothing of its batch adds it again, and it counts once.
func TestAddNumbers_countsEachBatchOnce(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		tally := identity.NewTally(db.Calendar())
		s := identity.Subject{Scope: identity.Scope{ClientID: "app", Platform: "Android", Version: "<script>alert(1)</script>"}, Own: true}
		tally.Count(db.Now(), s, identity.Tick{Measure: identity.MeasureRefreshes, Label: "rotated"})
		one := identity.Batch{Process: identity.NewID(), Number: 1, Numbers: tally.Take()}
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				if err := db.AddNumbers(t.Context(), one); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		two := identity.Batch{Process: one.Process, Number: 2, Numbers: one.Numbers}
		ok(t, db.AddNumbers(t.Context(), two))
		if got := must[identity.Stats](t)(db.Stats(t.Context(), identity.StatsQuery{})).Health.Refreshes[identity.Rotated].Sum(); got != 2 {
			t.Errorf("two batches count %d", got)
		}
		small := must[identity.Stats](t)(db.Stats(t.Context(), identity.StatsQuery{Scope: identity.Scope{ClientID: "app"}}))
		if !small.Withheld || small.Health.Refreshes[identity.Rotated].Sum() != 0 {
			t.Error("a part of nobody is told of")
		}
	})
}
