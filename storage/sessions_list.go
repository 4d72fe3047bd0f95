package storage

import (
	"context"
	"database/sql"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

var listedSessions = "SELECT " + under("s", sessionColumns) + ", " + under("u", userColumns) + `
	FROM sessions s JOIN users u ON u.id = s.user_id
	WHERE s.ended_at IS NULL AND s.idle_ends_at > ? AND s.ends_at > ?`

// FindSessions returns Sessions that live, the newest first, each with its user.
func (d *DB) FindSessions(ctx context.Context, q identity.SessionQuery) (all []identity.Live, err error) {
	if !keepable(q.ClientID) {
		return nil, nil
	}
	now := fromTime(d.Now())
	c := conditions{listedSessions, []any{now, now}}
	c.and(q.UserID != uuid.Nil, "s.user_id = ?", q.UserID)
	c.and(q.ClientID != "", "s.client_id = ?", q.ClientID)
	c.and(q.After != uuid.Nil, "s.id < ?", q.After)
	err = d.each(ctx, func(rows *sql.Rows) error {
		var session sessionRow
		var user userRow
		if err := rows.Scan(append(session.dest(), user.dest()...)...); err != nil {
			return err
		}
		all = append(all, identity.Live{Session: session.session(), User: user.user()})
		return nil
	}, c.where+" ORDER BY s.id DESC LIMIT ?", append(c.args, q.Limit)...)
	return all, d.fail("list sessions", err)
}
