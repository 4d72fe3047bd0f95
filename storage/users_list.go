package storage

import (
	"context"
	"database/sql"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

var accountColumns = under("u", userColumns) + `,
	EXISTS (SELECT 1 FROM totp_factors f WHERE f.user_id = u.id),
	(SELECT count(*) FROM recovery_codes c WHERE c.user_id = u.id AND c.used_at IS NULL),
	(SELECT count(*) FROM sessions s WHERE s.user_id = u.id AND s.ended_at IS NULL AND s.idle_ends_at > ? AND s.ends_at > ?)`

// Accounts returns people as operators see them, the newest first.
func (d *DB) Accounts(ctx context.Context, q identity.AccountQuery) ([]identity.Account, error) {
	if !keepable(q.Email) {
		return nil, nil
	}
	c := conditions{where: "TRUE"}
	c.and(q.Email != "", "u.email = ?", q.Email)
	c.and(q.After != uuid.Nil, "u.id < ?", q.After)
	return d.accounts(ctx, c, q.Limit)
}

// AccountByID returns a person as operators see them, or NotFound.
func (d *DB) AccountByID(ctx context.Context, id identity.ID) (identity.Account, error) {
	all, err := d.accounts(ctx, conditions{"u.id = ?", []any{id}}, 1)
	if err == nil && len(all) == 0 {
		return identity.Account{}, notFound("user")
	}
	if err != nil {
		return identity.Account{}, err
	}
	return all[0], nil
}

func (d *DB) accounts(ctx context.Context, c conditions, limit int) (all []identity.Account, err error) {
	now := fromTime(d.Now())
	args := append([]any{now, now}, c.args...)
	err = d.each(ctx, func(rows *sql.Rows) error {
		var row userRow
		var a identity.Account
		if err := rows.Scan(append(row.dest(), &a.TOTP, &a.CodesLeft, &a.Sessions)...); err != nil {
			return err
		}
		a.User = row.user()
		all = append(all, a)
		return nil
	}, "SELECT "+accountColumns+" FROM users u WHERE "+c.where+" ORDER BY u.id DESC LIMIT ?", append(args, limit)...)
	return all, d.fail("list users", err)
}
