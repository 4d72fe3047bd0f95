package storage_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

// standsStill has the process stand still once, right after the first statement that holds a text, while others do something.
func standsStill(db *storage.DB, after string, others func()) {
	stood := false
	db.Hear(func(statement string) {
		if !stood && strings.Contains(statement, after) {
			stood = true
			others()
		}
	})
}

const readOfSessions = "FROM sessions s WHERE s.user_id"

// Whoever stood still between reading and writing puts nothing older in the place of what another one has counted meanwhile.
func TestRollUp_whatWasReadBeforeAPauseReplacesNothingNewer(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		p := someone(t, db)
		p.begin(t, db, "openid")
		ok(t, db.RollUp(t.Context())) // of the days before
		w.pass(2 * time.Hour)
		standsStill(db, readOfSessions, func() {
			p.begin(t, db, "openid")
			w.pass(2 * time.Hour)
			ok(t, db.RollUp(t.Context()))
		})
		ok(t, db.RollUp(t.Context()))
		today := db.Calendar().DayOf(w.Now())
		s := must[identity.Stats](t)(db.Stats(t.Context(), identity.StatsQuery{From: today}))
		if begun := s.Engagement.Begun.Sum(); begun != 2 {
			t.Errorf("%d sessions have begun today, of 2", begun)
		}
	})
}

// What was read before a day could be settled settles nothing, however late it is written.
func TestRollUp_whatWasReadBeforeAPauseSettlesNothing(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		someone(t, db).begin(t, db, "openid")
		day := db.Calendar().DayOf(w.Now())
		ok(t, db.RollUp(t.Context())) // of the days before
		w.pass(db.Calendar().Begins(day + 1).Add(time.Hour).Sub(w.Now()))
		settled := func() (yes bool) {
			ok(t, db.Q(t.Context()).Raw("SELECT settled FROM rolled_days WHERE day = ? AND part = 0", int(day)).Row().Scan(&yes))
			return yes
		}
		standsStill(db, readOfSessions, func() { w.pass(2 * time.Hour) })
		ok(t, db.RollUp(t.Context()))
		if settled() {
			t.Error("a day was settled by what was read an hour after its end")
		}
		w.pass(2 * time.Hour)
		ok(t, db.RollUp(t.Context()))
		if !settled() {
			t.Error("the day was never settled")
		}
	})
}

// Of two that seal a day one does, and the other's Event of it is not written.
func TestSealEvents_whoeverStoodStillSealsNothingTwice(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		someone(t, db).endOne(t, db, listener(t, db, "rp.example"))
		w.pass(48 * time.Hour)
		var others int
		standsStill(db, "ORDER BY day DESC", func() { others = must[int](t)(db.SealEvents(t.Context())) })
		must[int](t)(db.SealEvents(t.Context()))
		if others == 0 {
			t.Fatal("nobody sealed meanwhile")
		}
		var told, heads int
		ok(t, db.Q(t.Context()).Raw("SELECT (SELECT count(*) FROM events WHERE kind = 'events.sealed'), (SELECT count(*) FROM event_heads)").
			Row().Scan(&told, &heads))
		if told != 1 || heads != others {
			t.Errorf("%d days have %d heads, and %d events tell of it", others, heads, told)
		}
		check := must[identity.EventCheck](t)(db.VerifyEvents(t.Context(), identity.EventCheck{}, 0))
		if len(check.Problems) > 0 {
			t.Errorf("it is found that %v", check.Problems)
		}
	})
}

// What a process learnt before it stood still takes nothing back that another one has learnt since.
func TestWriteHabit_whatIsOlderReplacesNothing(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		p := someone(t, db)
		old, now := identity.Habit{UserID: p.user.ID}, identity.Habit{UserID: p.user.ID}
		old.Learn(identity.Spot{Network: "10.1.0.0/16", Last: w.Now()})
		now.Learn(identity.Spot{Network: "10.1.0.0/16", Last: w.Now()})
		now.Learn(identity.Spot{Network: "10.2.0.0/16", Last: w.Now().Add(time.Minute)})
		ok(t, db.WriteHabit(t.Context(), now))
		ok(t, db.WriteHabit(t.Context(), old))
		kept := must[map[identity.ID]identity.Habit](t)(db.Habits(t.Context(), []identity.ID{p.user.ID}))
		if n := len(kept[p.user.ID].Places); n != 2 {
			t.Errorf("%d of 2 places are known", n)
		}
	})
}

// Whoever's claim ran out puts back nothing that is somebody else's now.
func TestPutBack_ofAClaimThatRanOutDoesNothing(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		someone(t, db).endOne(t, db, listener(t, db, "rp.example"))
		first := claimed(t, db)
		w.pass(claim.Lease)
		claimed(t, db)
		ok(t, db.PutBack(t.Context(), first))
		wantNone(t, db)
	})
}
