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
	return t.try(ctx, user.ID, func(ctx context.Context, f Factor) (refusal, err error) {
		step, ok, err := match(f.Secret, code, t.Now())
		if err != nil {
			return nil, err
		}
		if !ok {
			return bad("totp", wrongCode), t.tell(ctx, event{identity.FactorRefused, user.ID, "totp", seen})
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

// try counts one guess at a person's factor, then lets judge decide in a transaction that commits refusals too
// (DESIGN law 3). All guesses of a person count together, from whatever browser.
func (t TOTP) try(ctx context.Context, userID identity.ID, judge func(context.Context, Factor) (refusal, err error)) error {
	if err := identity.TryOrWait(ctx, t.Store, tries(userID), identity.FactorThrottle); err != nil {
		return err
	}
	var refusal error
	err := t.Store.InTx(ctx, func(ctx context.Context) error {
		f, err := t.Store.TOTPOf(ctx, userID)
		if err != nil {
			return err
		}
		refusal, err = judge(ctx, f)
		return err
	})
	if err != nil {
		return err
	}
	return refusal
}

func tries(userID identity.ID) string { return identity.ThrottleKey("factor", userID.String()) }

func bad(field, msg string) error {
	return &identity.Error{Kind: identity.BadLogin, Field: field, Msg: msg}
}

type event struct {
	kind   identity.EventKind
	userID identity.ID
	detail string
	seen   identity.Seen
}

func (t TOTP) tell(ctx context.Context, e event) error {
	return t.Store.AddEvent(ctx, identity.Event{
		ID: identity.NewID(), At: t.Now(), Kind: e.kind, UserID: e.userID, Detail: e.detail, Address: e.seen.Address,
	})
}
