package identity_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

const owner, thief, other = "ada@example.com", "thief@example.com", "other@example.com"

// owned is the account of somebody who has confirmed its address, a minute ago.
func owned(w *world) {
	w.Helper()
	w.must(w.db.VerifyEmail(w.Context(), w.user.ID, owner))
	w.clock.advance(time.Minute)
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) consents() identity.Grants { return identity.Grants{Store: w.db, Now: w.clock.now} }

// authenticators are what package mfa, which imports this one, does to them.
type authenticators interface {
	Import(ctx context.Context, userID identity.ID, secret []byte) error
	Remove(ctx context.Context, userID identity.ID) error
	RemoveFor(ctx context.Context, o identity.Operators, userID identity.ID, reason string) error
}

func (w *world) totp() authenticators { return storagetest.TOTP(w.T, w.db) }

// mailedOf is the link in the mail that tells of the newest Event of a kind, as the postman makes it.
func (w *world) mailedOf(kind identity.EventKind) string {
	w.Helper()
	events, err := w.db.Events(w.Context(), identity.EventQuery{UserID: w.user.ID, Limit: 100})
	w.must(err)
	at := slices.IndexFunc(events, func(e identity.Event) bool { return e.Kind == kind })
	if at < 0 {
		w.Fatalf("no Event %s", kind)
	}
	m := events[at].Before()
	m.Email, err = w.db.AddressAt(w.Context(), w.user.ID, m.Before)
	w.must(err)
	return w.mailed(identity.LinkNotMe, m.Detail())
}

// takes moves the account to an address, as whoever sits in the browser of cookie, and returns the link mailed to the address
// that it had, and the cookie.
func (w *world) takes(cookie, email string) (notMe, next string) {
	w.Helper()
	before := identity.Moment{Before: w.clock.now().Add(-time.Microsecond), Email: w.account().Email}
	link := w.moving(cookie, email)
	_, next, err := w.byMail().ChangeAddress(w.Context(), w.standing(cookie), link, identity.Seen{})
	w.must(err)
	notMe = w.mailed(identity.LinkNotMe, before.Detail())
	w.clock.advance(time.Minute)
	return notMe, next
}

func (w *world) notMe(text string) []identity.Undoable {
	w.Helper()
	_, undone, err := w.byMail().NotMe(w.Context(), text, identity.Seen{})
	w.must(err)
	return undone
}

func TestNotMe_bringsTheAccountBackToTheAddressThatTheMailWentTo(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		owned(w)
		cookie := w.signIn()
		first, cookie := w.takes(cookie, thief)
		second, _ := w.takes(cookie, other) // and once more
		w.clock.advance(6 * 24 * time.Hour)
		if got := w.notMe(first); !slices.Contains(got, identity.UndoAddress) {
			w.Errorf("undone: %v", got)
		}
		if u := w.account(); u.Email != owner || !u.EmailVerified {
			w.Errorf("the account is %s's", u.Email)
		}
		_, _, err := w.byMail().NotMe(w.Context(), second, identity.Seen{})
		w.wantLinkOver(err, "mailed to the thief")
		if _, err := w.signIns.Begin(w.Context(), identity.Attempt{Email: owner, Password: password}); identity.KindOf(err) != identity.BadLogin {
			w.Errorf("the password that the thief knows: %v", err)
		}
		w.must(w.byMail().Reset(w.Context(), w.mailed(identity.LinkReset, ""), identity.NewPassword{New: "another long password"}))
		_, err = w.signIns.Begin(w.Context(), identity.Attempt{Email: owner, Password: "another long password"})
		w.must(err)
	})
}

func TestNotMe_nobodyElseGetsTheAddressMeanwhile(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		owned(w)
		notMe, _ := w.takes(w.signIn(), thief)
		_, err := w.users.Add(w.Context(), identity.NewUser{Email: owner, Password: password})
		if identity.KindOf(err) != identity.Conflict {
			w.Fatalf("the thief signs up with it: %v", err)
		}
		w.must(w.users.Begin(w.Context(), identity.NewUser{Email: owner, Password: password}, "")) // where it tells nobody
		w.notMe(notMe)
		if got := w.account().Email; got != owner {
			w.Errorf("the account is %s's", got)
		}
	})
}

