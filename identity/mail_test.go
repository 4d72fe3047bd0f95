package identity_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func (w *world) mailLinks() identity.MailLinks {
	return identity.MailLinks{Store: w.db, Keys: w.keys, Now: w.clock.now}
}

func (w *world) mailed(kind identity.LinkKind, detail string) string {
	w.Helper()
	to := identity.LinkFor{UserID: w.user.ID, Kind: kind, Detail: detail, Epoch: w.account().Epoch}
	text, err := w.mailLinks().Make(w.Context(), to)
	if err != nil {
		w.Fatal(err)
	}
	return text
}

// wantOver checks that a link is refused, by the one sentence that all such links get.
func (w *world) wantOver(text string, kind identity.LinkKind, why string) {
	w.Helper()
	_, read := w.mailLinks().Read(w.Context(), text, kind)
	_, spent := w.mailLinks().Spend(w.Context(), text, kind)
	w.wantLinkOver(read, why)
	w.wantLinkOver(spent, why)
}

func TestMailLinks_sayForWhomAndWhatAndWorkOnce(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		text := w.mailed(identity.LinkVerify, w.user.Email)
		want := identity.LinkFor{UserID: w.user.ID, Kind: identity.LinkVerify, Detail: w.user.Email}
		for range 3 { // a mail scanner looks first
			if got, err := w.mailLinks().Read(w.Context(), text, identity.LinkVerify); err != nil || got != want {
				w.Fatalf("read %+v, %v", got, err)
			}
		}
		if strings.Contains(text, "ada") || !strings.HasPrefix(text, "sj_ml_") {
			w.Errorf("the link says %q", text)
		}
		won := 0
		for _, err := range race(16, func(int) error {
			_, err := w.mailLinks().Spend(w.Context(), text, identity.LinkVerify)
			return err
		}) {
			if err == nil {
				won++
			}
		}
		if won != 1 {
			w.Errorf("spent %d times, want once", won)
		}
		w.wantOver(text, identity.LinkVerify, "used")
	})
}

func TestMailLinks_allThatDoNotWorkGetOneAnswer(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		old := w.mailed(identity.LinkReset, "")
		text := w.mailed(identity.LinkReset, "")
		w.wantOver(old, identity.LinkReset, "replaced")
		w.wantOver(text, identity.LinkVerify, "of another kind")
		w.wantOver("", identity.LinkReset, "none")
		w.wantOver(text[:len(text)-1], identity.LinkReset, "cut short")
		w.wantOver(text+"\n", identity.LinkReset, "with a line break")
		w.wantOver(strings.Repeat("x", 100_000), identity.LinkReset, "garbage")
		stranger := identity.MailLinks{Store: w.db, Keys: keyring(w.T, 9), Now: w.clock.now}
		forged, err := stranger.Make(w.Context(), identity.LinkFor{UserID: w.user.ID, Kind: identity.LinkEmail})
		if err != nil {
			w.Fatal(err)
		}
		w.wantOver(forged, identity.LinkEmail, "made with the database alone")
		w.clock.advance(30 * time.Minute)
		w.wantOver(text, identity.LinkReset, "too old")
	})
}

// Whoever acts in a person's name could cause mail after mail: the first one must still stop them.
func TestMailLinks_aLaterMailDoesNotVoidTheWayToStopAThief(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		first, second := w.mailed(identity.LinkNotMe, ""), w.mailed(identity.LinkNotMe, "")
		for _, text := range []string{first, second} {
			if _, err := w.mailLinks().Read(w.Context(), text, identity.LinkNotMe); err != nil {
				w.Error(err)
			}
		}
		w.clock.advance(7 * 24 * time.Hour)
		w.wantOver(first, identity.LinkNotMe, "a week old")
	})
}

