package storage

import (
	"context"
	"strconv"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

// feed is what one app hears of, read from the rows that changed: Events, Sessions and documents.
const feed = `SELECT kind, at, id, session_id, client_id, detail,
		'' AS device_name, '' AS device_model, '' AS app_version, 0 AS version, FALSE AS deleted
	FROM events WHERE user_id = ? AND at > ?
		AND (kind = 'profile.changed' OR kind = 'session.ended' AND (? OR client_id = ?))
	UNION ALL
	SELECT 'session.started', created_at, id, id, client_id, '', device_name, device_model, app_version, 0, FALSE
	FROM sessions WHERE user_id = ? AND created_at > ? AND (? OR client_id = ?)
	UNION ALL
	SELECT 'state.changed', updated_at, NULL, NULL, client_id, key, '', '', '', version, deleted
	FROM states WHERE user_id = ? AND client_id = ? AND updated_at > ?
	ORDER BY at DESC, id DESC LIMIT ?`

// changeRow is a row of feed.
type changeRow struct {
	Kind      string
	At        micros
	ID        *uuid.UUID
	SessionID *uuid.UUID
	ClientID  string
	Detail    string // the cause of an ending, the key of a document
	Version   int64
	Deleted   bool

	DeviceName, DeviceModel, AppVersion string
}

func (r changeRow) change(userID identity.ID) identity.Change {
	c := identity.Change{
		Kind: identity.ChangeKind(r.Kind), At: r.At.time(), ID: idOrZero(r.ID), SessionID: idOrZero(r.SessionID),
		ClientID: r.ClientID, Device: identity.Device{Name: r.DeviceName, Model: r.DeviceModel, AppVersion: r.AppVersion},
	}
	switch c.Kind {
	case identity.ChangeEnded:
		c.Cause = identity.EndCause(r.Detail)
	case identity.ChangeState:
		c.State = identity.State{
			StateKey: identity.StateKey{UserID: userID, ClientID: r.ClientID, Key: r.Detail},
			Version:  r.Version, UpdatedAt: c.At, Deleted: r.Deleted,
		}
		c.ID = uuid.NewSHA1(userID, []byte(r.ClientID+" "+r.Detail+" "+strconv.FormatInt(r.Version, 36)))
	case identity.ChangeStarted, identity.ChangeProfile:
	}
	return c
}

// ChangesSince returns the changes that a Feed asks for, the oldest first; where there are more than its Limit, the newest
// of them. It begins a little before the time that was
// asked for, since what carries an earlier time may have been committed later: some of them were heard before.
func (d *DB) ChangesSince(ctx context.Context, f identity.Feed) ([]identity.Change, error) {
	after, all := fromTime(f.After.Add(-lateCommit)), !f.Own
	var rows []changeRow
	err := d.q(ctx).Raw(feed, f.UserID, after, all, f.ClientID, f.UserID, after, all, f.ClientID,
		f.UserID, f.ClientID, after, f.Limit).Scan(&rows).Error
	if err != nil {
		return nil, d.fail("read changes", err)
	}
	changes := make([]identity.Change, len(rows))
	for i, r := range rows {
		changes[len(rows)-1-i] = r.change(f.UserID)
	}
	return changes, nil
}
