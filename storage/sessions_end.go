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

// EndSession ends a Session that lives, with its Event; false when it was over already.
func (d *DB) EndSession(ctx context.Context, id identity.ID, cause identity.EndCause) (bool, error) {
	ended, err := d.endSessions(ctx, cause, "id = ?", id)
	if err == nil && ended > 0 {
		d.record(ctx, Ending{Session: id, Cause: cause})
	}
	return ended > 0, err
}

// endSessions ends the living Sessions that where picks, with an Event each, and returns how many those were. Rows are
// locked in the order of their ids, so that two endings never wait for each other.
func (d *DB) endSessions(ctx context.Context, cause identity.EndCause, where string, args ...any) (total int, err error) {
	err = d.InTx(ctx, func(ctx context.Context) error {
		for {
			ended, err := d.endSome(ctx, cause, where, args)
			total += ended
			if err != nil || ended < batch {
				return err
			}
		}
	})
	return total, err
}

func (d *DB) endSome(ctx context.Context, cause identity.EndCause, where string, args []any) (int, error) {
	now := d.Now()
	over := fromTime(now.Add(-longOver))
	var ended []struct {
		ID       uuid.UUID
		UserID   uuid.UUID
		ClientID string
	}
	err := d.q(ctx).Raw(`WITH doomed AS MATERIALIZED (
			SELECT id FROM sessions WHERE `+where+` AND ended_at IS NULL AND idle_ends_at > ? AND ends_at > ?
			ORDER BY id LIMIT ?`+d.lock("FOR UPDATE")+`)
		UPDATE sessions SET ended_at = ?, end_cause = ? WHERE id IN (SELECT id FROM doomed)
		RETURNING id, user_id, client_id`, append(slices.Clone(args), over, over, batch, fromTime(now), cause)...).Scan(&ended).Error
	if err != nil {
		return 0, d.fail("end session", err)
	}
	events := make([]identity.Event, len(ended))
	for i, s := range ended {
		events[i] = identity.Event{
			ID: identity.NewID(), At: now, Kind: identity.SessionEnded, UserID: s.UserID, SessionID: s.ID,
			ClientID: s.ClientID, Detail: string(cause),
		}
	}
	return len(ended), d.addEvents(ctx, events)
}
