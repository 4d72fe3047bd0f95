package storage_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

const changed = identity.EndPassword

func TestUsers_comeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		at := db.Now()
		full := identity.User{
			ID: identity.NewID(), Sub: "sub", Email: "ü@example.com", EmailVerified: true, Name: `Zoë "Z" O'Hara 🦊`,
			PasswordHash: "$argon2id$…", Epoch: 3, DisabledAt: at.Add(time.Hour), CreatedAt: at, UpdatedAt: at.Add(time.Minute),
			PasswordSetAt: at.Add(time.Second),
		}
		bare := identity.User{ID: identity.NewID(), Sub: "bare", Email: "b@example.com", CreatedAt: at, UpdatedAt: at, PasswordSetAt: at}
		for _, want := range []identity.User{full, bare} {
			ok(t, db.CreateUser(t.Context(), want))
			same(t, want, must[identity.User](t)(db.UserByID(t.Context(), want.ID)))
			same(t, want, must[identity.User](t)(db.UserByEmail(t.Context(), want.Email)))
		}
		_, err := db.UserByID(t.Context(), identity.NewID())
		wantKind(t, err, identity.NotFound)
		for _, email := range []string{"", "nobody@example.com", "nul\x00@example.com", "broken\xff@example.com"} {
			_, err := db.UserByEmail(t.Context(), email)
			wantKind(t, err, identity.NotFound)
		}
	})
}

func TestUsers_oneOfManySignUpsGetsTheAddress(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		won := race(func(int) bool {
			err := db.CreateUser(t.Context(), identity.User{ID: identity.NewID(), Sub: identity.RandomText(16), Email: "a@example.com"})
			if err == nil {
				return true
			}
			wantKind(t, err, identity.Conflict)
			if refusal, is := errors.AsType[*identity.Error](err); !is || refusal.Field != "username" {
				t.Errorf("got %v, want a refusal of username", err)
			}
			return false
		})
		if won != 1 {
			t.Errorf("%d accounts with one address", won)
		}
	})
}

func TestSetPassword_endsAllThatRestedOnTheOldOne(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p, other := someone(t, db), someone(t, db)
		for _, scope := range []string{"openid", "offline_access"} {
			p.begin(t, db, scope)
			other.begin(t, db, scope)
		}
		ok(t, storagetest.SetPassword(t.Context(), db, p.user.ID, "new"))

		user := must[identity.User](t)(db.UserByID(t.Context(), p.user.ID))
		if user.PasswordHash != "new" || user.Epoch != 1 || user.UpdatedAt.Before(p.user.UpdatedAt) {
			t.Errorf("the user became %+v", user)
		}
		standing := must[identity.Standing](t)(db.StandingOf(t.Context(), p.signIn.ID))
		if standing.SignIn.EndCause != changed || standing.SignIn.EndedAt.IsZero() {
			t.Errorf("the sign-in became %+v", standing.SignIn)
		}
		if got := []int64{p.living(t, db), other.living(t, db)}; got[0] != 0 || got[1] != 2 {
			t.Errorf("sessions left: %v, want 0 of the user and 2 of another", got)
		}
		if s, i := p.told(t, db, identity.SessionEnded, changed), p.told(t, db, identity.SignInEnded, changed); s != 2 || i != 1 {
			t.Errorf("%d sessions and %d sign-ins were told, want 2 and 1", s, i)
		}
		wantKind(t, db.StartSignIn(t.Context(), fresh(p.signIn)), identity.SignInAgain)
		wantKind(t, storagetest.SetPassword(t.Context(), db, identity.NewID(), "new"), identity.NotFound)
	})
}

func TestSetPassword_endsMoreSessionsThanOneStatementDoes(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		const many = storage.EndBatch + 3
		beginMany(t, db, p, many)
		ok(t, storagetest.SetPassword(t.Context(), db, p.user.ID, "new"))
		if left, told := p.living(t, db), p.told(t, db, identity.SessionEnded, changed); left != 0 || told != many {
			t.Errorf("%d sessions are left and %d were told of %d", left, told, many)
		}
	})
}

// A code that is redeemed while the password changes either loses, or starts a Session that the change ends.
func TestSetPassword_leavesNoSessionOfACodeBesideIt(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		for range 8 {
			p := someone(t, db)
			race(func(i int) bool {
				if i == 7 {
					ok(t, storagetest.SetPassword(t.Context(), db, p.user.ID, "new"))
					return true
				}
				promise := p.promise("offline_access")
				_, won, err := db.RedeemCode(t.Context(), promise, planned(db, promise))
				if err != nil {
					t.Error(err)
				}
				return won
			})
			if left := p.living(t, db); left != 0 {
				t.Fatalf("%d sessions outlived the password", left)
			}
		}
	})
}

func TestSetPassword_leavesNoSignInBesideIt(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		race(func(i int) bool {
			if i == 7 {
				ok(t, storagetest.SetPassword(t.Context(), db, p.user.ID, "new"))
				return true
			}
			return db.StartSignIn(t.Context(), fresh(p.signIn)) == nil
		})
		var left int64
		ok(t, db.Q(t.Context()).Raw("SELECT count(*) FROM sign_ins WHERE user_id = ? AND ended_at IS NULL", p.user.ID).Scan(&left).Error)
		if left != 0 {
			t.Errorf("%d sign-ins outlived the password", left)
		}
	})
}
