package storage_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// marked numbers all marks of the last hour and returns them in their order.
func marked(t *testing.T, db *storage.DB) []identity.PlacedMark {
	t.Helper()
	end := must[identity.MarkPlace](t)(db.MarkEnd(t.Context(), db.Now().Add(-time.Hour)))
	return must[[]identity.PlacedMark](t)(db.MarksBetween(t.Context(), 0, end.Position, 100_000))
}

func kinds(all []identity.PlacedMark) (names []string) {
	for _, m := range all {
		names = append(names, fmt.Sprint(m.Kind, " ", m.Subject, " ", m.Epoch, " ", len(m.Keep)))
	}
	return names
}

func TestMarks_areWrittenWithTheEndingOrNotAtAll(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		s := p.begin(t, db, "offline_access")
		undone := errors.New("undone")
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			if _, err := db.End(ctx, identity.Ending{Session: s.ID, Cause: identity.EndDevice}); err != nil {
				return err
			}
			return undone
		})
		if !errors.Is(err, undone) || len(marked(t, db)) != 0 {
			t.Fatal(err, marked(t, db))
		}
		must[identity.Struck](t)(db.End(t.Context(), identity.Ending{Session: s.ID, Cause: identity.EndDevice}))
		must[identity.Struck](t)(db.End(t.Context(), identity.Ending{Session: s.ID, Cause: identity.EndDevice})) // it is over: no second mark
		ok(t, db.DenyToken(t.Context(), "jti", db.Now().Add(time.Minute)))
		ok(t, db.DenyToken(t.Context(), "jti", db.Now().Add(time.Minute)))
		same(t, []string{"s " + s.ID.String() + " 0 0", "t jti 0 0"}, kinds(marked(t, db)))
	})
}

func TestMarks_aLargeEndingIsOneMarkAlsoWhenItIsTidied(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		beginMany(t, db, p, 1100)
		struck := must[identity.Struck](t)(db.End(t.Context(), identity.Ending{User: p.user.ID, Cause: identity.EndLocked}))
		for more := true; more; {
			more = must[bool](t)(db.Tidy(t.Context()))
		}
		same(t, []string{fmt.Sprintf("p %s %d 0", p.user.Sub, struck.Mark)}, kinds(marked(t, db)))
	})
}

// Two processes end and number at once: a follower that reads up to the end each time misses none, and sees no gap.
func TestMarks_areInTheOrderInWhichTheyBecomeVisible(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dsn := storagetest.DSN(t, kind)
			processes := make([]*storage.DB, 2)
			for i := range processes {
				db, err := storage.Open(t.Context(), dsn, storage.Options{Keys: storagetest.Keys(t), MaxConns: 12})
				ok(t, err)
				t.Cleanup(func() { ok(t, db.Close()) })
				processes[i] = db
			}
			const each = 20
			var ending sync.WaitGroup
			for n := range 16 {
				ending.Go(func() {
					for i := range each {
						ok(t, processes[n%2].DenyToken(t.Context(), fmt.Sprintf("%d-%d", n, i), time.Now().Add(time.Hour)))
					}
				})
			}
			over := make(chan struct{})
			go func() { ending.Wait(); close(over) }()
			var following sync.WaitGroup
			for _, db := range processes {
				following.Go(func() { follows(t, db, over, 16*each) })
			}
			following.Wait()
		})
	}
}

// follows reads as a follower does until all have ended, and expects to have seen them all, in order and without a gap.
func follows(t *testing.T, db *storage.DB, over <-chan struct{}, want int) {
	t.Helper()
	seen, at := map[string]bool{}, identity.MarkPlace{Tag: identity.NoTag}
	for last := false; !last; {
		select {
		case <-over:
			last = true
		default:
		}
		end, err := db.MarkEnd(t.Context(), db.Now().Add(-time.Hour))
		if err != nil {
			t.Error(err)
			return
		}
		if known, err := db.HasMark(t.Context(), at); err != nil || !known {
			t.Errorf("the place %s is gone: %v", at.Text(), err)
		}
		all, err := db.MarksBetween(t.Context(), at.Position, end.Position, 1_000_000)
		if err != nil {
			t.Error(err)
			return
		}
		for _, m := range all {
			if m.Position != at.Position+1 || seen[m.Subject] {
				t.Errorf("after %d comes %d, %s", at.Position, m.Position, m.Subject)
			}
			at, seen[m.Subject] = m.MarkPlace, true
		}
		if at != end {
			t.Errorf("read up to %s, the end is %s", at.Text(), end.Text())
		}
	}
	if len(seen) != want {
		t.Errorf("saw %d marks, want %d", len(seen), want)
	}
}

func TestMarks_areSweptWhenNoTokenCanLiveButTheLast(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		deny := func(jti string) { ok(t, db.DenyToken(t.Context(), jti, w.Now().Add(time.Minute))) }
		deny("one")
		deny("two")
		last := marked(t, db)[1]
		deny("nobody follows, so it gets no number")
		w.pass(2*time.Hour + time.Microsecond)
		if swept := must[storage.SweptRows](t)(db.Sweep(t.Context())).Marks; swept != 2 {
			t.Errorf("%d marks were swept, want 2", swept)
		}
		if !must[bool](t)(db.HasMark(t.Context(), last.MarkPlace)) {
			t.Error("the last place is gone: who follows could not go on")
		}
		deny("three")
		if all := marked(t, db); len(all) != 2 || all[1].Position != 3 {
			t.Errorf("then there is %v", kinds(all))
		}
	})
}

func TestMarks_aPlaceOfADatabaseThatWasPutBackIsNone(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		ok(t, db.DenyToken(t.Context(), "one", db.Now().Add(time.Minute)))
		before := marked(t, db)
		if !must[bool](t)(db.HasMark(t.Context(), before[0].MarkPlace)) {
			t.Error("the place is not known")
		}
		ok(t, db.Q(t.Context()).Exec("DELETE FROM marks").Error)
		ok(t, db.Q(t.Context()).Exec("UPDATE mark_log SET position = 0").Error)
		ok(t, db.DenyToken(t.Context(), "two", db.Now().Add(time.Minute)))
		after := marked(t, db)
		if after[0].Position != before[0].Position || must[bool](t)(db.HasMark(t.Context(), before[0].MarkPlace)) {
			t.Error("the same position of another history is taken for the same place")
		}
		if !slices.Equal(kinds(after), []string{"t two 0 0"}) {
			t.Error(kinds(after))
		}
	})
}