func TestNotMe_undoesFactorsNameAndConsentSinceTheMoment(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		owned(w)
		own := []byte("the owner's own secret")
		w.must(w.totp().Import(w.Context(), w.user.ID, own))
		w.must(w.db.ReplaceRecoveryCodes(w.Context(), w.user.ID, [][]byte{{1}, {2}}))
		cookie := w.signIn()
		w.must(w.users.Rename(w.Context(), w.standing(cookie), "Ada", identity.Seen{}))
		w.clock.advance(time.Hour)

		ch := identity.CredentialChange{Cause: identity.EndFactor, Event: identity.FactorRemoved}
		cookie, err := w.byMail().Credentials.Change(w.Context(), w.standing(cookie), ch, func(ctx context.Context) error {
			return w.totp().Remove(ctx, w.user.ID)
		})
		w.must(err)
		removed := w.mailedOf(identity.FactorRemoved)
		w.clock.advance(time.Minute)
		w.must(w.totp().Import(w.Context(), w.user.ID, []byte("the thief's secret")))
		w.must(w.users.Rename(w.Context(), w.standing(cookie), "Mallory", identity.Seen{}))
		w.must(w.consents().Allow(w.Context(), w.standing(cookie), identity.Demand{Client: w.client, Scopes: []string{"openid"}}))
		w.clock.advance(time.Minute)

		want := []identity.Undoable{identity.UndoName, identity.UndoFactors, identity.UndoConsent}
		if got := w.notMe(removed); !slices.Equal(got, want) {
			w.Errorf("undone: %v, want %v", got, want)
		}
		a, err := w.db.TOTPOf(w.Context(), w.user.ID)
		left, lost := w.db.RecoveryCodesLeft(w.Context(), w.user.ID)
		if errors.Join(err, lost) != nil || string(a.Secret) != string(own) || left != 2 || w.account().Name != "Ada" {
			w.Errorf("authenticator %q, %d codes, name %q, %v", a.Secret, left, w.account().Name, err)
		}
		g, err := w.db.GrantOf(w.Context(), w.user.ID, w.client.ID)
		if err != nil || len(g.Scopes) > 0 {
			w.Errorf("consent %v, %v", g.Scopes, err)
		}
	})
}

func TestNotMe_whatWasThereBeforeTheMomentStays(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		owned(w)
		cookie := w.signIn()
		w.must(w.users.Rename(w.Context(), w.standing(cookie), "Ada", identity.Seen{}))
		w.must(w.totp().Import(w.Context(), w.user.ID, []byte("the owner's own secret")))
		w.clock.advance(time.Second)
		_, err := w.byMail().Credentials.ChangePassword(w.Context(), w.standing(cookie), identity.NewPassword{
			Current: password, New: "another long password",
		})
		w.must(err)
		if got := w.notMe(w.mailedOf(identity.PasswordChanged)); len(got) > 0 {
			w.Errorf("undone: %v", got)
		}
		if _, err := w.db.TOTPOf(w.Context(), w.user.ID); err != nil || w.account().Name != "Ada" {
			w.Errorf("name %q, %v", w.account().Name, err)
		}
	})
}

func TestNotMe_onceUndoneTheAccountIsItsOwners(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		owned(w)
		cookie := w.signIn()
		w.must(w.users.Rename(w.Context(), w.standing(cookie), "Mallory", identity.Seen{}))
		w.must(w.totp().Import(w.Context(), w.user.ID, []byte("the thief's secret")))
		link, older := w.mailedOf(identity.FactorAdded), w.mailedOf(identity.FactorAdded)
		w.notMe(link)
		w.must(w.byMail().Reset(w.Context(), w.mailed(identity.LinkReset, ""), identity.NewPassword{New: "another long password"}))
		w.clock.advance(time.Hour)
		w.must(w.totp().Import(w.Context(), w.user.ID, []byte("the owner's new secret")))
		w.clock.advance(time.Hour)
		_, _, err := w.byMail().NotMe(w.Context(), link, identity.Seen{}) // a second press, days later
		w.wantLinkOver(err, "pressed before")
		if got := w.notMe(older); len(got) > 0 { // of another mail of that time
			w.Errorf("undone: %v", got)
		}
		if _, err := w.db.TOTPOf(w.Context(), w.user.ID); err != nil || w.account().PasswordHash == "" {
			w.Errorf("the owner's own authenticator: %v", err)
		}
	})
}

