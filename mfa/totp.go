package mfa

import (
	"context"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

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

// What every authenticator app takes, whatever else its otpauth address says: SHA-1, six digits, 30 seconds.
const (
	digits = otp.DigitsSix
	period = 30 // seconds, RFC 6238 §5.2
	drift  = 1  // steps that a phone's clock may be off, RFC 6238 §5.2
)

const malformed = "A code has six digits. Type the one that your authenticator app shows now."

var secretText = base32.StdEncoding.WithPadding(base32.NoPadding)

// cleanCode returns the six digits of a typed code. Spaces and hyphens between them mean nothing, and full-width digits
// are what some keyboards make.
func cleanCode(typed string) (string, error) {
	code := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || r == '-':
			return -1
		case '０' <= r && r <= '９':
			return r - '０' + '0'
		}
		return r
	}, typed)
	if len(code) != digits.Length() || strings.Trim(code, "0123456789") != "" {
		return "", identity.RefuseField("totp", malformed)
	}
	return code, nil
}

// match returns the time step whose code this is. All steps are compared in full, so the clock tells nothing of which
// digit was wrong or which step was right.
func match(secret []byte, code string, now time.Time) (step int64, ok bool, err error) {
	current := now.Unix() / period
	for s := current - drift; s <= current+drift; s++ {
		want, err := codeAt(secret, s)
		if err != nil {
			return 0, false, err
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			step, ok = s, true
		}
	}
	return step, ok, nil
}

// codeAt returns the code of a time step (RFC 6238 §4.2).
func codeAt(secret []byte, step int64) (string, error) {
	code, err := hotp.GenerateCodeCustom(secretText.EncodeToString(secret), uint64(step), hotp.ValidateOpts{
		Digits: digits, Algorithm: otp.AlgorithmSHA1,
	})
	if err != nil {
		return "", fmt.Errorf("one-time code: %w", err)
	}
	return code, nil
}
