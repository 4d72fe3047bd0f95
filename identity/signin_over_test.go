package identity_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func TestSignIn_thatIsOverSaysWhyAndNothingElse(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		end  func(w *world, s identity.SignIn) error
		want identity.EndCause
	}{
		"idle":    {passing(12 * time.Hour), identity.EndIdle},
		"expired": {passing(14 * 24 * time.Hour), identity.EndExpired},
		"ended": {func(w *world, s identity.SignIn) error {
			return storagetest.EndSignIn(w.Context(), w.db, s.ID, identity.EndNotMe)
		}, identity.EndNotMe},
		"credential changed": {func(w *world, s identity.SignIn) error {
			_, err := w.db.End(w.Context(), identity.Ending{User: s.UserID, Cause: identity.EndPassword})
			return err
		}, identity.EndPassword},
		"account locked": {func(w *world, s identity.SignIn) error {
			_, err := w.db.SetUserDisabled(w.Context(), s.UserID, w.clock.now())
			return err
		}, identity.EndLocked},
		"account deleted": {func(w *world, s identity.SignIn) error {
			return w.db.DeleteUser(w.Context(), s.UserID)
		}, identity.EndExpired},
	} {
		t.Run(strings.ReplaceAll(what, " ", "_"), func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				cookie := w.signIn()
				if err := c.end(w, w.standing(cookie).SignIn); err != nil {
					w.Fatal(err)
				}
				got := w.standing(cookie)
				if got.SignedIn() || got.Over != c.want || got.User.Email != "" || got.StepUp(w.clock.now()) != identity.StepSignIn {
					w.Errorf("it says %+v, want over: %s", got, c.want)
				}
			})
		})
	}
}

func passing(span time.Duration) func(*world, identity.SignIn) error {
	return func(w *world, _ identity.SignIn) error {
		w.clock.advance(span)
		return nil
	}
}

func TestSignIn_thatIsOverIsNotToldToAnOldOrForgedCookie(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		old := w.signIn()
		if _, err := w.signIns.Strengthen(w.Context(), w.standing(old), identity.TOTP); err != nil {
			w.Fatal(err)
		}
		w.clock.advance(13 * time.Hour)
		for _, cookie := range []string{"", "garbage", old, old + "A"} {
			if got := w.standing(cookie); got.Over != "" || got.SignedIn() {
				w.Errorf("%q: %+v", cookie, got)
			}
		}
	})
}

func TestStanding_isFreshForTenMinutesAndWithEveryFactor(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	proved := func(ago time.Duration, amr identity.AMR, enrolled bool) identity.Standing {
		signIn := identity.SignIn{ID: identity.NewID(), ProvedAt: now.Add(-ago), AMR: amr}
		standing := identity.Standing{SignIn: signIn}
		if enrolled {
			standing.Factors = []identity.Factor{identity.TOTP}
		}
		return standing
	}
	both := identity.PWD | identity.OTP | identity.MFA
	for what, c := range map[string]struct {
		standing identity.Standing
		missing  identity.Step
	}{
		"nobody":                      {identity.Standing{}, identity.StepSignIn},
		"just now":                    {proved(0, identity.PWD, false), identity.StepNone},
		"ten minutes ago":             {proved(10*time.Minute, identity.PWD, false), identity.StepNone},
		"longer ago":                  {proved(10*time.Minute+1, identity.PWD, false), identity.StepSignIn},
		"without the second factor":   {proved(0, identity.PWD, true), identity.StepFactor},
		"with the second factor":      {proved(0, both, true), identity.StepNone},
		"long ago with second factor": {proved(time.Hour, both, true), identity.StepSignIn},
	} {
		if got := c.standing.StepUp(now); got != c.missing {
			t.Errorf("%s: missing is %v, want %v", what, got, c.missing)
		}
	}
}