// Whoever read the mailbox for an hour chose a password by it: the mail that tells of that must be worth what it says.
func TestNotMe_aResetTakesNothingFromTheMailThatTellsOfIt(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		owned(w)
		const known = "what the thief knows"
		w.must(w.byMail().Reset(w.Context(), w.mailed(identity.LinkReset, ""), identity.NewPassword{New: known}))
		link := w.mailedOf(identity.PasswordReset)
		cookie, err := w.signIns.Begin(w.Context(), identity.Attempt{Email: owner, Password: known})
		w.must(err)
		w.takes(cookie, thief)
		w.notMe(link)
		if u := w.account(); u.Email != owner || u.PasswordHash != "" {
			w.Errorf("the account is %s's, and the thief's password opens it: %v", u.Email, u.PasswordHash != "")
		}
	})
}

// Whoever copied a link while they read the mailbox must not keep the owner out by it for a week.
func TestNotMe_aLinkEndsWhatThereIsOnce(t *testing.T) {
	t.Parallel()
	for _, kind := range []identity.EventKind{identity.FactorAdded, identity.SessionEnded} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				owned(w)
				m := identity.Event{At: w.clock.now(), Kind: kind}.Before()
				m.Email = owner
				link := w.mailed(identity.LinkNotMe, m.Detail())
				first := w.signIn()
				w.notMe(link)
				w.must(w.byMail().Reset(w.Context(), w.mailed(identity.LinkReset, ""), identity.NewPassword{New: "another long password"}))
				cookie, err := w.signIns.Begin(w.Context(), identity.Attempt{Email: owner, Password: "another long password"})
				w.must(err)
				reset := w.mailed(identity.LinkReset, "")
				w.notMe(link)
				if w.standing(first).SignedIn() || !w.standing(cookie).SignedIn() {
					w.Error("a second press signs the owner out")
				}
				if _, _, err := w.byMail().Holder(w.Context(), reset, identity.LinkReset); err != nil {
					w.Errorf("a second press voids the owner's way in: %v", err)
				}
				w.clock.advance(identity.PressedLinkLasts)
				_, err = w.byMail().ToldBy(w.Context(), link)
				w.wantLinkOver(err, "pressed an hour ago")
			})
		})
	}
}

func TestNotMe_noRecoveryCodeIsGoodTwiceByIt(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		owned(w)
		code := []byte("a recovery code's hash")
		w.must(w.totp().Import(w.Context(), w.user.ID, []byte("the owner's own secret")))
		w.must(w.db.ReplaceRecoveryCodes(w.Context(), w.user.ID, [][]byte{code}))
		w.clock.advance(time.Minute)
		w.must(w.db.DeleteTOTP(w.Context(), w.user.ID)) // for another one: the codes stay
		m := identity.Moment{Before: w.clock.now().Add(-time.Microsecond), Email: owner}
		link := w.mailed(identity.LinkNotMe, m.Detail())
		w.clock.advance(time.Minute)
		used, err := w.db.UseRecoveryCode(w.Context(), w.user.ID, [][]byte{code})
		if err != nil || !used {
			w.Fatal(used, err)
		}
		w.must(w.db.ReplaceRecoveryCodes(w.Context(), w.user.ID, [][]byte{{1}})) // and where it is gone by now
		w.notMe(link)
		if used, err := w.db.UseRecoveryCode(w.Context(), w.user.ID, [][]byte{code}); err != nil || used {
			w.Errorf("the code was good once more (%v)", err)
		}
	})
}

