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

func (p person) documentKey(key string) identity.DocumentKey {
	return identity.DocumentKey{UserID: p.user.ID, ClientID: "app", Key: key}
}

// put writes a document as it comes.
func put(t *testing.T, db *storage.DB, at identity.DocumentKey, value string) identity.Document {
	t.Helper()
	s, _, err := identity.Documents{Store: db}.Put(t.Context(), at, value, identity.Condition{})
	ok(t, err)
	return s
}

func TestDocuments_areReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		p := someone(t, db)
		first := put(t, db, p.documentKey("theme"), `{"dark":true,"nul":"\u0000"}`)
		w.pass(time.Second)
		second := put(t, db, p.documentKey("draft"), `1`)
		same(t, first, must[identity.Document](t)(db.Document(t.Context(), p.documentKey("theme"))))
		same(t, []identity.Document{second, first}, must[[]identity.Document](t)(db.Documents(t.Context(), p.user.ID, "app")))
		for _, other := range []identity.DocumentKey{
			someone(t, db).documentKey("theme"), {UserID: p.user.ID, ClientID: "other", Key: "theme"}, p.documentKey("Theme"),
		} {
			if got := must[identity.Document](t)(db.Document(t.Context(), other)); got.Exists() {
				t.Errorf("%+v holds %+v", other, got)
			}
		}
	})
}

func TestDocuments_ofManyWithOneETagExactlyOneWrites(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p, documents := someone(t, db), identity.Documents{Store: db}
		tag := put(t, db, p.documentKey("k"), `"start"`).ETag()
		won := race(func(i int) bool {
			s, _, err := documents.Put(t.Context(), p.documentKey("k"), fmt.Sprint(i), identity.Condition{Match: []string{tag}})
			if err != nil && (!errors.Is(err, identity.ErrStale) || !s.Exists() || s.ETag() == tag) {
				t.Errorf("the loser was told %v with %+v", err, s)
			}
			return err == nil
		})
		if won != 1 {
			t.Errorf("%d of 16 wrote over one version", won)
		}
		made := race(func(i int) bool {
			_, _, err := documents.Put(t.Context(), p.documentKey("new"), fmt.Sprint(i), identity.Condition{Absent: true})
			return err == nil
		})
		if made != 1 {
			t.Errorf("%d of 16 made one document", made)
		}
		tag = put(t, db, p.documentKey("k"), `"again"`).ETag()
		if gone := race(func(int) bool {
			_, err := documents.Delete(t.Context(), p.documentKey("k"), identity.Condition{Match: []string{tag}})
			return err == nil
		}); gone != 1 {
			t.Errorf("%d of 16 deleted one document", gone)
		}
	})
}

func TestDocuments_patchesOfManyAllCount(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		done := race(func(i int) bool {
			patch := fmt.Sprintf(`{"m%d":%d}`, i, i)
			_, _, err := identity.Documents{Store: db}.Patch(t.Context(), p.documentKey("k"), patch, identity.Condition{})
			if err != nil {
				t.Error(err)
			}
			return err == nil
		})
		got := must[identity.Document](t)(db.Document(t.Context(), p.documentKey("k")))
		if members := strings.Count(got.Value, ":"); done != 16 || members != 16 {
			t.Errorf("%d patches left %d members: %s", done, members, got.Value)
		}
	})
}

func TestDocuments_noMoreThan64EvenInARace(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		for i := range identity.MaxDocuments - 1 {
			put(t, db, p.documentKey(fmt.Sprint("k", i)), `{}`)
		}
		made := race(func(i int) bool {
			_, _, err := identity.Documents{Store: db}.Put(t.Context(), p.documentKey(fmt.Sprint("last", i)), `{}`, identity.Condition{})
			if err != nil {
				wantKind(t, err, identity.Conflict)
			}
			return err == nil
		})
		if made != 1 {
			t.Errorf("%d documents found room for one", made)
		}
		put(t, db, p.documentKey("k0"), `{"still":"writable"}`)
		_, err := identity.Documents{Store: db}.Delete(t.Context(), p.documentKey("k0"), identity.Condition{})
		ok(t, err)
		put(t, db, p.documentKey("fresh"), `{}`)
		put(t, db, identity.DocumentKey{UserID: p.user.ID, ClientID: "other", Key: "k"}, `{}`)
	})
}

func TestDocuments_aVersionNeverComesAgain(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) { // the clock stands still
		p, seen := someone(t, db), map[int64]bool{}
		for range 5 {
			s := put(t, db, p.documentKey("k"), `{}`)
			gone, err := identity.Documents{Store: db}.Delete(t.Context(), p.documentKey("k"), identity.Condition{})
			ok(t, err)
			if seen[s.Version] || seen[gone.Version] {
				t.Fatalf("version %d or %d came again", s.Version, gone.Version)
			}
			seen[s.Version], seen[gone.Version] = true, true
		}
		_, err := identity.Documents{Store: db}.Delete(t.Context(), p.documentKey("k"), identity.Condition{})
		wantKind(t, err, identity.NotFound)
		w.pass(31 * 24 * time.Hour)
		if swept := must[storage.SweptRows](t)(db.Sweep(t.Context())); swept.Documents != 1 {
			t.Errorf("swept %+v", swept)
		}
		if s := put(t, db, p.documentKey("k"), `{}`); seen[s.Version] {
			t.Error("a version came again after the sweep")
		}
	})
}

func TestDocuments_marksOfDeletedOnesDoNotPileUp(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		for i := range identity.MaxDocuments + 10 {
			put(t, db, p.documentKey(fmt.Sprint("k", i)), `{}`)
			_, err := identity.Documents{Store: db}.Delete(t.Context(), p.documentKey(fmt.Sprint("k", i)), identity.Condition{})
			ok(t, err)
		}
		if rows := must[map[string]int](t)(db.Count(t.Context()))["states"]; rows > identity.MaxDocuments+1 {
			t.Errorf("%d rows stay of documents that are gone", rows)
		}
	})
}
