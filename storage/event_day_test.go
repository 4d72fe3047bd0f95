package storage_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

const day = 24 * time.Hour

// happened writes n Events of a kind, a second apart, about a person who need not exist.
func happened(t *testing.T, db *storage.DB, w *watch, n int, e identity.Event) []identity.Event {
	t.Helper()
	all := make([]identity.Event, n)
	ok(t, db.InTx(t.Context(), func(ctx context.Context) error {
		for i := range all {
			e.ID, e.At = identity.NewID(), w.Now()
			all[i] = e
			if err := db.AddEvent(ctx, e); err != nil {
				return err
			}
			w.pass(time.Second)
		}
		return nil
	}))
	return all
}

// sealedDays has three days of Events sealed and returns the person whom they are about.
func sealedDays(t *testing.T, db *storage.DB, w *watch) identity.ID {
	t.Helper()
	who := identity.NewID()
	for range 3 {
		happened(t, db, w, 4, identity.Event{Kind: identity.SignedIn, UserID: who, Detail: "of ada", Address: "192.0.2.1", Browser: "Firefox"})
		happened(t, db, w, 2, identity.Event{Kind: identity.SessionEnded, UserID: who, SessionID: identity.NewID(), ClientID: "app"})
		w.pass(day)
	}
	w.pass(2 * time.Hour)
	if n := must[int](t)(db.SealEvents(t.Context())); n < 3 || n > 4 {
		t.Fatalf("%d days were sealed", n)
	}
	return who
}

func verified(t *testing.T, db *storage.DB) identity.EventCheck {
	t.Helper()
	return must[identity.EventCheck](t)(db.VerifyEvents(t.Context(), identity.EventCheck{}, 0))
}

func whole(t *testing.T, db *storage.DB) identity.EventCheck {
	t.Helper()
	check := verified(t, db)
	if len(check.Problems) > 0 {
		t.Errorf("it is not whole: %q", check.Problems)
	}
	return check
}

func TestEvents_thatWereSealedAreWhole(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		sealedDays(t, db, w)
		check := whole(t, db)
		same(t, 18, check.Events)
		told := must[[]identity.Event](t)(db.Events(t.Context(), identity.EventQuery{Kind: identity.EventsSealed, Limit: 9}))
		same(t, 1, len(told)) // the last day's head alone
		same(t, fmt.Sprintf("%s %x", check.Last, check.Head), told[0].Detail)
		same(t, 0, must[int](t)(db.SealEvents(t.Context())))
	})
}

// unguarded drops what keeps Events, as somebody could who owns the tables.
func unguarded(t *testing.T, db *storage.DB) {
	t.Helper()
	if db.Kind() == storage.SQLite {
		exec(t, db, "DROP TRIGGER events_stay")
		exec(t, db, "DROP TRIGGER events_stay_same")
		exec(t, db, "DROP TRIGGER events_open")
		return
	}
	exec(t, db, "ALTER TABLE events DISABLE TRIGGER ALL")
}

func TestEvents_aGapOrAChangeShows(t *testing.T) {
	t.Parallel()
	const second = "(SELECT min(at) + 86000000000 FROM events)"
	const first = "(SELECT id FROM events WHERE kind = 'signin.proved' ORDER BY at LIMIT 1)"
	for name, wrong := range map[string]struct{ statement, says string }{
		"deleted":      {"DELETE FROM events WHERE id = " + first, "3 of signin.proved are there, 4 were sealed"},
		"a kind":       {"DELETE FROM events WHERE kind = 'session.ended'", "0 of session.ended are there, 2 were sealed"},
		"changed":      {"UPDATE events SET address = '192.0.2.9' WHERE id = " + first, "of signin.proved at least one of 4 was changed"},
		"another time": {"UPDATE events SET at = at + 1 WHERE id = " + first, "at least one of 4 was changed"},
		"who":          {"UPDATE events SET actor = 'cli:eve' WHERE id = " + first, "at least one of 4 was changed"},
		"erased by hand": {
			"UPDATE events SET user_id = NULL, detail = '', address = '', browser = '', erased = 'x' WHERE id = " + first, "at least one of 4 was changed",
		},
		"the last ones of a day": {
			"DELETE FROM events WHERE id IN (SELECT id FROM events WHERE kind = 'signin.proved' ORDER BY at DESC LIMIT 2)", "2 of signin.proved are there, 4 were sealed",
		},
		"all of a day":     {"DELETE FROM events WHERE at < " + second, "0 of signin.proved are there, 4 were sealed"},
		"a day's own seal": {"UPDATE event_heads SET head = 'x' WHERE day = (SELECT min(day) FROM event_heads)", "its head does not follow"},
		"a kind's seal":    {"UPDATE event_days SET digest = 'x' WHERE kind = 'signin.proved'", "its head does not follow"},
		"a kind's seal and all of it": {
			"DELETE FROM event_days WHERE kind = 'session.ended'", "its head does not follow",
		},
		"the order": {"UPDATE events SET at = at + 1500000 WHERE id = " + first, "at least one of 4 was changed"},
		"put back under another id": {
			"UPDATE events SET id = '0199c9a1-0000-7000-8000-000000000000' WHERE id = " + first, "at least one of 4 was changed",
		},
		"another kind":   {"UPDATE events SET kind = 'user.locked' WHERE id = " + first, "1 of user.locked are there, none was sealed"},
		"the count, too": {"UPDATE event_days SET events = 5 WHERE kind = 'signin.proved'", "its head does not follow"},
		"a day":          {"DELETE FROM event_heads WHERE day = (SELECT min(day) + 1 FROM event_heads)", "are not sealed"},
		"let go":         {"UPDATE event_days SET released = digest WHERE kind = 'signin.proved'", "signin.proved was let go, but not by this server"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
				sealedDays(t, db, w)
				unguarded(t, db)
				exec(t, db, strings.ReplaceAll(wrong.statement, "'x'", map[string]string{storage.SQLite: "x'78'", storage.Postgres: "'x'"}[db.Kind()]))
				if all := strings.Join(verified(t, db).Problems, "\n"); !strings.Contains(all, wrong.says) {
					t.Errorf("it says %q, want %q", all, wrong.says)
				}
			})
		})
	}
}

