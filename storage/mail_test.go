package storage_test

import (
	"context"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// mailed writes a link of a user and returns it.
func mailed(t *testing.T, db *storage.DB, userID identity.ID, kind identity.LinkKind) identity.MailLink {
	t.Helper()
	l := identity.MailLink{
		LinkFor: identity.LinkFor{UserID: userID, Kind: kind, Detail: "ada@example.com"}, Slot: string(kind),
		SecretHash: identity.NewSecret().Hash(), ExpiresAt: db.Now().Add(time.Hour),
	}
	ok(t, db.WriteMailLink(t.Context(), l))
	return l
}

func alive(t *testing.T, db *storage.DB, l identity.MailLink) bool {
	t.Helper()
	detail, alive, err := db.ReadMailLink(t.Context(), l)
	ok(t, err)
	if alive && detail != l.Detail {
		t.Errorf("detail %q, want %q", detail, l.Detail)
	}
	return alive
}

func TestMailLink_onlyOneOfManySpendsIt(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		l := mailed(t, db, someone(t, db).user.ID, identity.LinkReset)
		won := race(func(int) bool {
			_, alive, err := db.SpendMailLink(t.Context(), l)
			ok(t, err)
			return alive
		})
		if won != 1 || alive(t, db, l) {
			t.Errorf("spent %d times; alive after it: %v", won, alive(t, db, l))
		}
	})
}

func TestMailLink_worksForItsSecretUntilItsTimeOrTheNext(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		p := someone(t, db)
		first := mailed(t, db, p.user.ID, identity.LinkVerify)
		guess, other := first, first
		guess.SecretHash, other.UserID = identity.NewSecret().Hash(), identity.NewID()
		if alive(t, db, guess) || alive(t, db, other) || !alive(t, db, first) {
			t.Error("a guess or another user's link works, or the link itself does not")
		}
		next := mailed(t, db, p.user.ID, identity.LinkVerify)
		if alive(t, db, first) || !alive(t, db, next) {
			t.Error("the next link did not take the place of the first")
		}
		w.pass(time.Hour)
		if alive(t, db, next) {
			t.Error("alive after its time")
		}
		w.pass(time.Hour + time.Microsecond)
		same(t, storage.SweptRows{MailLinks: 1}, must[storage.SweptRows](t)(db.Sweep(t.Context())))
	})
}

// The epoch is read under the user's lock: a change that is being committed voids what is spent meanwhile.
func TestMailLink_isVoidOnceWhatOpensTheAccountHasChanged(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		links := map[identity.LinkKind]identity.MailLink{}
		for _, kind := range []identity.LinkKind{identity.LinkReset, identity.LinkVerify, identity.LinkEmail, identity.LinkNotMe} {
			links[kind] = mailed(t, db, p.user.ID, kind)
		}
		spent, over := false, func() {}
		ok(t, db.InTx(t.Context(), func(ctx context.Context) error {
			_, err := db.End(ctx, identity.Ending{User: p.user.ID, Cause: identity.EndPassword})
			ok(t, err)
			over = heldUp(t, db, func() {
				ok(t, db.InTx(t.Context(), func(ctx context.Context) (err error) {
					_, spent, err = db.SpendMailLink(ctx, links[identity.LinkReset])
					return err
				}))
			})
			return nil
		}))
		if over(); spent {
			t.Error("a link was spent that the change before had made void")
		}
		for kind, l := range links {
			if want := kind == identity.LinkNotMe; alive(t, db, l) != want {
				t.Errorf("%s alive: %v", kind, !want)
			}
			l.Epoch++
			if !alive(t, db, l) {
				t.Errorf("%s of the new epoch is void", kind)
			}
		}
	})
}