// Also those whose sign-in goes on, since the credentials changed in its browser. Only the way to stop a thief stays.
func TestMailLinks_dieWithTheCredentialsUnderWhichTheyWereAskedFor(t *testing.T) {
	t.Parallel()
	for why, change := range map[string]func(w *world, s identity.Standing) error{
		"a new password": func(w *world, s identity.Standing) error {
			_, err := w.byMail().Credentials.ChangePassword(w.Context(), s, identity.NewPassword{Current: password, New: "another long password"})
			return err
		},
		"a factor removed": func(w *world, s identity.Standing) error {
			ch := identity.CredentialChange{Cause: identity.EndFactor, Event: identity.FactorRemoved}
			_, err := w.byMail().Credentials.Change(w.Context(), s, ch, func(context.Context) error { return nil })
			return err
		},
		"another address": func(w *world, s identity.Standing) error {
			_, _, err := w.byMail().ChangeAddress(w.Context(), s, w.moving(w.keys.CookieText(s.Pointer), "new@example.com"), identity.Seen{})
			return err
		},
		"thrown out": func(w *world, _ identity.Standing) error {
			return w.byMail().Devices.NotMe(w.Context(), w.user.ID, identity.Seen{})
		},
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				cookie, texts := w.signIn(), map[identity.LinkKind]string{}
				texts[identity.LinkReset], texts[identity.LinkNotMe] = w.mailed(identity.LinkReset, ""), w.mailed(identity.LinkNotMe, "")
				texts[identity.LinkVerify] = w.mailed(identity.LinkVerify, w.user.Email)
				if why != "another address" { // which takes its place
					texts[identity.LinkEmail] = w.moving(cookie, "thief@example.com")
				}
				if err := change(w, w.standing(cookie)); err != nil {
					w.Fatal(err)
				}
				if _, err := w.mailLinks().Read(w.Context(), texts[identity.LinkNotMe], identity.LinkNotMe); err != nil {
					w.Error("the way to stop a thief:", err)
				}
				delete(texts, identity.LinkNotMe)
				for kind, text := range texts {
					w.wantOver(text, kind, string(kind)+" after "+why)
				}
			})
		})
	}
}

// byMail is what the person does by way of their mail.
func (w *world) byMail() identity.ByMail {
	return identity.ByMail{
		Store: w.db, Links: w.mailLinks(), Devices: identity.Devices{Store: w.db, Now: w.clock.now}, Now: w.clock.now,
		Credentials: identity.Credentials{Store: w.db, Keys: w.keys, Passwords: w.signIns.Passwords, Now: w.clock.now},
	}
}

// account is the person's row as it is now.
func (w *world) account() identity.User {
	w.Helper()
	user, err := w.db.UserByID(w.Context(), w.user.ID)
	if err != nil {
		w.Fatal(err)
	}
	return user
}

// wantLinkOver checks an answer to a link that no longer works.
func (w *world) wantLinkOver(err error, why string) {
	w.Helper()
	if identity.KindOf(err) != identity.NotFound || !strings.HasPrefix(err.Error(), "This link was used, is too old") {
		w.Errorf("%s: %v", why, err)
	}
}

// moving is the link to another address that the browser behind cookie asked for.
func (w *world) moving(cookie, to string) string {
	w.Helper()
	return w.mailed(identity.LinkEmail, w.standing(cookie).SignIn.ID.String()+" "+to)
}

func TestMove_changesTheAddressOnceAndSparesTheBrowserThatFollowedTheLink(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		cookie, other, token := w.signIn(), w.signIn(), w.start()
		text := w.moving(cookie, "new@example.com")
		email, next, err := w.byMail().ChangeAddress(w.Context(), w.standing(cookie), text, identity.Seen{})
		if err != nil || email != "new@example.com" || w.account().Email != email || !w.account().EmailVerified {
			w.Fatalf("moved to %q: %v, %+v", email, err, w.account())
		}
		if w.standing(cookie).SignedIn() || !w.standing(next).SignedIn() || w.standing(other).SignedIn() {
			w.Error("want this browser signed in under another cookie, and no other")
		}
		_, err = w.refresh(token)
		w.wantRefused(err, "an app's refresh")
		if w.events(identity.EmailChanged) != 1 || w.events(identity.ProfileChanged) != 1 {
			w.Error("not told, or not once")
		}
		_, _, err = w.byMail().ChangeAddress(w.Context(), w.standing(next), text, identity.Seen{})
		w.wantLinkOver(err, "a second press")
	})
}

