package storage_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func (p person) stateKey(key string) identity.StateKey {
	return identity.StateKey{UserID: p.user.ID, ClientID: "app", Key: key}
}

// put writes a document as it comes.
func put(t *testing.T, db *storage.DB, at identity.StateKey, value string) identity.State {
	t.Helper()
	s, _, err := identity.States{Store: db}.Put(t.Context(), at, value, identity.Condition{})
	ok(t, err)
	return s
}

func TestStates_areReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		p := someone(t, db)
		first := put(t, db, p.stateKey("theme"), `{"dark":true,"nul":"\u0000"}`)
		w.pass(time.Second)
		second := put(t, db, p.stateKey("draft"), `1`)
		same(t, first, must[identity.State](t)(db.StateOf(t.Context(), p.stateKey("theme"))))
		same(t, []identity.State{second, first}, must[[]identity.State](t)(db.States(t.Context(), p.user.ID, "app")))
		for _, other := range []identity.StateKey{
			someone(t, db).stateKey("theme"), {UserID: p.user.ID, ClientID: "other", Key: "theme"}, p.stateKey("Theme"),
		} {
			if got := must[identity.State](t)(db.StateOf(t.Context(), other)); got.Exists() {
				t.Errorf("%+v holds %+v", other, got)
			}
		}
	})
}

func TestStates_ofManyWithOneETagExactlyOneWrites(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p, states := someone(t, db), identity.States{Store: db}
		tag := put(t, db, p.stateKey("k"), `"start"`).ETag()
		won := race(func(i int) bool {
			s, _, err := states.Put(t.Context(), p.stateKey("k"), fmt.Sprint(i), identity.Condition{Match: []string{tag}})
			if err != nil && (!errors.Is(err, identity.ErrStale) || !s.Exists() || s.ETag() == tag) {
				t.Errorf("the loser was told %v with %+v", err, s)
			}
			return err == nil
		})
		if won != 1 {
			t.Errorf("%d of 16 wrote over one version", won)
		}
		made := race(func(i int) bool {
			_, _, err := states.Put(t.Context(), p.stateKey("new"), fmt.Sprint(i), identity.Condition{Absent: true})
			return err == nil
		})
		if made != 1 {
			t.Errorf("%d of 16 made one document", made)
		}
		tag = put(t, db, p.stateKey("k"), `"again"`).ETag()
		if gone := race(func(int) bool {
			_, err := states.Delete(t.Context(), p.stateKey("k"), identity.Condition{Match: []string{tag}})
			return err == nil
		}); gone != 1 {
			t.Errorf("%d of 16 deleted one document", gone)
		}
	})
}

func TestStates_patchesOfManyAllCount(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		done := race(func(i int) bool {
			patch := fmt.Sprintf(`{"m%d":%d}`, i, i)
			_, _, err := identity.States{Store: db}.Patch(t.Context(), p.stateKey("k"), patch, identity.Condition{})
			if err != nil {
				t.Error(err)
			}
			return err == nil
		})
		got := must[identity.State](t)(db.StateOf(t.Context(), p.stateKey("k")))
		if members := strings.Count(got.Value, ":"); done != 16 || members != 16 {
			t.Errorf("%d patches left %d members: %s", done, members, got.Value)
		}
	})
}

func TestStates_noMoreThan64EvenInARace(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		for i := range identity.MaxStates - 1 {
			put(t, db, p.stateKey(fmt.Sprint("k", i)), `{}`)
		}
		made := race(func(i int) bool {
			_, _, err := identity.States{Store: db}.Put(t.Context(), p.stateKey(fmt.Sprint("last", i)), `{}`, identity.Condition{})
			if err != nil {
				wantKind(t, err, identity.Conflict)
			}
			return err == nil
		})
		if made != 1 {
			t.Errorf("%d documents found room for one", made)
		}
		put(t, db, p.stateKey("k0"), `{"still":"writable"}`)
		_, err := identity.States{Store: db}.Delete(t.Context(), p.stateKey("k0"), identity.Condition{})
		ok(t, err)
		put(t, db, p.stateKey("fresh"), `{}`)
		put(t, db, identity.StateKey{UserID: p.user.ID, ClientID: "other", Key: "k"}, `{}`)
	})
}

func TestStates_aVersionNeverComesAgain(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) { // the clock stands still
		p, seen := someone(t, db), map[int64]bool{}
		for range 5 {
			s := put(t, db, p.stateKey("k"), `{}`)
			gone, err := identity.States{Store: db}.Delete(t.Context(), p.stateKey("k"), identity.Condition{})
			ok(t, err)
			if seen[s.Version] || seen[gone.Version] {
				t.Fatalf("version %d or %d came again", s.Version, gone.Version)
			}
			seen[s.Version], seen[gone.Version] = true, true
		}
		_, err := identity.States{Store: db}.Delete(t.Context(), p.stateKey("k"), identity.Condition{})
		wantKind(t, err, identity.NotFound)
		w.pass(31 * 24 * time.Hour)
		if swept := must[storage.SweptRows](t)(db.Sweep(t.Context())); swept.States != 1 {
			t.Errorf("swept %+v", swept)
		}
		if s := put(t, db, p.stateKey("k"), `{}`); seen[s.Version] {
			t.Error("a version came again after the sweep")
		}
	})
}

func TestStates_marksOfDeletedOnesDoNotPileUp(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		for i := range identity.MaxStates + 10 {
			put(t, db, p.stateKey(fmt.Sprint("k", i)), `{}`)
			_, err := identity.States{Store: db}.Delete(t.Context(), p.stateKey(fmt.Sprint("k", i)), identity.Condition{})
			ok(t, err)
		}
		if rows := must[map[string]int](t)(db.Count(t.Context()))["states"]; rows > identity.MaxStates+1 {
			t.Errorf("%d rows stay of documents that are gone", rows)
		}
	})
}
