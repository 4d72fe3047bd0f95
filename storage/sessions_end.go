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