// A change of address works only while the sign-in lives that asked for it (decision 12), whoever follows the link.
func TestMove_worksOnlyWhileTheSignInLivesThatAsked(t *testing.T) {
	t.Parallel()
	for why, over := range map[string]func(w *world, asking identity.Standing) error{
		"signed out": func(w *world, asking identity.Standing) error {
			return storagetest.EndSignIn(w.Context(), w.db, asking.SignIn.ID, identity.EndSignedOut)
		},
		"thrown out": func(w *world, _ identity.Standing) error {
			return w.byMail().Devices.NotMe(w.Context(), w.user.ID, identity.Seen{})
		},
		"a new password": func(w *world, _ identity.Standing) error {
			return w.byMail().Reset(w.Context(), w.mailed(identity.LinkReset, ""), identity.NewPassword{New: "another long password"})
		},
		"locked": func(w *world, _ identity.Standing) error {
			_, err := w.db.SetUserDisabled(w.Context(), w.user.ID, w.clock.now())
			return err
		},
		"idle for too long": func(w *world, asking identity.Standing) error {
			w.clock.advance(asking.SignIn.IdleEndsAt.Sub(w.clock.now()))
			return nil
		},
		"as old as one can be": func(w *world, asking identity.Standing) error {
			for w.clock.now().Add(time.Hour).Before(asking.SignIn.EndsAt) { // it is used all the time
				w.clock.advance(min(11*time.Hour, asking.SignIn.EndsAt.Sub(w.clock.now())))
				if _, err := w.signIns.Current(w.Context(), w.keys.CookieText(asking.Pointer)); err != nil {
					return err
				}
			}
			w.clock.advance(asking.SignIn.EndsAt.Sub(w.clock.now()))
			return nil
		},
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				asking := w.standing(w.signIn())
				if err := over(w, asking); err != nil {
					w.Fatal(err)
				}
				text := w.mailed(identity.LinkEmail, asking.SignIn.ID.String()+" thief@example.com")
				_, _, err := w.byMail().ChangeAddress(w.Context(), identity.Standing{}, text, identity.Seen{})
				w.wantLinkOver(err, why)
				if now := w.account(); now.Email != "ada@example.com" || w.events(identity.EmailChanged) != 0 {
					w.Errorf("the account moved to %s", now.Email)
				}
				if _, _, err := w.byMail().Holder(w.Context(), text, identity.LinkEmail); err != nil {
					w.Error("what refuses a link leaves it as it was:", err)
				}
			})
		})
	}
}

// The sign-in that asked must be one of the account that moves.
func TestMove_isNotAskedForBySomebodyElse(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		eve, err := w.users.Add(w.Context(), identity.NewUser{Email: "eve@example.com", Password: password})
		if err != nil {
			w.Fatal(err)
		}
		cookie, err := w.signIns.Begin(w.Context(), identity.Attempt{Email: eve.Email, Password: password})
		if err != nil {
			w.Fatal(err)
		}
		text := w.moving(cookie, "thief@example.com")
		if _, err := w.db.End(w.Context(), identity.Ending{User: eve.ID, Cause: identity.EndPassword}); err != nil { // as the move does to the account that it is about
			w.Fatal(err)
		}
		_, _, err = w.byMail().ChangeAddress(w.Context(), identity.Standing{}, text, identity.Seen{})
		w.wantLinkOver(err, "asked for by somebody else")
	})
}