// A flood of changes must not leave what comes after it as nobody can undo it.
func TestNotMe_undoesWhatCameAfterAFlood(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		owned(w)
		w.must(w.totp().Import(w.Context(), w.user.ID, []byte("the owner's own secret")))
		for i := range 60 {
			w.clock.advance(time.Second)
			w.must(w.db.ReplaceRecoveryCodes(w.Context(), w.user.ID, [][]byte{{byte(i)}}))
		}
		w.clock.advance(time.Second)
		w.must(w.totp().Remove(w.Context(), w.user.ID))
		w.must(w.totp().Import(w.Context(), w.user.ID, []byte("the thief's secret")))
		w.notMe(w.mailedOf(identity.FactorAdded))
		a, err := w.db.TOTPOf(w.Context(), w.user.ID)
		if err != nil || string(a.Secret) != "the owner's own secret" {
			w.Errorf("authenticator %q, %v", a.Secret, err)
		}
	})
}

// A page that was open before must not do its work after.
func TestNotMe_nothingThatWasUnderWayComesAfterIt(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		owned(w)
		s := w.standing(w.signIn())
		w.must(w.totp().Import(w.Context(), w.user.ID, []byte("the thief's secret")))
		w.notMe(w.mailedOf(identity.FactorAdded))
		err := w.users.Rename(w.Context(), s, "Mallory", identity.Seen{})
		if identity.KindOf(err) != identity.SignInAgain || w.account().Name != "" {
			w.Errorf("%v, and the name is %q", err, w.account().Name)
		}
	})
}

func TestNotMe_ofSixteenAtOnceAndAThiefWhoGoesOnNothingStays(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		owned(w)
		cookie := w.signIn()
		w.must(w.totp().Import(w.Context(), w.user.ID, []byte("the thief's secret")))
		link, s := w.mailedOf(identity.FactorAdded), w.standing(cookie)
		move := w.moving(cookie, thief)
		for _, err := range race(16, func(i int) error {
			if i%2 == 0 {
				_, _, err := w.byMail().NotMe(w.Context(), link, identity.Seen{})
				return err
			}
			_, _, err := w.byMail().ChangeAddress(w.Context(), s, move, identity.Seen{})
			if identity.KindOf(err) == identity.NotFound || identity.KindOf(err) == identity.SignInAgain {
				return nil
			}
			return err
		}) {
			if err != nil && identity.KindOf(err) != identity.NotFound {
				w.Error(err)
			}
		}
		w.notMe(link)
		if _, err := w.db.TOTPOf(w.Context(), w.user.ID); identity.KindOf(err) != identity.NotFound || w.account().Email != owner {
			w.Errorf("the account is %s's, authenticator %v", w.account().Email, err)
		}
	})
}

func TestReset_undoesWhatWasChangedLatelyUnlessItWasThePerson(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]bool{"undone": false, "kept": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				owned(w)
				w.must(w.users.Rename(w.Context(), w.standing(w.signIn()), "Mallory", identity.Seen{}))
				w.must(w.totp().Import(w.Context(), w.user.ID, []byte("the thief's secret")))
				w.clock.advance(6 * 24 * time.Hour)
				w.must(w.byMail().Reset(w.Context(), w.mailed(identity.LinkReset, ""), identity.NewPassword{New: "another long password", Keep: keep}))
				_, err := w.db.TOTPOf(w.Context(), w.user.ID)
				if has := err == nil; has != keep || (w.account().Name == "Mallory") != keep {
					w.Errorf("authenticator %v, name %q", has, w.account().Name)
				}
			})
		})
	}
}

// A mailbox is one factor: whoever has it alone gets no further than before.
func TestReset_leavesAFactorThatHasStoodForAWeek(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		owned(w)
		w.must(w.totp().Import(w.Context(), w.user.ID, []byte("the owner's own secret")))
		w.clock.advance(identity.UndoFor + time.Minute)
		w.must(w.byMail().Reset(w.Context(), w.mailed(identity.LinkReset, ""), identity.NewPassword{New: "another long password"}))
		_, err := w.db.TOTPOf(w.Context(), w.user.ID)
		w.must(err)
	})
}

