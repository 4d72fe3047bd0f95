package storage_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func TestSweep_takesOnlyWhatNobodyCanNeed(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		p := someone(t, db) // its sign-in ends in a day
		bound, offline := p.begin(t, db, "openid"), p.begin(t, db, "offline_access")
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
			Sessions: 1, SignIns: 1, DeniedTokens: 1, SpentAssertions: 1, RegistrationTokens: 1, Throttles: 1, Marks: 1,
		}, must[storage.SweptRows](t)(db.Sweep(t.Context())))

		_, err := db.SessionByID(t.Context(), bound.ID)
		wantKind(t, err, identity.NotFound)
		must[identity.Session](t)(db.SessionByID(t.Context(), offline.ID)) // it lapsed a day ago, and is a part of the device history
		same(t, identity.Standing{}, must[identity.Standing](t)(db.StandingOf(t.Context(), p.signIn.ID)))
		if !must[bool](t)(db.TokenDenied(t.Context(), fmt.Sprint(w.Now()))) {
			t.Error("a token that has not expired is not denied any more")
		}
		ok(t, db.SpendRegistrationToken(t.Context(), []byte(fmt.Sprint(w.Now()))))
		same(t, storage.SweptRows{RegistrationTokens: 1}, must[storage.SweptRows](t)(db.Sweep(t.Context())))
	})
}

// A Session that is over is history for 30 days, however much later it would have ended by itself.
func TestSweep_takesSessions30DaysAfterTheyWereOver(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		p := someone(t, db)
		lapses, ended := p.begin(t, db, "offline_access"), p.begin(t, db, "offline_access") // idle after 30 days
		must[identity.Struck](t)(db.End(t.Context(), identity.Ending{Session: ended.ID, Cause: identity.EndRevoked}))
		sweep := func() []int {
			swept := must[storage.SweptRows](t)(db.Sweep(t.Context()))
			return []int{swept.Sessions, swept.SignIns}
		}
		w.pass(30 * 24 * time.Hour)
		same(t, []int{0, 0}, sweep())
		w.pass(time.Microsecond)
		same(t, []int{1, 0}, sweep())
		must[identity.Session](t)(db.SessionByID(t.Context(), lapses.ID))
		w.pass(30 * 24 * time.Hour)
		same(t, []int{1, 1}, sweep())
	})
}

func TestSweep_walksAllSessionsForThoseThatLapsed(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		p := someone(t, db)
		lapsed := p.begin(t, db, "offline_access")
		exec(t, db, many+`INSERT INTO sessions (id, client_id, user_id, sub, sign_in_id, secret_hash, generation, branch, previous,
			amr, scope, offline, auth_time, created_at, last_used_at, idle_ends_at, ends_at, end_cause, address, user_agent)
			SELECT `+idOf[db.Kind()]+`, client_id, user_id, sub, sign_in_id, secret_hash, generation, branch, previous,
			amr, scope, offline, auth_time, created_at, last_used_at, idle_ends_at, ends_at, end_cause, address, user_agent
			FROM sessions, n`, 2*storage.WalkPage)
		w.pass(60*24*time.Hour + time.Microsecond)
		p.another(t, db).begin(t, db, "offline_access")
		same(t, 2*storage.WalkPage+1, must[storage.SweptRows](t)(db.Sweep(t.Context())).Sessions)
		_, err := db.SessionByID(t.Context(), lapsed.ID)
		wantKind(t, err, identity.NotFound)
	})
}

// many is a table n of as many numbers i as its argument says.
const many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "

// idOf is an id made of such a number.
var idOf = map[string]string{
	storage.SQLite:   "printf('%08x-0000-7000-8000-000000000000', i)",
	storage.Postgres: "CAST(lpad(to_hex(i), 8, '0') || '-0000-7000-8000-000000000000' AS uuid)",
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

// A table that can't be swept is told of, and lets no other one grow.
func TestSweep_aTableThatFailsKeepsNoOther(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		someone(t, db).begin(t, db, "openid")
		must[time.Duration](t)(db.CountTry(t.Context(), "x", five))
		broken := "CREATE TRIGGER broken BEFORE DELETE ON sessions BEGIN SELECT RAISE(ABORT, 'broken'); END"
		if db.Kind() == storage.Postgres {
			exec(t, db, "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'broken'; END $$")
			broken = "CREATE TRIGGER broken BEFORE DELETE ON sessions FOR EACH ROW EXECUTE FUNCTION broken()"
		}
		exec(t, db, broken)
		w.pass(400 * day)
		swept, err := db.Sweep(t.Context())
		if err == nil || !strings.Contains(err.Error(), "sweep sessions") || swept.Throttles != 1 || swept.SignIns != 1 {
			t.Errorf("swept %+v: %v", swept, err)
		}
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

// A probe tells a database that only reads from one that writes, and waits for nothing.
func TestWritable_triesAWrite(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t, storage.SQLite)
	for range 2 {
		if err := db.Writable(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.ReadOnly(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Writable(t.Context()); !storage.Away(err) {
		t.Error("a database that refuses writes:", err)
	}
}
