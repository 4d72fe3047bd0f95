package mfa

import (
	"context"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// Factor is a person's confirmed authenticator. Storage seals the secret.
type Factor struct {
	UserID      identity.ID
	Secret      []byte
	LastStep    int64 // the newest time step whose code was accepted: no code of it or of an earlier one is again
	ConfirmedAt time.Time
}

type store interface {
	throttleStore
	factorStore
	InTx(ctx context.Context, fn func(context.Context) error) error
	AddEvent(ctx context.Context, e identity.Event) error
}

type factorStore interface {
	// TOTPOf returns a person's factor, or NotFound.
	TOTPOf(ctx context.Context, userID identity.ID) (Factor, error)
	// CreateTOTP writes a factor and the hashes of its recovery codes; Conflict when the person has one.
	CreateTOTP(ctx context.Context, f Factor, codeHashes [][]byte) error
	// BurnStep uses a time step up: false when it or a later one was used before.
	BurnStep(ctx context.Context, userID identity.ID, step int64) (bool, error)
	// UseRecoveryCode uses a recovery code up: false when there is none with this hash, or not any more.
	UseRecoveryCode(ctx context.Context, userID identity.ID, hash []byte) (bool, error)
	RecoveryCodesLeft(ctx context.Context, userID identity.ID) (int, error)
	// LockTOTP is TOTPOf, and keeps every other change of the factor waiting until the transaction ends.
	LockTOTP(ctx context.Context, userID identity.ID) (Factor, error)
	// DeleteTOTP deletes a factor and its recovery codes, or refuses: NotFound.
	DeleteTOTP(ctx context.Context, userID identity.ID) error
	// RecoveryHashes returns the hashes of a person's recovery codes, used or not, in an order of their own.
	RecoveryHashes(ctx context.Context, userID identity.ID) ([][]byte, error)
	// ReplaceRecoveryCodes writes hashes in the place of all that there are.
	ReplaceRecoveryCodes(ctx context.Context, userID identity.ID, hashes [][]byte) error
}

type throttleStore interface {
	CountTry(ctx context.Context, key string, t identity.Throttle) (wait time.Duration, err error)
	ForgiveTry(ctx context.Context, key string) error
	ClearTries(ctx context.Context, key string) error
}

// Remove takes a person's authenticator and their recovery codes away. It belongs in the transaction of the change that
// it is part of (identity.Credentials.Change), which writes the Event. Refusal: NotFound (no authenticator).
func (t TOTP) Remove(ctx context.Context, userID identity.ID) error {
	return t.Store.DeleteTOTP(ctx, userID)
}