// Whoever signed up with somebody else's address keeps nothing once its owner comes.
func TestReset_ofAnUnconfirmedAddressStartsClean(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		cookie := w.signIn()
		s := w.standing(cookie)
		w.must(w.users.Rename(w.Context(), s, "Mallory", identity.Seen{}))
		w.must(w.totp().Import(w.Context(), w.user.ID, []byte("the squatter's secret")))
		w.must(w.db.ReplaceRecoveryCodes(w.Context(), w.user.ID, [][]byte{{1}}))
		w.must(w.consents().Allow(w.Context(), s, identity.Demand{Client: w.client, Scopes: []string{"openid"}}))
		notMe := w.mailedOf(identity.FactorAdded)
		w.clock.advance(30 * 24 * time.Hour)
		w.must(w.byMail().Reset(w.Context(), w.mailed(identity.LinkReset, ""), identity.NewPassword{New: "another long password", Keep: true}))
		u := w.account()
		_, err := w.db.TOTPOf(w.Context(), w.user.ID)
		left, lost := w.db.RecoveryCodesLeft(w.Context(), w.user.ID)
		g, gone := w.db.GrantOf(w.Context(), w.user.ID, w.client.ID)
		if u.Name != "" || !u.EmailVerified || identity.KindOf(err) != identity.NotFound || left > 0 || len(g.Scopes) > 0 {
			w.Errorf("%+v, authenticator %v, %d codes, consent %v", u, err, left, g.Scopes)
		}
		w.must(errors.Join(lost, gone))
		w.wantOver(notMe, identity.LinkNotMe, "of before it was its owner's")
	})
}

// Who was let in by an operator has proved no mailbox.
func TestReset_byAnOperatorsLinkUndoesNothingAndProvesNoMailbox(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.must(w.totp().Import(w.Context(), w.user.ID, []byte("the owner's own secret")))
		way, err := identity.Operators{Store: w.db, Now: w.clock.now}.MakeWayIn(w.Context(), w.mailLinks(), w.user.ID, "mailbox lost")
		w.must(err)
		w.must(w.byMail().Reset(w.Context(), way.Link, identity.NewPassword{New: "another long password"}))
		if _, err := w.db.TOTPOf(w.Context(), w.user.ID); err != nil || w.account().EmailVerified {
			w.Errorf("authenticator %v, confirmed %v", err, w.account().EmailVerified)
		}
	})
}

// Whoever asks for mails to the mailbox that is lost must not void it.
func TestWayIn_outlivesTheMailsThatStrangersAskFor(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		o := identity.Operators{Store: w.db, Now: w.clock.now}
		way, err := o.MakeWayIn(w.Context(), w.mailLinks(), w.user.ID, "mailbox lost")
		w.must(err)
		mailed := w.mailed(identity.LinkReset, "")
		w.must(w.byMail().Reset(w.Context(), way.Link, identity.NewPassword{New: "another long password"}))
		w.wantOver(mailed, identity.LinkReset, "of before the new password")
		w.wantOver(way.Link, identity.LinkReset, "used")
	})
}

// What an operator did stands, whatever mail is older than it.
func TestNotMe_nothingLeadsBackPastAnOperator(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		owned(w)
		w.must(w.totp().Import(w.Context(), w.user.ID, []byte("on the phone that is lost")))
		link := w.mailedOf(identity.FactorAdded)
		w.clock.advance(time.Hour)
		ctx := identity.WithActor(w.Context(), "cli:grace")
		o := identity.Operators{Store: w.db, Now: w.clock.now}
		w.must(w.totp().RemoveFor(ctx, o, w.user.ID, "lost phone"))
		w.notMe(link)
		if _, err := w.db.TOTPOf(w.Context(), w.user.ID); identity.KindOf(err) != identity.NotFound {
			w.Errorf("the lost authenticator is back: %v", err)
		}
	})
}
