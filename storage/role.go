package storage

import (
	"context"
	"database/sql"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

// roleRow is what a person may do at the operators' desk.
type roleRow struct {
	UserID uuid.UUID `gorm:"primaryKey"`
	Role   string    // empty: they had one once
	Since  micros
}

// TableName is the table's name for GORM.
func (roleRow) TableName() string { return "roles" }

// OfficeOf returns a person's role and since when they have it; the zero Office where they never had one. It asks the primary
// database: a replica may not know yet that a role was taken.
func (d *DB) OfficeOf(ctx context.Context, userID identity.ID) (identity.Office, error) {
	var role string
	var since micros
	found, err := d.one(ctx, []any{&role, &since}, "SELECT role, since FROM roles WHERE user_id = ?", userID)
	if err != nil || !found {
		return identity.Office{}, d.fail("read role", err)
	}
	return identity.Office{Role: identity.Role(role), Since: since.time()}, nil
}

// SetRole gives a person a role from now on, or takes it. It returns false where it is theirs already, NotFound where there
// is no such user, and Conflict where nobody would be an operator any more. It locks the user's row. It belongs in a transaction.
func (d *DB) SetRole(ctx context.Context, userID identity.ID, r identity.Role) (bool, error) {
	if err := d.lockUser(ctx, userID); err != nil {
		return false, err
	}
	if r != identity.RoleOperator {
		if err := d.keepsOperator(ctx, userID); err != nil {
			return false, err
		}
	}
	query := `INSERT INTO roles (role, since, user_id) VALUES (?, ?, ?)
		ON CONFLICT (user_id) DO UPDATE SET role = excluded.role, since = excluded.since WHERE roles.role <> excluded.role`
	if r == identity.NoRole {
		query = "UPDATE roles SET role = ?, since = ? WHERE user_id = ? AND role <> ''"
	}
	res := d.q(ctx).Exec(query, string(r), fromTime(d.Now()), userID)
	return res.RowsAffected > 0, d.fail("write role", res.Error)
}

// keepsOperator refuses to take the role from the last operator. It locks the rows of all of them, in order: of two operators
// who take it from each other at once, the second one finds that nobody else is left.
func (d *DB) keepsOperator(ctx context.Context, userID identity.ID) error {
	all, err := d.ids(ctx, "SELECT user_id FROM roles WHERE role = ? ORDER BY user_id"+d.lock("FOR UPDATE"), string(identity.RoleOperator))
	if err == nil && len(all) == 1 && all[0] == userID {
		return identity.Refuse(identity.Conflict, "Nobody else is an operator. Make somebody one first.")
	}
	return d.fail("read operators", err)
}

// Officers returns people who have a role, the newest accounts first; after the one that is named, unless it is the zero id.
func (d *DB) Officers(ctx context.Context, after identity.ID, limit int) (all []identity.Officer, err error) {
	where, args := "r.role <> ''", []any{limit}
	if after != (identity.ID{}) {
		where, args = where+" AND u.id < ?", []any{after, limit}
	}
	err = d.each(ctx, func(rows *sql.Rows) error {
		var user userRow
		var role string
		var since micros
		if err := rows.Scan(append(user.dest(), &role, &since)...); err != nil {
			return err
		}
		all = append(all, identity.Officer{User: user.user(), Office: identity.Office{Role: identity.Role(role), Since: since.time()}})
		return nil
	}, "SELECT "+under("u", userColumns)+`, r.role, r.since FROM roles r JOIN users u ON u.id = r.user_id
		WHERE `+where+` ORDER BY u.id DESC LIMIT ?`, args...)
	return all, d.fail("list people with roles", err)
}