func TestReset_opensTheAccountByTheNewPasswordAloneAndEndsTheRest(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		const chosen = "another long password"
		cookie, token, text := w.signIn(), w.start(), w.mailed(identity.LinkReset, "")
		if err := w.byMail().Reset(w.Context(), text, identity.NewPassword{New: "short"}); identity.KindOf(err) != identity.Invalid {
			w.Fatal("a password that is refused:", err)
		}
		if err := w.byMail().Reset(w.Context(), text, identity.NewPassword{New: chosen}); err != nil {
			w.Fatal("want a refused password to spend nothing:", err)
		}
		if w.standing(cookie).SignedIn() || w.events(identity.PasswordReset) != 1 {
			w.Error("a browser outlived the reset, or it was not told once")
		}
		_, err := w.refresh(token)
		w.wantRefused(err, "an app's refresh")
		_, err = w.signIns.Begin(w.Context(), identity.Attempt{Email: w.user.Email, Password: password})
		if identity.KindOf(err) != identity.BadLogin {
			w.Error("the old password:", err)
		}
		if _, err := w.signIns.Begin(w.Context(), identity.Attempt{Email: w.user.Email, Password: chosen}); err != nil {
			w.Error("the new password:", err)
		}
		w.wantLinkOver(w.byMail().Reset(w.Context(), text, identity.NewPassword{New: password}), "a second press")
	})
}

func TestVerify_provesTheAddressThatTheLinkWasMailedTo(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		text := w.mailed(identity.LinkVerify, w.user.Email)
		if c, err := w.byMail().Verify(w.Context(), text, identity.Seen{}); err != nil || c != (identity.Confirmed{Email: w.user.Email}) {
			w.Fatal(c, err)
		}
		if !w.account().EmailVerified || w.events(identity.EmailVerified) != 1 || w.events(identity.ProfileChanged) != 1 {
			w.Error("not verified, or not told once")
		}
		_, err := w.byMail().Verify(w.Context(), text, identity.Seen{})
		w.wantLinkOver(err, "a second press")
		if _, err := w.byMail().Verify(w.Context(), w.mailed(identity.LinkVerify, "old@example.com"), identity.Seen{}); identity.KindOf(err) != identity.NotFound {
			w.Error("an address that the account has no more:", err)
		}
	})
}

func FuzzMailLinks_takeNothingButWhatWasMade(f *testing.F) {
	db := storagetest.Open(f, storage.SQLite)
	links := identity.MailLinks{Store: db, Keys: storagetest.Keys(f), Now: db.Now}
	user, err := identity.Users{Store: db, Passwords: identity.NewPasswords(storagetest.CheapHash), Now: db.Now}.
		Add(f.Context(), identity.NewUser{Email: "ada@example.com", Password: password})
	if err != nil {
		f.Fatal(err)
	}
	made, err := links.Make(f.Context(), identity.LinkFor{UserID: user.ID, Kind: identity.LinkVerify})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{made, made + "A", "sj_ml_", "sj_ml_AQAA", "", "sj_rt_" + made[6:], strings.ToUpper(made)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, err := links.Read(t.Context(), text, identity.LinkVerify)
		if (err == nil) != (text == made) || err != nil && identity.KindOf(err) != identity.NotFound {
			t.Errorf("%q: %v", text, err)
		}
	})
}

// A thief who holds a copy of the cookie asks for another address; then the person changes the password in that very browser.
// The sign-in that asked goes on, and the link is worth nothing all the same.
func TestChangeAddress_aLinkAskedForBeforeANewPasswordIsWorthNothing(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		cookie := w.signIn()
		text := w.moving(cookie, "thief@example.com")
		next, err := w.byMail().Credentials.ChangePassword(w.Context(), w.standing(cookie),
			identity.NewPassword{Current: password, New: "another long password"})
		if err != nil || !w.standing(next).SignedIn() {
			w.Fatalf("the browser of the change is not signed in: %v", err)
		}
		for _, s := range []identity.Standing{{}, w.standing(next)} {
			_, _, err := w.byMail().ChangeAddress(w.Context(), s, text, identity.Seen{})
			w.wantLinkOver(err, "asked for before")
		}
		if got := w.account().Email; got != w.user.Email {
			w.Errorf("the account is %s's", got)
		}
	})
}
