package identity

import (
	"cmp"
	"context"
	"errors"
	"time"
)

type credentialStore interface {
	ledger
	ender
	secrets
	throttleStore
}

// Credentials changes how an account is opened. Whoever changes that starts again from one browser: every Session and
// every other SignIn ends, since any of them may be the reason for the change.
type Credentials struct {
	Store     credentialStore
	Keys      *Keyring
	Passwords *Passwords
	Now       func() time.Time
}

// CredentialChange is a change of what opens an account.
type CredentialChange struct {
	Cause  EndCause
	Event  EventKind
	Detail string
	Seen   Seen
}

// Change makes a change: write does it, in the same transaction as all that ends by it. It returns the new value of the
// cookie of the browser in which it was made. Refusals: SignInAgain, when that was signed out meanwhile;
// Throttled, when there were too many lately.
func (c Credentials) Change(ctx context.Context, s Standing, ch CredentialChange, write func(context.Context) error) (cookie string, err error) {
	pointer := s.Pointer
	pointer.Secret = NewSecret() // session fixation: an old copy of the cookie is worth nothing
	next := s.SignIn
	next.SecretHash = pointer.Secret.Hash()
	counted := func(ctx context.Context) error {
		if err := CountChange(ctx, c.Store, s.User.ID); err != nil {
			return err
		}
		return write(ctx)
	}
	err = c.Store.InTx(ctx, func(ctx context.Context) error {
		if next.Epoch, err = c.change(ctx, Ending{User: s.User.ID, Keep: s.SignIn.ID}, ch, counted); err != nil {
			return err
		}
		return c.Store.ProveSignIn(ctx, next, s.SignIn.SecretHash)
	})
	return c.Keys.CookieText(pointer), err
}

// CountChange counts a change of what opens an account, or refuses it as Throttled: each is told of by a mail, so whoever has
// taken over a browser could bury that of the first. It belongs in the transaction of the change, once the
// user is locked. A reset, which the reader of the mailbox alone can do, forgets them.
func CountChange(ctx context.Context, store tryCounter, userID ID) error {
	err := TryOrWait(ctx, store, changesOf(userID), ChangeThrottle)
	if refusal, is := errors.AsType[*Error](err); is && refusal.Kind == Throttled {
		refusal.Msg = "What opens this account was changed too often lately. " + waitSentence(refusal.Wait)
	}
	return err
}

func changesOf(userID ID) string { return ThrottleKey("change", userID.String()) }

// ChangeAway makes a change that no browser outlives, of an account whose owner proved it otherwise, by a mailed link. It
// belongs in the transaction that spends the link.
func (c Credentials) ChangeAway(
	ctx context.Context, userID ID, ch CredentialChange, write func(context.Context) error,
) error {
	_, err := c.change(ctx, Ending{User: userID}, ch, write)
	return err
}

// change ends what a change ends, first, since that locks the user's row; then makes the change and tells of it. It returns
// the epoch that begins with it: what was begun before it is worth nothing.
func (c Credentials) change(
	ctx context.Context, e Ending, ch CredentialChange, write func(context.Context) error,
) (epoch int, err error) {
	e.Cause, e.Address = ch.Cause, ch.Seen.Address
	struck, err := c.Store.End(ctx, e)
	if err != nil {
		return 0, err
	}
	at := c.Now() // before what it tells of: that is undone from the moment that its mail names
	if err := write(ctx); err != nil {
		return 0, err
	}
	return int(struck.Mark), c.Store.AddEvent(ctx, Event{
		ID: NewID(), At: at, Kind: ch.Event, UserID: e.User, Detail: ch.Detail, Address: ch.Seen.Address,
	})
}

// NewPassword is a password form.
type NewPassword struct {
	Current, New string
	Keep         bool // of a reset: what was changed lately was the person themselves
	Seen         Seen
}

// ChangePassword checks the current password and takes a new one in its place. Refusals: BadLogin (field
// current_password), Invalid (field new_password), Throttled, SignInAgain.
func (c Credentials) ChangePassword(ctx context.Context, s Standing, p NewPassword) (cookie string, err error) {
	if err := CheckNewPassword(p.New, s.User.Email, c.Passwords.Service); err != nil {
		return "", err
	}
	guesses := tries{person: ThrottleKey("password of sign-in", s.SignIn.ID.String())} // a stranger's are no concern of this one
	ok, err := guesses.judge(ctx, c.Store, func() (bool, error) {
		return c.Passwords.For(true).Matches(ctx, p.Current, s.User.PasswordHash)
	})
	if err != nil {
		return "", err
	}
	if !ok {
		err := c.Store.AddRepeat(ctx, guessed(s.User.ID, c.Now(), "password change", p.Seen))
		return "", cmp.Or(err, error(&Error{Kind: BadLogin, Field: "current_password", Msg: "That is not your password. Try again."}))
	}
	hash, err := c.Passwords.For(true).Hash(ctx, p.New)
	if err != nil {
		return "", err
	}
	return c.Change(ctx, s, CredentialChange{Cause: EndPassword, Event: PasswordChanged, Seen: p.Seen}, func(ctx context.Context) error {
		return c.Store.WritePassword(ctx, s.User.ID, hash)
	})
}

// ResetPassword gives an account whose owner proved it by a mailed link a new password hash and ends everything. It
// belongs in the transaction that spends the link.
func (c Credentials) ResetPassword(ctx context.Context, userID ID, hash string, seen Seen) error {
	if err := c.Store.ClearTries(ctx, changesOf(userID)); err != nil {
		return err
	}
	return c.ChangeAway(ctx, userID, CredentialChange{Cause: EndReset, Event: PasswordReset, Seen: seen},
		func(ctx context.Context) error { return c.Store.WritePassword(ctx, userID, hash) })
}
