package storage

import (
	"context"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

// EndUser ends what a user has, with an Event each, and returns how many Sessions that were. The user's row is locked
// first: a code that is being redeemed is either seen here or sees the end of its SignIn (DESIGN §2).
func (d *DB) EndUser(ctx context.Context, e identity.UserEnding) (sessions int, err error) {
	err = d.InTx(ctx, func(ctx context.Context) error {
		if err := d.lockUser(ctx, e.UserID); err != nil {
			return err
		}
		if _, err := d.endSignInsOf(ctx, e, "", nil); err != nil {
			return err
		}
		where, args := sessionsOf(e)
		ended, err := d.endSessions(ctx, e.Cause, where, args...)
		sessions = len(ended)
		if err == nil {
			d.record(ctx, Ending{User: e.UserID, Cause: e.Cause, Keep: e.Keep, KeepSessions: e.KeepSessions, Of: e.ClientID})
		}
		return err
	})
	return sessions, err
}

// endSignInsOf ends the SignIns that an ending of a user is about and that meet one more condition.
func (d *DB) endSignInsOf(ctx context.Context, e identity.UserEnding, also string, args []any) (int, error) {
	if e.ClientID != "" {
		return 0, nil
	}
	return d.endSignIns(ctx, e.Cause, "user_id = ? AND id <> ?"+also, append([]any{e.UserID, e.Keep}, args...)...)
}

// sessionsOf is the condition for the Sessions that an ending of a user is about.
func sessionsOf(e identity.UserEnding) (where string, args []any) {
	where, args = "user_id = ?", []any{e.UserID}
	if e.KeepSessions {
		where, args = where+" AND sign_in_id <> ?", append(args, e.Keep)
	}
	if e.ClientID != "" {
		where, args = where+" AND client_id = ?", append(args, e.ClientID)
	}
	return where, args
}

// lockUser keeps every exchange of a code of this user waiting until the transaction ends; NotFound where there is none.
func (d *DB) lockUser(ctx context.Context, userID identity.ID) error {
	var id uuid.UUID
	found, err := d.one(ctx, []any{&id}, "SELECT id FROM users WHERE id = ?"+d.lock("FOR UPDATE"), userID)
	if err == nil && !found {
		return notFound("user")
	}
	return d.fail("lock user", err)
}
