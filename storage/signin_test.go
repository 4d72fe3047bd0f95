package storage_test

import (
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// fresh is a SignIn like s in another browser.
func fresh(s identity.SignIn) identity.SignIn {
	s.ID = identity.NewID()
	return s
}

func TestStandingOf_saysAllInOneRead(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		want := identity.Standing{SignIn: p.signIn, User: p.user}
		same(t, want, must[identity.Standing](t)(db.StandingOf(t.Context(), p.signIn.ID)))

		ok(t, db.CreateTOTP(t.Context(), mfa.Authenticator{UserID: p.user.ID, Secret: []byte("s"), ConfirmedAt: db.Now()}))
		want.Factors = []identity.Factor{identity.TOTP}
		same(t, want, must[identity.Standing](t)(db.StandingOf(t.Context(), p.signIn.ID)))
		same(t, identity.Standing{}, must[identity.Standing](t)(db.StandingOf(t.Context(), identity.NewID())))
	})
}

func TestStartSignIn_refusesALockedUserAndAnOldEpoch(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		old := fresh(p.signIn)
		old.Epoch = 7
		wantKind(t, db.StartSignIn(t.Context(), old), identity.SignInAgain)
		exec(t, db, "UPDATE users SET disabled_at = 1 WHERE id = ?", p.user.ID)
		wantKind(t, db.StartSignIn(t.Context(), fresh(p.signIn)), identity.SignInAgain)
	})
}

func TestProveSignIn_writesWhatWasProved(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		p := someone(t, db)
		w.pass(time.Minute)
		next := p.signIn
		next.SecretHash, next.Epoch, next.AMR = identity.NewSecret().Hash(), 4, identity.PWD|identity.OTP|identity.MFA
		next.ProvedAt, next.LastUsedAt, next.IdleEndsAt = w.Now(), w.Now(), w.Now().Add(time.Hour)
		ok(t, db.ProveSignIn(t.Context(), next, p.signIn.SecretHash))
		same(t, next, must[identity.Standing](t)(db.StandingOf(t.Context(), next.ID)).SignIn)

		wantKind(t, db.ProveSignIn(t.Context(), next, p.signIn.SecretHash), identity.SignInAgain)
		ok(t, storagetest.EndSignIn(t.Context(), db, next.ID, identity.EndSignedOut))
		wantKind(t, db.ProveSignIn(t.Context(), next, next.SecretHash), identity.SignInAgain)
	})
}

func TestProveSignIn_refusesAnExpiredOne(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		p := someone(t, db)
		w.pass(time.Hour)
		wantKind(t, db.ProveSignIn(t.Context(), p.signIn, p.signIn.SecretHash), identity.SignInAgain)
	})
}

func TestProveSignIn_oneOfManyTabsWins(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		won := race(func(int) bool {
			next := p.signIn
			next.SecretHash = identity.NewSecret().Hash()
			return db.ProveSignIn(t.Context(), next, p.signIn.SecretHash) == nil
		})
		if won != 1 {
			t.Errorf("%d tabs changed the same cookie, want 1", won)
		}
	})
}

func TestTouchSignIn_slidesForwardsOnly(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		later := p.signIn
		later.LastUsedAt, later.IdleEndsAt = later.LastUsedAt.Add(time.Hour), later.IdleEndsAt.Add(time.Hour)
		ok(t, db.TouchSignIn(t.Context(), later))
		ok(t, db.TouchSignIn(t.Context(), p.signIn))
		same(t, later, must[identity.Standing](t)(db.StandingOf(t.Context(), p.signIn.ID)).SignIn)
	})
}

func TestEndSignIn_endsTheSessionsThatLiveAsLongAsIt(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		bound, offline := p.begin(t, db, "openid"), p.begin(t, db, "openid", "offline_access")
		ok(t, storagetest.EndSignIn(t.Context(), db, p.signIn.ID, identity.EndSignedOut))
		ok(t, storagetest.EndSignIn(t.Context(), db, p.signIn.ID, identity.EndReplaced)) // over already: nothing

		got := must[identity.Session](t)(db.SessionByID(t.Context(), bound.ID))
		if got.EndCause != identity.EndSignedOut || got.Alive(db.Now()) {
			t.Errorf("the session became %+v", got)
		}
		same(t, offline, must[identity.Session](t)(db.SessionByID(t.Context(), offline.ID)))
		standing := must[identity.Standing](t)(db.StandingOf(t.Context(), p.signIn.ID))
		if standing.SignIn.EndCause != identity.EndSignedOut || standing.SignIn.EndedAt.IsZero() {
			t.Errorf("the sign-in became %+v", standing.SignIn)
		}
		for _, kind := range []identity.EventKind{identity.SignInEnded, identity.SessionEnded} {
			if n := p.told(t, db, kind, identity.EndSignedOut); n != 1 {
				t.Errorf("%d events %s, want 1", n, kind)
			}
		}
		if n := p.told(t, db, identity.SignInEnded, identity.EndReplaced); n != 0 {
			t.Error("it was told to have ended twice")
		}
	})
}

func TestEndSignIn_leavesNoBoundSessionOfACodeBesideIt(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		for range 8 {
			p := someone(t, db)
			race(func(i int) bool {
				if i == 7 {
					ok(t, storagetest.EndSignIn(t.Context(), db, p.signIn.ID, identity.EndSignedOut))
					return true
				}
				promise := p.promise("openid")
				_, won, err := db.RedeemCode(t.Context(), promise, planned(db, promise))
				if err != nil {
					t.Error(err)
				}
				return won
			})
			if left := p.living(t, db); left != 0 {
				t.Fatalf("%d sessions outlived the sign-in", left)
			}
		}
	})
}