// A day that is cut out with its seals, and the whole put back from a copy of earlier, show: by the days around it, by the heads that
// were noted elsewhere, and by what is there beside a seal of before.
func TestEvents_aDayThatIsCutOutWithItsSealsShows(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		sealedDays(t, db, w)
		noted := whole(t, db)
		w.pass(day)
		must[int](t)(db.SealEvents(t.Context()))
		unguarded(t, db)
		exec(t, db, "DELETE FROM events WHERE at < (SELECT min(at) + 86000000000 FROM events)")
		exec(t, db, "DELETE FROM event_days WHERE day = (SELECT min(day) FROM event_heads)")
		exec(t, db, "DELETE FROM event_heads WHERE day = (SELECT min(day) FROM event_heads)")
		if all := strings.Join(verified(t, db).Problems, "\n"); !strings.Contains(all, "its head does not follow") {
			t.Errorf("the first day, cut out: %q", all)
		}
		exec(t, db, "DELETE FROM event_days WHERE day >= "+fmt.Sprint(int64(noted.Last)))
		exec(t, db, "DELETE FROM event_heads WHERE day >= "+fmt.Sprint(int64(noted.Last)))
		check := must[identity.EventCheck](t)(db.VerifyEvents(t.Context(), identity.EventCheck{Noted: noted.Last, NotedHead: noted.Head}, 0))
		if all := strings.Join(check.Problems, "\n"); !strings.Contains(all, noted.Last.String()) {
			t.Errorf("a copy of before that day: %q", all)
		}
	})
}

func TestEvents_oneTooManyShows(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		at := w.Now()
		sealedDays(t, db, w)
		unguarded(t, db)
		ok(t, db.AddEvent(t.Context(), identity.Event{ID: identity.NewID(), At: at, Kind: identity.SignedIn}))
		if all := strings.Join(verified(t, db).Problems, "\n"); !strings.Contains(all, "5 of signin.proved are there, 4 were sealed") {
			t.Errorf("it says %q", all)
		}
	})
}

func TestEvents_theLastDaysCannotBeTakenAwayUnseen(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		sealedDays(t, db, w)
		w.pass(3 * day)
		if all := strings.Join(verified(t, db).Problems, "\n"); !strings.Contains(all, "the days since then are not sealed") {
			t.Errorf("it says %q", all)
		}
	})
}

// TestEvents_theDatabaseKeepsThem asks for what no program of ours asks: the database itself refuses.
func TestEvents_theDatabaseKeepsThem(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		sealedDays(t, db, w)
		happened(t, db, w, 1, identity.Event{Kind: identity.UserLocked})
		for _, statement := range []string{
			"DELETE FROM events", "DELETE FROM events WHERE kind = 'user.locked'",
			"UPDATE events SET detail = 'other'", "UPDATE events SET actor = 'cli:eve'", "UPDATE events SET at = at - 1",
			"UPDATE events SET repeats = repeats + 1 WHERE kind = 'signin.proved'", "UPDATE events SET erased = 'x'",
		} {
			if err := db.Q(t.Context()).Exec(statement).Error; err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s: %v", statement, err)
			}
		}
		ok(t, db.Q(t.Context()).Exec("UPDATE events SET repeats = repeats + 1 WHERE kind = 'user.locked'").Error)
		whole(t, db)
	})
}

func TestEvents_ofSomebodyWhoIsErasedStayCountedAndWhole(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		who := sealedDays(t, db, w)
		happened(t, db, w, 3, identity.Event{Kind: identity.SignedIn, UserID: who, Address: "192.0.2.1"})
		erased := 0
		for n := 5; n == 5; erased += n {
			n = must[int](t)(db.EraseEvents(t.Context(), 5, "user_id = ?", who))
		}
		same(t, 21, erased)
		check := whole(t, db)
		same(t, 18, check.Erased)
		var left int
		ok(t, db.Q(t.Context()).Raw("SELECT count(*) FROM events WHERE user_id IS NOT NULL OR session_id IS NOT NULL OR address <> '' OR detail = 'of ada' OR browser <> ''").
			Scan(&left).Error)
		same(t, 0, left)
		w.pass(2 * day) // the day on which it was done is sealed like any other
		must[int](t)(db.SealEvents(t.Context()))
		same(t, 21, whole(t, db).Erased)
	})
}

