package storage

import (
	"context"
	"database/sql"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// An idle end is never after the absolute one, so it is when a Session that nobody ended was over.
const sessionsPast = "SELECT " + sessionColumns + ` FROM sessions
	WHERE user_id = ? AND COALESCE(ended_at, idle_ends_at) BETWEEN ? AND ?
	ORDER BY COALESCE(ended_at, idle_ends_at) DESC, id DESC LIMIT ?`

// SessionsPast returns a user's Sessions that were over after since, the last one first and at most limit of them.
func (d *DB) SessionsPast(ctx context.Context, userID identity.ID, since time.Time, limit int) ([]identity.Session, error) {
	var all []identity.Session
	err := d.each(ctx, func(rows *sql.Rows) error {
		var row sessionRow
		if err := rows.Scan(row.dest()...); err != nil {
			return err
		}
		all = append(all, row.session())
		return nil
	}, sessionsPast, userID, fromTime(since), fromTime(d.Now()), limit)
	return all, d.fail("list past sessions", err)
}
