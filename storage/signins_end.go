package storage

import (
	"context"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

// EndSignIn ends a SignIn that was not ended yet, and the Sessions that live only as long as it does, with an Event for
// each. The SignIn's row comes first: a code that is being redeemed is either seen here or sees the end.
func (d *DB) EndSignIn(ctx context.Context, id identity.ID, cause identity.EndCause) error {
	return d.InTx(ctx, func(ctx context.Context) error {
		ended, err := d.endSignIns(ctx, cause, "id = ?", id)
		if err != nil {
			return err
		}
		also, err := d.endSessions(ctx, cause, "sign_in_id = ? AND NOT offline", id)
		if err == nil && ended+also > 0 {
			d.record(ctx, Ending{SignIn: id, Cause: cause})
		}
		return err
	})
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
