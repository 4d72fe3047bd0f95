package mfa

import (
	"context"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// TOTP enrols authenticator apps and judges their codes.
type TOTP struct {
	Store  store
	Keys   *identity.Keyring
	Now    func() time.Time
	Issuer string // the name under which an authenticator lists the account
}

// Authenticator is a person's confirmed authenticator app. Storage seals the secret.
type Authenticator struct {
	UserID      identity.ID
	Secret      []byte
	LastStep    int64 // the newest time step whose code was accepted: no code of it or of an earlier one is again
	ConfirmedAt time.Time
}

type authenticatorStore interface {
	// TOTPOf returns a person's authenticator, or NotFound.
	TOTPOf(ctx context.Context, userID identity.ID) (Authenticator, error)
	// CreateTOTP writes an authenticator; Conflict when the person has one.
	CreateTOTP(ctx context.Context, a Authenticator) error
	// BurnStep uses a time step up: false when it or a later one was used before.
	BurnStep(ctx context.Context, userID identity.ID, step int64) (bool, error)
	// DeleteTOTP deletes an authenticator, or refuses: NotFound.
	DeleteTOTP(ctx context.Context, userID identity.ID) error
}

const (
	wrongCode = "That code is not right. Wait for the next one in your app and try again."
	burntCode = "That code has been used up. Wait for the next one in your app and type that."
)

// Verify accepts a code of the person's authenticator, once. Refusals: Invalid (not six digits: no guess, not counted),
// BadLogin (wrong, which counts, or right but used before, which does not), Throttled, NotFound (no authenticator).
// It must not run inside a transaction: what it counts has to stay.
func (t TOTP) Verify(ctx context.Context, user identity.User, code string, seen identity.Seen) error {
	code, err := cleanCode(code)
	if err != nil {
		return err
	}
	g := t.guesses()
	return g.try(ctx, user.ID, func(ctx context.Context) (refusal, err error) {
		a, err := t.Store.TOTPOf(ctx, user.ID)
		if err != nil {
			return nil, err
		}
		step, ok, err := match(a.Secret, code, t.Now())
		if err != nil {
			return nil, err
		}
		if !ok {
			told := event{identity.FactorRefused, user.ID, identity.TOTP.Name, seen}
			return bad("totp", wrongCode), g.tell(ctx, told)
		}
		fresh, err := t.Store.BurnStep(ctx, user.ID, step) // RFC 6238 §5.2: accepted only once
		if err != nil {
			return nil, err
		}
		if !fresh { // no guess: a double click, or the same code on two devices
			return bad("totp", burntCode), t.Store.ForgiveTry(ctx, tries(user.ID))
		}
		return nil, t.Store.ClearTries(ctx, tries(user.ID))
	})
}

// Replace puts an enrolment in the place of the authenticator that the person has, once a code of it was right: until then the
// old one is as good as ever, and from then on worth nothing. That is a change of what opens the account, and ends what one
// ends. The recovery codes stay, but for such as the old secret was the key of. It returns the new value of the cookie.
// Refusals: those of Confirm, NotFound (no authenticator), SignInAgain (another replacement or change was quicker).
func (t TOTP) Replace(ctx context.Context, by identity.Credentials, s identity.Standing, c Confirmation) (cookie string, err error) {
	a, _, err := t.prove(s, c, replacing)
	if err != nil {
		return "", err
	}
	ch := identity.CredentialChange{
		Cause: identity.EndFactor, Event: identity.FactorReplaced, Detail: identity.TOTP.Name, Seen: c.Seen,
	}
	return by.Change(ctx, s, ch, func(ctx context.Context) error {
		if err := t.Store.DeleteTOTP(ctx, a.UserID); err != nil {
			return err
		}
		return t.Store.CreateTOTP(ctx, a)
	})
}

// Since returns when a person's authenticator began to count, or refuses: NotFound.
func (t TOTP) Since(ctx context.Context, userID identity.ID) (time.Time, error) {
	a, err := t.Store.TOTPOf(ctx, userID)
	return a.ConfirmedAt, err
}

// Remove takes a person's authenticator away, and with their last factor the recovery codes. It belongs in the
// transaction of the change that it is part of (identity.Credentials.Change), which writes the Event. Refusal: NotFound
// (no authenticator).
func (t TOTP) Remove(ctx context.Context, userID identity.ID) error {
	return remove(ctx, t.Store, userID, t.Store.DeleteTOTP)
}

// RemoveFor takes a person's authenticator away as an operator does, who says why: it ends everything of the account, and
// the person hears of it by mail. Refusals: NotFound (no such person, or no authenticator), Invalid (field reason).
func (t TOTP) RemoveFor(ctx context.Context, o identity.Operators, userID identity.ID, reason string) error {
	reason, err := identity.Reason(reason)
	if err != nil {
		return err
	}
	ch := identity.CredentialChange{
		Cause: identity.EndFactor, Event: identity.FactorRemoved, Detail: identity.TOTP.Name + ": " + reason,
	}
	return o.ChangeCredentials(ctx, userID, ch, func(ctx context.Context) error { return t.Remove(ctx, userID) })
}

func (t TOTP) guesses() guesses { return guesses{t.Store, t.Now} }
