package storage

import (
	"context"
	"time"

	"gorm.io/gorm/clause"

	"github.com/sojourn-auth/sojourn/identity"
)

// UpdateClient writes what RFC 7592 §2.2 lets a client change: metadata, secret, lifetimes and its registration access
// token. c.PreviousHash is of the token that was presented: it must be the newest one or the one before, and lives on until
// the new one, c.RegistrationHash, is used. Conflict when it is neither any more: another update was confirmed meanwhile.
// For a client that the operator added both are empty.
func (d *DB) UpdateClient(ctx context.Context, c identity.Client) error {
	row := newClientRow(c)
	res := d.q(ctx).Model(&clientRow{}).
		Where("id = ? AND (registration_hash = ? OR length(previous_hash) > 0 AND previous_hash = ?)",
			row.ID, row.PreviousHash, row.PreviousHash).
		Select("SecretHash", "Metadata", "IdleSeconds", "AbsoluteSeconds", "RegistrationHash", "PreviousHash").
		Updates(&row)
	d.clients.drop(c.ID, d.Now())
	if res.Error == nil && res.RowsAffected == 0 {
		return identity.Refuse(identity.Conflict, "The client was changed meanwhile. Read it again, then send the change.")
	}
	return d.fail("update client", res.Error)
}

// ConfirmRegistrationToken forgets the registration access token before the one with this hash, which was just used.
func (d *DB) ConfirmRegistrationToken(ctx context.Context, id string, hash []byte) error {
	res := d.q(ctx).Exec(`UPDATE clients SET previous_hash = ?
		WHERE id = ? AND registration_hash = ? AND length(previous_hash) > 0`, []byte{}, id, hash)
	d.clients.drop(id, d.Now())
	return d.fail("confirm registration token", res.Error)
}

type registrationTokenRow struct {
	Hash      []byte `gorm:"primaryKey"`
	UsesLeft  int
	ExpiresAt micros
	CreatedAt micros
}

// TableName is the table's name for GORM.
func (registrationTokenRow) TableName() string { return "registration_tokens" }

// CreateRegistrationToken writes an initial access token (RFC 7591 §3) that registers so many clients until it expires.
func (d *DB) CreateRegistrationToken(ctx context.Context, hash []byte, uses int, expires time.Time) error {
	row := registrationTokenRow{Hash: hash, UsesLeft: uses, ExpiresAt: fromTime(expires), CreatedAt: fromTime(d.Now())}
	return d.fail("create registration token", d.q(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error)
}

// SpendRegistrationToken uses an initial access token once. It refuses one that is unknown, expired or used up (BadLogin).
func (d *DB) SpendRegistrationToken(ctx context.Context, hash []byte) error {
	res := d.q(ctx).Exec("UPDATE registration_tokens SET uses_left = uses_left - 1 WHERE hash = ? AND uses_left > 0 AND expires_at > ?",
		hash, fromTime(d.Now()))
	if res.Error == nil && res.RowsAffected == 0 {
		return identity.Refuse(identity.BadLogin, "The initial access token is unknown, expired or used up. Ask the operator for one.")
	}
	return d.fail("spend registration token", res.Error)
}
