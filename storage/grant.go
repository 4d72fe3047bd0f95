package storage

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

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

// SaveGrant writes what a user allows a client in the place of what they allowed before.
func (d *DB) SaveGrant(ctx context.Context, g identity.Grant) error {
	row := grantRow{
		UserID: g.UserID, ClientID: g.ClientID, Scope: strings.Join(g.Scopes, " "), UpdatedAt: fromTime(g.UpdatedAt),
		Epoch: g.Epoch, Shown: blob(g.Shown),
	}
	return d.fail("save grant", d.q(ctx).Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "user_id"}, {Name: "client_id"}},
		DoUpdates: clause.AssignmentColumns([]string{"scope", "updated_at", "epoch", "shown"}),
	}).Create(&row).Error)
}

// oldestUnused is the client that a person allowed something longest ago, of those that they have nothing of: no Session that lives,
// no document.
const oldestUnused = `SELECT g.client_id FROM grants g WHERE g.user_id = ?
	AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.user_id = g.user_id AND s.client_id = g.client_id
		AND s.ended_at IS NULL AND s.idle_ends_at > ? AND s.ends_at > ?)
	AND NOT EXISTS (SELECT 1 FROM states t WHERE t.user_id = g.user_id AND t.client_id = g.client_id AND NOT t.deleted)
	ORDER BY g.updated_at, g.client_id LIMIT 1`

// GrantFits reports whether a client may be one more of what the user of a grant allows, of most at most, once the oldest one gave
// way that nothing rests on. It belongs in the transaction that locks the user and saves the grant.
func (d *DB) GrantFits(ctx context.Context, g identity.Grant, most int) (bool, error) {
	var others int
	if _, err := d.one(ctx, []any{&others}, "SELECT count(*) FROM grants WHERE user_id = ? AND client_id <> ?", g.UserID, g.ClientID); err != nil {
		return false, d.fail("count grants", err)
	}
	if others < most {
		return true, nil
	}
	now := fromTime(d.Now())
	res := d.q(ctx).Exec("DELETE FROM grants WHERE user_id = ? AND client_id = ("+oldestUnused+")", g.UserID, g.UserID, now, now)
	return res.RowsAffected > 0, d.fail("make room for a grant", res.Error)
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
