package identity_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

const newcomer = "new@example.com"

// began makes an account that is to be confirmed, and returns it.
func (w *world) began(password string) identity.User {
	w.Helper()
	if err := w.users.Begin(w.Context(), identity.NewUser{Email: newcomer, Password: password}, "request"); err != nil {
		w.Fatal(err)
	}
	user, err := w.db.UserByEmail(w.Context(), newcomer)
	if err != nil {
		w.Fatal(err)
	}
	return user
}

// enters signs in, in the browser that made the account with password.
func (w *world) enters(email, password string) error {
	_, err := w.signIns.Begin(w.Context(), identity.Attempt{
		Email: email, Password: password, SignUp: w.keys.SignUpText(newcomer, mine),
	})
	return err
}

// mine is what the newcomer typed.
const mine = password

// Who signs up right after somebody else, or before, must not have their password confirmed by the other one's mailbox.
func TestVerify_ofAnAccountThatWasMadeTwiceThePasswordIsChosenAnew(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.signIns.ConfirmFirst = true
		w.user = w.began(mine)
		stranger := identity.NewUser{Email: newcomer, Name: "Mallory", Password: "the password of a stranger"}
		w.must(w.users.Begin(w.Context(), stranger, ""))
		c, err := w.byMail().Verify(w.Context(), w.mailed(identity.LinkVerify, identity.ConfirmDetail(newcomer, "request")), identity.Seen{})
		w.must(err)
		for _, known := range []string{mine, stranger.Password} {
			if err := w.enters(newcomer, known); err == nil {
				w.Errorf("%q opens the account", known)
			}
		}
		_, detail, err := w.byMail().Holder(w.Context(), c.Choose, identity.LinkReset)
		if request, is := identity.Contested(detail); err != nil || !is || request != "request" {
			w.Error(detail, err)
		}
		w.must(w.byMail().Reset(w.Context(), c.Choose, identity.NewPassword{New: "another long password"}))
		if err := w.enters(newcomer, "another long password"); err != nil || w.account().Name != "" {
			w.Errorf("%v, and the name is %q", err, w.account().Name)
		}
	})
}

// Whoever signs up with an address and signs in with what they chose must not learn whether it has an account.
func TestBegin_signingInTellsNobodyWhetherTheAddressHadAnAccount(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.signIns.ConfirmFirst = true
		const guess = "what a stranger chose"
		for _, email := range []string{newcomer, owner} { // free, and taken
			w.must(w.users.Begin(w.Context(), identity.NewUser{Email: email, Password: guess}, ""))
		}
		same := func(browser func(email string) string) {
			for range identity.PasswordThrottle.Free + 1 {
				var told [2]string
				for i, email := range []string{newcomer, owner} {
					_, err := w.signIns.Begin(w.Context(), identity.Attempt{Email: email, Password: guess, SignUp: browser(email)})
					told[i] = err.Error()
				}
				if told[0] != told[1] {
					w.Errorf("it says of a free one %q, of a taken one %q", told[0], told[1])
				}
			}
		}
		same(func(string) string { return "" })
		w.clock.advance(48 * time.Hour)
		same(func(email string) string { return w.keys.SignUpText(email, guess) })
	})
}

func TestBegin_theAddressIsConfirmedBeforeTheFirstSignIn(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.signIns.ConfirmFirst = true
		user := w.began(password)
		if err := w.enters(newcomer, "another password"); identity.KindOf(err) != identity.BadLogin {
			w.Error("a wrong password:", err)
		}
		if err := w.enters(newcomer, password); !errors.Is(err, identity.ErrUnconfirmed) {
			w.Error("the right one:", err)
		}
		w.user = user
		c, err := w.byMail().Verify(w.Context(), w.mailed(identity.LinkVerify, identity.ConfirmDetail(newcomer, "request")), identity.Seen{})
		if err != nil || c != (identity.Confirmed{Email: newcomer, First: true, Request: "request"}) {
			w.Error(c, err)
		}
		if err := w.enters(newcomer, password); err != nil {
			w.Error("confirmed:", err)
		}
	})
}

