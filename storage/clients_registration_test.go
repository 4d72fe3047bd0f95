package storage_test

import (
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// registered makes a client with a registration access token of that hash.
func registered(t *testing.T, db *storage.DB, hash string) identity.Client {
	t.Helper()
	c := identity.Client{ID: "third", SelfRegistered: true, RegistrationHash: []byte(hash), CreatedAt: db.Now()}
	ok(t, db.CreateClient(t.Context(), c))
	return c
}

// update sends a change with the token presented and makes next the new one.
func update(t *testing.T, db *storage.DB, c identity.Client, presented, next string) error {
	t.Helper()
	c.PreviousHash, c.RegistrationHash = []byte(presented), []byte(next)
	return db.UpdateClient(t.Context(), c)
}

func TestUpdateClient_writesOnlyWhatAClientMayChange(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		c := registered(t, db, "one")
		must[identity.Client](t)(db.ClientByID(t.Context(), c.ID)) // cached
		want := everyField(db.Now())
		want.ID, want.RegistrationHash, want.PreviousHash = c.ID, []byte("two"), []byte("one")
		ok(t, db.UpdateClient(t.Context(), want))
		want.Trusted, want.SelfRegistered, want.CreatedAt, want.FirstUsedAt = false, true, c.CreatedAt, time.Time{}
		same(t, want, must[identity.Client](t)(db.ClientByID(t.Context(), c.ID)))
	})
}

func TestUpdateClient_thePreviousTokenLivesUntilTheNewOneIsUsed(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		c := registered(t, db, "one")
		ok(t, update(t, db, c, "one", "two"))
		ok(t, update(t, db, c, "one", "three")) // the answer was lost
		wantKind(t, update(t, db, c, "two", "four"), identity.Conflict)

		ok(t, db.ConfirmRegistrationToken(t.Context(), c.ID, []byte("one"))) // the old one confirms nothing
		ok(t, update(t, db, c, "one", "three"))
		ok(t, db.ConfirmRegistrationToken(t.Context(), c.ID, []byte("three")))
		wantKind(t, update(t, db, c, "one", "four"), identity.Conflict)
		got := must[identity.Client](t)(db.ClientByID(t.Context(), c.ID))
		if string(got.RegistrationHash) != "three" || got.PreviousHash != nil {
			t.Errorf("the tokens became %q, %q", got.RegistrationHash, got.PreviousHash)
		}
		ok(t, update(t, db, c, "three", "four"))
	})
}

func TestUpdateClient_nothingPresentedIsNoToken(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		c := registered(t, db, "one")
		wantKind(t, update(t, db, c, "", "two"), identity.Conflict)
		operator := identity.Client{ID: "operator", CreatedAt: db.Now()}
		ok(t, db.CreateClient(t.Context(), operator))
		operator.Name = "Renamed"
		ok(t, db.UpdateClient(t.Context(), operator))
		same(t, operator, must[identity.Client](t)(db.ClientByID(t.Context(), "operator")))
	})
}

func TestUpdateClient_afterAConfirmedUpdateAllOthersLose(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		c := registered(t, db, "one")
		won := race(func(i int) bool {
			next := string(rune('a' + i))
			if update(t, db, c, "one", next) != nil {
				return false
			}
			ok(t, db.ConfirmRegistrationToken(t.Context(), c.ID, []byte(next)))
			return string(must[identity.Client](t)(db.ClientByID(t.Context(), c.ID)).RegistrationHash) == next
		})
		if got := must[identity.Client](t)(db.ClientByID(t.Context(), c.ID)); won < 1 || got.PreviousHash != nil {
			t.Errorf("%d of 16 updates were confirmed, and %q is left", won, got.PreviousHash)
		}
	})
}

func TestSpendRegistrationToken_asOftenAsItSays(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		ok(t, db.CreateRegistrationToken(t.Context(), []byte("hash"), 3, w.Now().Add(time.Hour)))
		spent := race(func(int) bool {
			err := db.SpendRegistrationToken(t.Context(), []byte("hash"))
			if err != nil {
				wantKind(t, err, identity.BadLogin)
			}
			return err == nil
		})
		if spent != 3 {
			t.Errorf("it was spent %d times, want 3", spent)
		}
		ok(t, db.CreateRegistrationToken(t.Context(), []byte("late"), 3, w.Now().Add(time.Hour)))
		w.pass(time.Hour)
		wantKind(t, db.SpendRegistrationToken(t.Context(), []byte("late")), identity.BadLogin)
		wantKind(t, db.SpendRegistrationToken(t.Context(), []byte("unknown")), identity.BadLogin)
	})
}
