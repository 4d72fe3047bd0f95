package storage

import (
	"context"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

// Sessions returns the Sessions that live, the newest first and at most limit of them, of one user or, for the zero id, of
// all, each with its user.
func (d *DB) Sessions(ctx context.Context, userID identity.ID, limit int) ([]identity.Live, error) {
	now := fromTime(d.Now())
	query, args := "SELECT "+under("s", sessionColumns)+", "+under("u", userColumns)+`
		FROM sessions s JOIN users u ON u.id = s.user_id
		WHERE s.ended_at IS NULL AND s.idle_ends_at > ? AND s.ends_at > ?`, []any{now, now}
	if userID != uuid.Nil {
		query, args = query+" AND s.user_id = ?", append(args, userID)
	}
	rows, err := d.q(ctx).Raw(query+" ORDER BY s.id DESC LIMIT ?", append(args, limit)...).Rows()
	if err != nil {
		return nil, d.fail("list sessions", err)
	}
	defer func() { _ = rows.Close() }()
	var all []identity.Live
	for rows.Next() {
		var session sessionRow
		var user userRow
		if err := rows.Scan(append(session.dest(), user.dest()...)...); err != nil {
			return nil, d.fail("list sessions", err)
		}
		all = append(all, identity.Live{Session: session.session(), User: user.user()})
	}
	return all, d.fail("list sessions", rows.Err())
}