func TestBegin_accountsFromBeforeNeedNoConfirmation(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) { // with one that was added unconfirmed, as sign-up did
		w.signIns.ConfirmFirst = true
		if err := w.enters(w.user.Email, password); err != nil {
			w.Error(err)
		}
	})
}

func TestBegin_whoSignedInWhileNoMailCouldBeSentStaysIn(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.began(password)
		for _, w.signIns.ConfirmFirst = range []bool{false, true} {
			if err := w.enters(newcomer, password); err != nil {
				w.Error(w.signIns.ConfirmFirst, err)
			}
		}
	})
}

// Nobody has proved anything of it: whoever signed up first, with somebody else's address, gets nothing by that.
func TestBegin_anAccountThatWasNotConfirmedIsMadeAnew(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.signIns.ConfirmFirst = true
		w.user = w.began("the password of a stranger")
		old := w.mailed(identity.LinkVerify, identity.ConfirmDetail(newcomer, ""))
		w.clock.advance(time.Hour)
		again := w.began(password)
		if again.ID != w.user.ID || !again.CreatedAt.Equal(w.clock.now()) || again.Epoch != w.user.Epoch+1 {
			w.Errorf("it is %+v", again)
		}
		_, err := w.byMail().Verify(w.Context(), old, identity.Seen{})
		w.wantLinkOver(err, "the link of before")
		if err := w.enters(newcomer, "the password of a stranger"); identity.KindOf(err) != identity.BadLogin {
			w.Error("the stranger's password:", err)
		}
		if err := w.enters(newcomer, password); !errors.Is(err, identity.ErrUnconfirmed) {
			w.Error("the new one:", err)
		}
	})
}

func TestBegin_changesNothingOfAnAccountThatIsThere(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		before := w.account()
		w.clock.advance(time.Hour)
		if err := w.users.Begin(w.Context(), identity.NewUser{Email: w.user.Email, Name: "Mallory", Password: "another password"}, ""); err != nil {
			w.Fatal(err)
		}
		if after := w.account(); !reflect.DeepEqual(after, before) {
			w.Errorf("it was %+v\nand is %+v", before, after)
		}
		if w.events(identity.SignUpTried) != 1 || w.events(identity.UserCreated) != 1 {
			w.Error("the owner cannot see what was tried")
		}
	})
}

func TestBegin_mailsToAnAddressHaveABudget(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		for range identity.LetterThrottle.Free {
			w.began(password)
		}
		err := w.users.Begin(w.Context(), identity.NewUser{Email: newcomer, Password: "another password"}, "")
		if refusal := new(identity.Error); !errors.As(err, &refusal) || refusal.Kind != identity.Throttled || refusal.Wait != 5*time.Minute {
			w.Error("one too many:", err)
		}
	})
}

func TestBegin_ofSixteenAtOnceOneMakesTheAccount(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		for i, err := range race(16, func(int) error {
			return w.users.Begin(w.Context(), identity.NewUser{Email: newcomer, Password: password}, "")
		}) {
			if err != nil && identity.KindOf(err) != identity.Throttled {
				w.Error(i, err)
			}
		}
		user, err := w.db.UserByEmail(w.Context(), newcomer)
		if w.user = user; err != nil || w.events(identity.UserCreated) != 1 {
			w.Errorf("%d accounts were made (%v)", w.events(identity.UserCreated), err)
		}
	})
}

// Whoever takes an account over and moves it must not free its address for an account of their own.
func TestBegin_anAddressThatAnotherAccountMayGoBackToIsNotGiven(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		old := w.user.Email
		if err := w.db.SetEmail(w.Context(), w.user.ID, newcomer); err != nil {
			w.Fatal(err)
		}
		n := identity.NewUser{Email: old, Password: password}
		if err := w.users.Begin(w.Context(), n, ""); err != nil {
			w.Error("it tells:", err)
		}
		if _, err := w.db.UserByEmail(w.Context(), old); identity.KindOf(err) != identity.NotFound {
			w.Error("an account was made:", err)
		}
		w.clock.advance(9 * 24 * time.Hour)
		if err := w.users.Begin(w.Context(), n, ""); err != nil {
			w.Error(err)
		}
		if _, err := w.db.UserByEmail(w.Context(), old); err != nil {
			w.Error("nor is it given later:", err)
		}
	})
}
