package mfa

import (
	"context"
	"fmt"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

type store interface {
	throttleStore
	factorStore
	authenticatorStore
	recoveryStore
	InTx(ctx context.Context, fn func(context.Context) error) error
	AddEvent(ctx context.Context, e identity.Event) error
	UserByID(ctx context.Context, id identity.ID) (identity.User, error)
}

type factorStore interface {
	// FactorsOf returns the kinds of factors that a person has and that count; none for someone who is not there.
	FactorsOf(ctx context.Context, userID identity.ID) ([]identity.Factor, error)
	// LockFactors is FactorsOf, and keeps every other change of the person's factors and recovery codes waiting until the
	// transaction ends.
	LockFactors(ctx context.Context, userID identity.ID) ([]identity.Factor, error)
}

type throttleStore interface {
	CountTry(ctx context.Context, key string, t identity.Throttle) (wait time.Duration, err error)
	ForgiveTry(ctx context.Context, key string) error
	ClearTries(ctx context.Context, key string) error
}

// begunBy is what a page is sealed for that a person has open: themselves, and their epoch. What was begun before what
// opens the account has changed is worth nothing after it, though the sign-in is kept (DESIGN law 12).
func begunBy(user identity.User) []byte { return fmt.Appendf(nil, "%s %d", user.ID, user.Epoch) }

// lock is LockFactors for what begunBy sealed: false when the epoch has changed since the user was read.
func lock(ctx context.Context, s store, user identity.User) (has []identity.Factor, same bool, err error) {
	if has, err = s.LockFactors(ctx, user.ID); err != nil {
		return nil, false, err
	}
	now, err := s.UserByID(ctx, user.ID)
	return has, now.Epoch == user.Epoch, err
}

var errNoFactor error = identity.Refuse(identity.NotFound, "There is no second factor for this account.")

// guesses are what is typed or sent as a second proof. They are counted and told of alike, whatever the kind.
type guesses struct {
	store
	now func() time.Time
}

// try counts one guess at a person's factors, then lets judge decide in a transaction that commits refusals too
// (DESIGN law 3). All guesses of a person count together, from whatever browser and at whichever kind.
func (g guesses) try(ctx context.Context, userID identity.ID, judge func(context.Context) (refusal, err error)) error {
	if err := identity.TryOrWait(ctx, g.store, tries(userID), identity.FactorThrottle); err != nil {
		return err
	}
	var refusal error
	err := g.InTx(ctx, func(ctx context.Context) (err error) {
		refusal, err = judge(ctx)
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

func (g guesses) tell(ctx context.Context, e event) error { return g.tellAt(ctx, e, g.now()) }

// tellAt tells of a change of factors: at is from before it, since it is undone from the moment that its mail names.
func (g guesses) tellAt(ctx context.Context, e event, at time.Time) error {
	return g.AddEvent(ctx, identity.Event{
		ID: identity.NewID(), At: at, Kind: e.kind, UserID: e.userID, Detail: e.detail, Address: e.seen.Address,
	})
}

// remove takes a factor of whatever kind away by its own delete, and with the last one the recovery codes: they are the
// person's and stand in for each factor that is left, but stand in for nothing once none is.
func remove(ctx context.Context, s store, userID identity.ID, del func(context.Context, identity.ID) error) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		if _, err := s.LockFactors(ctx, userID); err != nil {
			return err
		}
		if err := del(ctx, userID); err != nil {
			return err
		}
		left, err := s.FactorsOf(ctx, userID)
		if err != nil || len(left) > 0 {
			return err
		}
		return s.ReplaceRecoveryCodes(ctx, userID, nil)
	})
}
