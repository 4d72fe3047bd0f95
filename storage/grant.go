package storage

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/sojourn-auth/sojourn/identity"
)

type grantRow struct {
	UserID    uuid.UUID `gorm:"primaryKey"`
	ClientID  string    `gorm:"primaryKey"`
	Scope     string
	UpdatedAt micros
	Epoch     int
	Shown     []byte
}

// TableName is the table's name for GORM.
func (grantRow) TableName() string { return "grants" }

func (r grantRow) grant() identity.Grant {
	return identity.Grant{
		UserID: r.UserID, ClientID: r.ClientID, Scopes: identity.SplitScope(r.Scope), UpdatedAt: r.UpdatedAt.time(),
		Epoch: r.Epoch, Shown: blobOrNil(r.Shown),
	}
}

// GrantOf returns what a user allowed a client: the zero Grant when nothing.
func (d *DB) GrantOf(ctx context.Context, userID identity.ID, clientID string) (identity.Grant, error) {
	var row grantRow
	err := d.q(ctx).Where("user_id = ? AND client_id = ?", userID, clientID).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return identity.Grant{}, nil
	}
	if err != nil {
		return identity.Grant{}, d.fail("read grant", err)
	}
	return row.grant(), nil
}

// LockUser keeps everyone else from changing a user, until the transaction ends; NotFound when they are gone.
func (d *DB) LockUser(ctx context.Context, userID identity.ID) error { return d.lockUser(ctx, userID) }

// otherGrants is how many other clients a person allows something.
const otherGrants = "(SELECT count(*) FROM grants WHERE user_id = ? AND client_id <> ?)"

// oldestUnused is the other client that a person allowed something longest ago, of those that they have nothing of: no Session that
// lives, no document. Both are read once, however many there are.
const oldestUnused = `(SELECT client_id FROM grants WHERE user_id = ? AND client_id <> ?
	AND client_id NOT IN (SELECT client_id FROM sessions WHERE user_id = ? AND ended_at IS NULL AND idle_ends_at > ? AND ends_at > ?)
	AND client_id NOT IN (SELECT client_id FROM states WHERE user_id = ? AND NOT deleted)
	ORDER BY updated_at, client_id LIMIT 1)`

// SaveGrant writes what a user allows a client in the place of what they allowed before. Where they allow most others something, the
// oldest one gives way that nothing rests on; where there is none, saved is false. It belongs in a transaction that locks the user.
func (d *DB) SaveGrant(ctx context.Context, g identity.Grant, most int) (saved bool, err error) {
	now := fromTime(d.Now())
	err = d.q(ctx).Exec("DELETE FROM grants WHERE user_id = ? AND client_id = CASE WHEN "+otherGrants+" >= ? THEN "+oldestUnused+" END",
		g.UserID, g.UserID, g.ClientID, most, g.UserID, g.ClientID, g.UserID, now, now, g.UserID).Error
	if err != nil {
		return false, d.fail("make room for a grant", err)
	}
	res := d.q(ctx).Exec(`INSERT INTO grants (user_id, client_id, scope, updated_at, epoch, shown) SELECT ?, ?, ?, ?, ?, ? WHERE `+otherGrants+` < ?
		ON CONFLICT (user_id, client_id) DO UPDATE SET scope = excluded.scope, updated_at = excluded.updated_at, epoch = excluded.epoch, shown = excluded.shown`,
		g.UserID, g.ClientID, strings.Join(g.Scopes, " "), fromTime(g.UpdatedAt), g.Epoch, blob(g.Shown), g.UserID, g.ClientID, most)
	return res.RowsAffected > 0, d.fail("save grant", res.Error)
}

// DeleteGrant forgets what a user allows a client. The authorization codes that the user's browsers hold now are void:
// one of them may rest on it. It locks the user's row.
func (d *DB) DeleteGrant(ctx context.Context, userID identity.ID, clientID string) error {
	return d.InTx(ctx, func(ctx context.Context) error {
		now := fromTime(d.Now()) + 1 // a code of this very microsecond too
		err := d.wrote(d.q(ctx).Exec("UPDATE users SET codes_from = ? WHERE id = ?", now, userID), "user")
		if err != nil {
			return err
		}
		for _, model := range []any{&grantRow{}, &documentRow{}} {
			if err := d.q(ctx).Where("user_id = ? AND client_id = ?", userID, clientID).Delete(model).Error; err != nil {
				return d.fail("delete grant", err)
			}
		}
		return nil
	})
}

// GrantsOf returns what a user allows, the last one allowed first and at most limit of it.
func (d *DB) GrantsOf(ctx context.Context, userID identity.ID, limit int) ([]identity.Grant, error) {
	var rows []grantRow
	err := d.q(ctx).Where("user_id = ?", userID).Order("updated_at DESC, client_id").Limit(limit).Find(&rows).Error
	if err != nil {
		return nil, d.fail("list grants", err)
	}
	grants := make([]identity.Grant, len(rows))
	for i, row := range rows {
		grants[i] = row.grant()
	}
	return grants, nil
}
