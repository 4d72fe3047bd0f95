package storage

import (
	"context"
	"database/sql"

	"github.com/sojourn-auth/sojourn/identity"
)

var bareSignIns = "SELECT " + under("s", signInColumns) + `
	FROM sign_ins s JOIN users u ON u.id = s.user_id AND u.epoch = s.epoch
	WHERE s.user_id = ? AND s.ended_at IS NULL AND s.idle_ends_at > ? AND s.ends_at > ? AND NOT EXISTS (
		SELECT 1 FROM sessions a WHERE a.sign_in_id = s.id AND a.ended_at IS NULL AND a.idle_ends_at > ? AND a.ends_at > ?)
	ORDER BY s.id DESC LIMIT ?`

// BareSignIns returns a user's SignIns that live and that no living Session began from, the newest first and at most
// limit of them: browsers in which the account is open and no app.
func (d *DB) BareSignIns(ctx context.Context, userID identity.ID, limit int) (all []identity.SignIn, err error) {
	now := fromTime(d.Now())
	err = d.each(ctx, func(rows *sql.Rows) error {
		var row signInRow
		if err := rows.Scan(row.dest()...); err != nil {
			return err
		}
		all = append(all, row.signIn())
		return nil
	}, bareSignIns, userID, now, now, now, now, limit)
	return all, d.fail("list sign-ins", err)
}