func TestEvents_sealedByManyAtOnceAreSealedOnce(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		for range 3 {
			happened(t, db, w, 3, identity.Event{Kind: identity.SignedIn})
			w.pass(day)
		}
		w.pass(2 * time.Hour)
		race(func(int) bool { return must[int](t)(db.SealEvents(t.Context())) > 0 })
		whole(t, db)
		told := must[[]identity.Event](t)(db.Events(t.Context(), identity.EventQuery{Kind: identity.EventsSealed, Limit: 9}))
		same(t, 1, len(told))
	})
}

func TestEvents_thatWereKeptForLongEnoughGoAndTheRestIsWhole(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		happened(t, db, w, storage.Batch+1, identity.Event{Kind: identity.SessionForked})
		happened(t, db, w, 2, identity.Event{Kind: identity.SignedIn})
		w.pass(9 * day)
		must[int](t)(db.SealEvents(t.Context()))
		same(t, storage.Batch+1, must[storage.SweptRows](t)(db.Sweep(t.Context())).Events)
		check := whole(t, db)
		same(t, 1, check.Released)
		same(t, 0, must[storage.SweptRows](t)(db.Sweep(t.Context())).Events)
		w.pass(400 * day)
		must[int](t)(db.SealEvents(t.Context()))
		same(t, 2, must[storage.SweptRows](t)(db.Sweep(t.Context())).Events)
		whole(t, db)
	})
}

func TestEvents_aHeadThatWasNotedShowsThatAllWasMadeAnew(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		sealedDays(t, db, w)
		noted := whole(t, db)
		unguarded(t, db)
		exec(t, db, "DELETE FROM event_heads")
		exec(t, db, "DELETE FROM event_days")
		exec(t, db, "DELETE FROM events WHERE kind = 'session.ended'")
		must[int](t)(db.SealEvents(t.Context()))
		whole(t, db) // whoever has the database and a server can do that
		check := must[identity.EventCheck](t)(db.VerifyEvents(t.Context(), identity.EventCheck{Noted: noted.Last, NotedHead: noted.Head}, 0))
		same(t, []string{noted.Last.String() + ": its head is not the one that was noted."}, check.Problems)
	})
}

// A machine that slept for hours goes by the time at which it fell asleep until it asks the database: what happens then is of a day
// that is open, and so is what it counts once more.
func TestEvents_ofAClockThatStoodStillAreOfNoSealedDay(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		asleep := w.Now()
		told := happened(t, db, w, 1, identity.Event{
			Kind: identity.SignedIn, UserID: identity.NewID(), SessionID: identity.NewID(), ClientID: "app", Detail: "of ada",
			Address: "192.0.2.1", Actor: "cli:ada", Browser: "Firefox",
		})[0]
		w.pass(day + 2*time.Hour)
		sealed := must[int](t)(db.SealEvents(t.Context()))
		again := told
		again.ID, again.At = identity.NewID(), asleep.Add(time.Minute)
		ok(t, db.AddRepeat(t.Context(), again))
		ok(t, db.AddEvent(t.Context(), identity.Event{ID: identity.NewID(), At: asleep, Kind: identity.UserLocked}))
		whole(t, db)
		same(t, 1, sealed)
		found := must[[]identity.Event](t)(db.Events(t.Context(), identity.EventQuery{Kind: identity.SignedIn, Limit: 9}))
		same(t, 2, len(found))
		if begins := identity.DayOf(asleep).Ends(); found[0].At.Before(begins) {
			t.Errorf("it is of %v", found[0].At)
		}
		found[0].At = again.At
		same(t, again, found[0])
	})
}

// What is under way while a day is sealed is either in it, or of another day.
func TestEvents_thatAreUnderWayWhileADayIsSealedAreWhole(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		asleep := w.Now()
		happened(t, db, w, 1, identity.Event{Kind: identity.SignedIn})
		w.pass(day + 2*time.Hour)
		inserted, tried := make(chan struct{}), make(chan struct{})
		over := make(chan error)
		go func() {
			over <- db.InTx(t.Context(), func(ctx context.Context) error {
				defer func() { <-tried }()
				defer close(inserted)
				return db.AddEvent(ctx, identity.Event{ID: identity.NewID(), At: asleep, Kind: identity.SignedIn})
			})
		}()
		<-inserted
		if db.Kind() == storage.SQLite { // one writer at a time: the sealer waits for it
			close(tried)
			ok(t, <-over)
		}
		sealed := must[int](t)(db.SealEvents(t.Context()))
		if db.Kind() == storage.Postgres {
			same(t, 0, sealed)
			close(tried)
			ok(t, <-over)
			sealed = must[int](t)(db.SealEvents(t.Context()))
		}
		same(t, 1, sealed)
		same(t, 2, whole(t, db).Events)
	})
}
