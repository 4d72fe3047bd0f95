package storage

import (
	"context"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

// EndSignIn ends a SignIn that was not ended yet, and the Sessions that live only as long as it does or that the ending
// names, with an Event for each. It returns the Sessions that ended. The SignIn's row comes first: a code that is being
// redeemed is either seen here or sees the end.
func (d *DB) EndSignIn(ctx context.Context, e identity.SignInEnding) (ended []identity.Ended, err error) {
	err = d.InTx(ctx, func(ctx context.Context) error {
		signIns, err := d.endSignIns(ctx, e.Cause, "id = ?", e.ID)
		if err != nil {
			return err
		}
		where, args := sessionsUnder(e)
		ended, err = d.endSessions(ctx, e.Cause, where, args...)
		if err == nil && signIns+len(ended) > 0 {
			d.recordSignIn(ctx, e)
		}
		return err
	})
	return ended, err
}

// sessionsUnder is the condition for the Sessions that end with a SignIn.
func sessionsUnder(e identity.SignInEnding) (where string, args []any) {
	where, args = "(sign_in_id = ? AND NOT offline)", []any{e.ID}
	if e.Offline {
		where = "(sign_in_id = ?)"
	}
	if e.Session != uuid.Nil {
		where, args = "("+where+" OR id = ?)", append(args, e.Session)
	}
	return where, args
}

func (d *DB) recordSignIn(ctx context.Context, e identity.SignInEnding) {
	d.record(ctx, Ending{SignIn: e.ID, Cause: e.Cause, Offline: e.Offline})
	if e.Session != uuid.Nil {
		d.record(ctx, Ending{Session: e.Session, Cause: e.Cause})
	}
}

// endSignIns ends the SignIns that where picks, with an Event each, and returns how many those were. It runs in the
// caller's transaction.
func (d *DB) endSignIns(ctx context.Context, cause identity.EndCause, where string, args ...any) (int, error) {
	now := d.Now()
	var users []uuid.UUID
	err := d.q(ctx).Raw("UPDATE sign_ins SET ended_at = ?, end_cause = ? WHERE "+where+
		" AND ended_at IS NULL RETURNING user_id", append([]any{fromTime(now), cause}, args...)...).Scan(&users).Error
	if err != nil {
		return 0, d.fail("end sign-in", err)
	}
	events := make([]identity.Event, len(users))
	for i, user := range users {
		events[i] = identity.Event{
			ID: identity.NewID(), At: now, Kind: identity.SignInEnded, UserID: user, Detail: string(cause),
		}
	}
	return len(users), d.addEvents(ctx, events)
}
