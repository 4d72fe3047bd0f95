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

func TestSetUserDisabled_shutsTheDoorOnceAndResurrectsNothing(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		for _, want := range []bool{true, false} {
			same(t, want, must[bool](t)(db.SetUserDisabled(t.Context(), p.user.ID, db.Now())))
		}
		wantKind(t, db.StartSignIn(t.Context(), fresh(p.signIn)), identity.SignInAgain)
		for _, want := range []bool{true, false} {
			same(t, want, must[bool](t)(db.SetUserDisabled(t.Context(), p.user.ID, time.Time{})))
		}
		standing := must[identity.Standing](t)(db.StandingOf(t.Context(), p.signIn.ID))
		if standing.User.Epoch == standing.SignIn.Epoch {
			t.Error("a sign-in from before the lock is good again")
		}
		_, err := db.SetUserDisabled(t.Context(), identity.NewID(), db.Now())
		wantKind(t, err, identity.NotFound)
	})
}

func TestDeleteUser_leavesNothingBehind(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		h, bystander := newHousehold(t, db), newHousehold(t, db)
		ok(t, failed(db.SaveGrant(t.Context(), identity.Grant{UserID: h.user.ID, ClientID: "app", UpdatedAt: db.Now()}, identity.MaxGrants)))
		must[identity.Struck](t)(db.End(t.Context(), identity.Ending{Session: h.online.ID, Cause: identity.EndDevice}))
		operators := identity.Operators{Store: db, Now: db.Now}
		ok(t, operators.DeleteUser(identity.WithActor(t.Context(), "cli:ada"), h.user.ID))
		for _, table := range []string{"sessions", "sign_ins", "grants", "users"} {
			column := map[bool]string{true: "id", false: "user_id"}[table == "users"]
			var left int64
			ok(t, db.Q(t.Context()).Raw("SELECT count(*) FROM "+table+" WHERE "+column+" = ?", h.user.ID).Scan(&left).Error)
			if left != 0 {
				t.Errorf("%d rows are left in %s", left, table)
			}
		}
		events := must[[]identity.Event](t)(db.Events(t.Context(), identity.EventQuery{UserID: h.user.ID, Limit: 10}))
		if len(events) != 1 || events[0].Kind != identity.UserDeleted || events[0].Actor != "cli:ada" {
			t.Errorf("what is told of it: %v", events)
		}
		if left := bystander.alive(t, db); len(left) != 6 {
			t.Errorf("of somebody else, only %v lives on", left)
		}
		wantKind(t, operators.DeleteUser(t.Context(), h.user.ID), identity.NotFound)
	})
}

func TestEmail_changesOnlyToAFreeOneAndIsVerifiedOnlyWhereItWasSent(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p, other := someone(t, db), someone(t, db)
		wantKind(t, db.SetEmail(t.Context(), p.user.ID, other.user.Email), identity.Conflict)
		wantKind(t, db.VerifyEmail(t.Context(), p.user.ID, "old@example.com"), identity.NotFound)
		ok(t, db.VerifyEmail(t.Context(), other.user.ID, other.user.Email))
		ok(t, db.SetEmail(t.Context(), p.user.ID, "new-"+p.user.Email))
		ok(t, db.SetName(t.Context(), p.user.ID, "Zoë"))
		for id, want := range map[identity.ID]string{p.user.ID: "new-" + p.user.Email, other.user.ID: other.user.Email} {
			u := must[identity.User](t)(db.UserByID(t.Context(), id))
			if u.Email != want || !u.EmailVerified {
				t.Errorf("it became %+v", u)
			}
		}
	})
}

func TestAdvance_writesWhatTheAppSaysOfItsDeviceAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		promise := p.promise("offline_access")
		s := planned(db, promise)
		s.Device = identity.Device{Name: "Zoë's phone", Model: "Pixel 9", AppVersion: "1.0", InstallID: "i"}
		if _, won, err := db.RedeemCode(t.Context(), promise, s); !won || err != nil {
			t.Fatal(won, err)
		}
		same(t, s.Device, must[identity.Session](t)(db.SessionByID(t.Context(), s.ID)).Device)
		want := s.Device
		for i, said := range []identity.Device{{}, {AppVersion: "1.1"}, want, {InstallID: "j"}} {
			turn := turn(s, db.Now())
			turn.Generation, turn.Device, want = uint32(i), said, said.Or(want)
			if _, done, err := db.Advance(t.Context(), turn); !done || err != nil {
				t.Fatal(done, err)
			}
			same(t, want, must[identity.Session](t)(db.SessionByID(t.Context(), s.ID)).Device)
		}
	})
}

func TestClients_disabledOnesAreNowhere(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		s := p.begin(t, db, "offline_access")
		operators := identity.Operators{Store: db, Now: db.Now}
		for _, want := range []bool{true, false} {
			same(t, want, must[bool](t)(operators.DisableClient(t.Context(), "app")))
		}
		_, err := db.ClientByID(t.Context(), "app")
		wantKind(t, err, identity.NotFound)
		_, err = db.LiveSession(t.Context(), s.ID, "")
		wantKind(t, err, identity.NotFound)
		promise := p.promise("offline_access")
		if _, won, err := db.RedeemCode(t.Context(), promise, planned(db, promise)); won || err != nil {
			t.Errorf("a code of it was redeemed: %v, %v", won, err)
		}
		for _, want := range []bool{true, false} {
			same(t, want, must[bool](t)(operators.EnableClient(t.Context(), "app")))
		}
		if got := must[identity.Session](t)(db.SessionByID(t.Context(), s.ID)); got.EndCause != identity.EndClientOff {
			t.Errorf("enabling it resurrected a session: %+v", got)
		}
		p.begin(t, db, "offline_access")
		_, err = operators.DisableClient(t.Context(), "nobody")
		wantKind(t, err, identity.NotFound)
	})
}
