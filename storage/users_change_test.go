package storage_test

import (
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

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
		ok(t, db.SaveGrant(t.Context(), identity.Grant{UserID: h.user.ID, ClientID: "app", UpdatedAt: db.Now()}))
		must[bool](t)(db.EndSession(t.Context(), h.online.ID, identity.EndDevice))
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
		events := must[[]identity.Event](t)(db.EventsOf(t.Context(), h.user.ID, 10))
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

func TestDescribeSession_keepsWhatIsNotSaid(t *testing.T) {
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
		ok(t, db.DescribeSession(t.Context(), s.ID, identity.Device{AppVersion: "1.1"}))
		want := s.Device
		want.AppVersion = "1.1"
		same(t, want, must[identity.Session](t)(db.SessionByID(t.Context(), s.ID)).Device)
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
