package storage

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

// longOver is how long ago a Session must have expired to be left alone by endings: by then no replica, whatever its
// clock, takes it for alive, and its history keeps saying that it expired.
const longOver = time.Minute

// endBatch bounds how many Sessions one statement ends: all that a person can have, so that signing out everywhere is
// one; a client's go by several.
const endBatch = 2000

// EndSession ends a Session that lives, with its Event; false when it was over already.
func (d *DB) EndSession(ctx context.Context, id identity.ID, cause identity.EndCause) (bool, error) {
	ended, err := d.endSessions(ctx, cause, "id = ?", id)
	if err == nil && len(ended) > 0 {
		d.record(ctx, Ending{Session: id, Cause: cause})
	}
	return len(ended) > 0, err
}

// endSessions ends the living Sessions that where picks, with an Event each and a notice to their clients' back channels,
// and returns them. Rows are locked in the order of their ids, so that two endings never wait for each other.
func (d *DB) endSessions(ctx context.Context, cause identity.EndCause, where string, args ...any) (all []identity.Ended, err error) {
	err = d.InTx(ctx, func(ctx context.Context) error {
		for {
			ended, err := d.endSome(ctx, cause, where, args)
			all = append(all, ended...)
			if err != nil || len(ended) < endBatch {
				return err
			}
		}
	})
	return all, err
}

func (d *DB) endSome(ctx context.Context, cause identity.EndCause, where string, args []any) ([]identity.Ended, error) {
	now := d.Now()
	over := fromTime(now.Add(-longOver))
	var ended []struct {
		ID       uuid.UUID
		UserID   uuid.UUID
		Sub      string
		ClientID string
	}
	err := d.q(ctx).Raw(`WITH doomed AS MATERIALIZED (
			SELECT id FROM sessions WHERE `+where+` AND ended_at IS NULL AND idle_ends_at > ? AND ends_at > ?
			ORDER BY id LIMIT ?`+d.lock("FOR UPDATE")+`)
		UPDATE sessions SET ended_at = ?, end_cause = ? WHERE id IN (SELECT id FROM doomed)
		RETURNING id, user_id, sub, client_id`, append(slices.Clone(args), over, over, endBatch, fromTime(now), cause)...).Scan(&ended).Error
	if err != nil {
		return nil, d.fail("end session", err)
	}
	events := make([]identity.Event, len(ended))
	notices, all := make([]identity.LogoutNotice, len(ended)), make([]identity.Ended, len(ended))
	for i, s := range ended {
		all[i] = identity.Ended{SessionID: s.ID, UserID: s.UserID, ClientID: s.ClientID}
		notices[i] = identity.LogoutNotice{SessionID: s.ID, Sub: s.Sub, ClientID: s.ClientID}
		events[i] = identity.Event{
			ID: identity.NewID(), At: now, Kind: identity.SessionEnded, UserID: s.UserID, SessionID: s.ID,
			ClientID: s.ClientID, Detail: string(cause),
		}
	}
	if err := d.addEvents(ctx, events); err != nil {
		return nil, err
	}
	return all, d.queueLogouts(ctx, notices)
}

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
