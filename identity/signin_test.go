package identity_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestSignIn_cookieChangesWithEveryPrivilege(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		first := w.signIn()
		before := w.standing(first)
		second, err := w.signIns.Strengthen(w.Context(), before, identity.TOTP)
		if err != nil {
			w.Fatal(err)
		}
		if w.standing(first).SignedIn() {
			w.Error("the cookie from before the second factor still works (fixation)")
		}
		after := w.standing(second)
		if after.SignIn.ID != before.SignIn.ID || !after.SignIn.AMR.Has(identity.MFA) {
			w.Errorf("%+v", after.SignIn)
		}
		third, err := w.signIns.Begin(w.Context(), identity.Attempt{Email: w.user.Email, Password: password, Before: after})
		if err != nil {
			w.Fatal(err)
		}
		again := w.standing(third)
		if w.standing(second).SignedIn() || again.SignIn.ID != before.SignIn.ID || again.SignIn.AMR != identity.PWD {
			w.Error("a new password proof must go on under a new cookie, with its own methods only")
		}
	})
}

func TestSignIn_saysWhichFactorWasShown(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		for factor, amr := range map[identity.Factor][]string{
			identity.TOTP:                        {"pwd", "otp", "mfa"},
			identity.RecoveryCode:                {"pwd", "otp", "mfa"},
			{Name: "passkey", AMR: identity.HWK}: {"pwd", "mfa", "hwk"},
		} {
			cookie, err := w.signIns.Strengthen(w.Context(), w.standing(w.signIn()), factor)
			if err != nil {
				w.Fatal(err)
			}
			if diff := cmp.Diff(amr, w.standing(cookie).SignIn.AMR.Names()); diff != "" {
				w.Errorf("%s: the amr claim (-want +got):\n%s", factor.Name, diff)
			}
			events, err := w.db.Events(w.Context(), identity.EventQuery{UserID: w.user.ID, Limit: 1})
			if err != nil || events[0].Kind != identity.SignedIn || events[0].Detail != factor.Name {
				w.Errorf("%s: told as %+v (%v)", factor.Name, events, err)
			}
		}
	})
}

func TestSignIn_anotherPersonEndsTheOneBefore(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		mine := w.signIn()
		bob := identity.NewUser{Email: "bob@example.com", Password: password}
		if _, err := w.users.Add(w.Context(), bob); err != nil {
			w.Fatal(err)
		}
		_, err := w.signIns.Begin(w.Context(), identity.Attempt{Email: bob.Email, Password: password, Before: w.standing(mine)})
		if err != nil {
			w.Fatal(err)
		}
		if w.standing(mine).SignedIn() {
			w.Error("the sign-in that no browser holds any more goes on")
		}
	})
}

func TestSignIn_expiryAndSliding(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		cookie := w.signIn()
		for range 27 { // within the idle time each, up to the absolute end
			w.clock.advance(12*time.Hour - time.Second)
			if !w.standing(cookie).SignedIn() {
				w.Fatal("a sign-in in use went idle")
			}
		}
		w.clock.advance(12 * time.Hour)
		if w.standing(cookie).SignedIn() {
			w.Error("a sign-in lives beyond its absolute end")
		}
		idle := w.signIn()
		w.clock.advance(12 * time.Hour)
		if w.standing(idle).SignedIn() {
			w.Error("an idle sign-in lives")
		}
	})
}

func TestSignIn_aPasswordChangeEndsItEverywhere(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		cookie, token := w.signIn(), w.start()
		if err := w.users.SetPassword(w.Context(), w.user.Email, "a new long password"); err != nil {
			w.Fatal(err)
		}
		if w.standing(cookie).SignedIn() {
			w.Error("the browser is still signed in")
		}
		_, err := w.refresh(token)
		w.wantRefused(err, "an offline Session after a password change")
		_, err = w.signIns.Begin(w.Context(), identity.Attempt{Email: w.user.Email, Password: password})
		if identity.KindOf(err) != identity.BadLogin {
			w.Errorf("the old password: %v", err)
		}
	})
}

func TestSignIn_missesCostAWaitForPersonAndNetwork(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		try := func(email, pw, from string) identity.Kind {
			_, err := w.signIns.Begin(w.Context(), identity.Attempt{Email: email, Password: pw, Seen: identity.Seen{Address: from}})
			if err == nil {
				return -1
			}
			return identity.KindOf(err)
		}
		for _, who := range []string{w.user.Email, "nobody@example.com"} { // whether an account exists makes no difference
			for i := range 5 {
				if got := try(who, "wrong password", "192.0.2.1"); got != identity.BadLogin {
					w.Fatalf("%s, miss %d: %v", who, i, got)
				}
			}
			if got := try(who, password, "192.0.2.99"); got != identity.Throttled {
				w.Errorf("%s: after five misses the right password from elsewhere: %v, want a wait", who, got)
			}
		}
		w.clock.advance(31 * time.Second)
		if got := try(w.user.Email, password, "192.0.2.1"); got != -1 {
			w.Errorf("after the wait: %v", got)
		}
		if got := try(w.user.Email, "wrong password", "192.0.2.1"); got != identity.BadLogin {
			w.Errorf("a success did not clear the misses: %v", got)
		}
	})
}

