package storage_test

import (
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

// begun makes accounts that are to be confirmed, and returns the first.
func begun(t *testing.T, db *storage.DB, n int) (first identity.User) {
	t.Helper()
	for i := range n {
		u := identity.User{
			ID: identity.NewID(), Sub: identity.RandomText(16), Email: identity.RandomText(9) + "@example.com", PasswordHash: "hash",
			CreatedAt: db.Now(),
		}
		begins(t, db, u)
		ok(t, db.AddEvent(t.Context(), identity.Event{ID: identity.NewID(), At: db.Now(), Kind: identity.UserCreated, UserID: u.ID}))
		if i == 0 {
			first = u
		}
	}
	return first
}

// begins makes an account with an address that is free.
func begins(t *testing.T, db *storage.DB, u identity.User) {
	t.Helper()
	owner, held, err := db.BeginUser(t.Context(), u)
	if err != nil || owner != u.ID || held {
		t.Fatalf("a free address is %v's, held: %v (%v)", owner, held, err)
	}
}

func TestSweepUnconfirmed_takesWhatNobodyConfirmed(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		old, confirmed, letIn := begun(t, db, storage.Batch+2), begun(t, db, 1), begun(t, db, 1)
		before := someone(t, db) // made where no mail could be sent
		ok(t, db.VerifyEmail(t.Context(), confirmed.ID, confirmed.Email))
		ok(t, db.LetIn(t.Context(), letIn.ID))
		if n := must[int](t)(db.SweepUnconfirmed(t.Context(), w.Now())); n != 0 {
			t.Errorf("%d went too early", n)
		}
		w.pass(time.Second)
		young := begun(t, db, 1)
		if n := must[int](t)(db.SweepUnconfirmed(t.Context(), w.Now())); n != storage.Batch+2 {
			t.Errorf("%d went", n)
		}
		for _, u := range []identity.User{confirmed, letIn, before.user, young} {
			must[identity.User](t)(db.UserByID(t.Context(), u.ID))
		}
		_, err := db.UserByEmail(t.Context(), old.Email)
		wantKind(t, err, identity.NotFound)
		events := must[[]identity.Event](t)(db.Events(t.Context(), identity.EventQuery{UserID: old.ID, Limit: 9}))
		if len(events) != 1 || events[0].Kind != identity.UserDeleted || events[0].Detail != "never confirmed" {
			t.Errorf("its history is %+v", events)
		}
		old.ID, old.Sub, old.CreatedAt = identity.NewID(), identity.RandomText(16), db.Now()
		begins(t, db, old) // the address is free again
	})
}
