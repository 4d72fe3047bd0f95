package storage_test

import (
	"context"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// An account from before domains were kept in their ASCII form has its address as its owner typed it.
func TestUsers_bothSpellingsOfADomainAreOneAccount(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		const typed, now = "ada@b\u00fccher.example", "ada@xn--bcher-kva.example"
		old, other := someone(t, db), someone(t, db)
		exec(t, db, "UPDATE users SET email = ? WHERE id = ?", typed, old.user.ID)
		if u := must[identity.User](t)(db.UserByEmail(t.Context(), now)); u.ID != old.user.ID {
			t.Errorf("the account is %v", u.ID)
		}
		listed := must[[]identity.Account](t)(db.Accounts(t.Context(), identity.AccountQuery{Email: now, Limit: 2}))
		if len(listed) != 1 || listed[0].ID != old.user.ID {
			t.Errorf("operators find %d accounts", len(listed))
		}
		another := other.user
		another.ID, another.Sub, another.Email = identity.NewID(), identity.RandomText(16), now
		wantKind(t, db.CreateUser(t.Context(), another), identity.Conflict)
		wantKind(t, db.InTx(t.Context(), func(ctx context.Context) error {
			return db.SetEmail(ctx, other.user.ID, now)
		}), identity.Conflict)
		ok(t, db.SetEmail(t.Context(), old.user.ID, "ada@example.com"))
		wantKind(t, db.InTx(t.Context(), func(ctx context.Context) error { // it may go back to its owner, in both spellings
			return db.SetEmail(ctx, other.user.ID, now)
		}), identity.Conflict)
		ok(t, db.SetEmail(identity.WithActor(t.Context(), "cli:grace"), other.user.ID, now))
		if u := must[identity.User](t)(db.UserByEmail(t.Context(), now)); u.ID != other.user.ID || u.Email != now {
			t.Errorf("the address is %v's", u.ID)
		}
	})
}