func TestSignIn_sixteenParallelGuessesAreCountedOneByOne(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		judged := 0
		for _, err := range race(16, func(int) error {
			_, err := w.signIns.Begin(w.Context(), identity.Attempt{Email: w.user.Email, Password: "wrong password"})
			return err
		}) {
			switch identity.KindOf(err) {
			case identity.BadLogin:
				judged++
			case identity.Throttled:
			default:
				w.Errorf("%v", err)
			}
		}
		if judged > identity.PasswordThrottle.Free {
			w.Errorf("%d guesses were judged, %d are free", judged, identity.PasswordThrottle.Free)
		}
	})
}

// A cost that was raised reaches everyone at their next sign-in, and changes nothing else of the account.
func TestSignIn_makesAHashOfAnotherCostAnew(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		cookie := w.signIn()
		w.signIns.Passwords = identity.NewPasswords(identity.HashCost{Memory: 128, Passes: 1})
		for range 2 {
			w.signIn()
			user, err := w.db.UserByID(w.Context(), w.user.ID)
			if err != nil || !strings.HasPrefix(user.PasswordHash, "$argon2id$v=19$m=128,t=1,p=1$") {
				w.Fatalf("%.40s, %v", user.PasswordHash, err)
			}
			if user.Epoch != w.user.Epoch || !user.PasswordSetAt.Equal(w.user.PasswordSetAt) {
				w.Error("a new hash of the same password counts as a new password")
			}
		}
		if !w.standing(cookie).SignedIn() {
			w.Error("a new hash of the same password ended a sign-in")
		}
	})
}

// Whoever changes the password while the old one's hash is made anew must not find the old one back.
func TestSignIn_aHashMadeAnewDoesNotBringAnOldPasswordBack(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		if err := w.users.SetPassword(w.Context(), w.user.Email, "another horse battery"); err != nil {
			w.Fatal(err)
		}
		changed, err := w.db.UserByID(w.Context(), w.user.ID)
		if err != nil {
			w.Fatal(err)
		}
		if err := w.db.RenewHash(w.Context(), w.user.ID, w.user.PasswordHash, "late"); err != nil {
			w.Fatal(err)
		}
		if now, err := w.db.UserByID(w.Context(), w.user.ID); err != nil || now.PasswordHash != changed.PasswordHash {
			w.Errorf("%.40s, %v", now.PasswordHash, err)
		}
	})
}

// Whoever is guessed at can see it, by whichever door, and a flood of guesses is one line with a count.
func TestSignIn_wrongPasswordsAreToldOfWithWhereTheyCameFrom(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		standing, seen := w.standing(w.signIn()), identity.Seen{Address: "192.0.2.77"}
		for range 3 {
			_, err := w.signIns.Begin(w.Context(), identity.Attempt{Email: w.user.Email, Password: "wrong wrong", Seen: seen})
			if identity.KindOf(err) != identity.BadLogin {
				w.Fatal(err)
			}
		}
		credentials := w.byMail().Credentials
		_, err := credentials.ChangePassword(w.Context(), standing, identity.NewPassword{Current: "wrong", New: "another long password", Seen: seen})
		if identity.KindOf(err) != identity.BadLogin {
			w.Fatal(err)
		}
		all, err := w.db.Events(w.Context(), identity.EventQuery{Limit: 100})
		if err != nil {
			w.Fatal(err)
		}
		told := map[string]int{}
		for _, e := range all {
			if e.Kind == identity.PasswordRefused && e.UserID == w.user.ID && e.Address == seen.Address {
				told[e.Detail] += 1 + e.Repeats
			}
		}
		if want := map[string]int{"sign-in": 3, "password change": 1}; !maps.Equal(told, want) {
			w.Errorf("told %v, want %v", told, want)
		}
		before := len(all)
		_, err = w.signIns.Begin(w.Context(), identity.Attempt{Email: "nobody@example.com", Password: "wrong wrong", Seen: seen})
		if all, _ = w.db.Events(w.Context(), identity.EventQuery{Limit: 100}); identity.KindOf(err) != identity.BadLogin || len(all) != before {
			w.Errorf("an address that nobody has leaves an event (%v)", err)
		}
	})
}
