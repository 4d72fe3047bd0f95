package storage

import (
	"context"

	"github.com/google/uuid"
	"gorm.io/gorm/clause"

	"github.com/sojourn-auth/sojourn/identity"
)

// mailLinkRow is a link that was mailed and not used yet.
type mailLinkRow struct {
	UserID     uuid.UUID `gorm:"primaryKey"`
	Kind       string    `gorm:"primaryKey"` // its slot
	SecretHash []byte
	Detail     string
	CreatedAt  micros
	ExpiresAt  micros
	PressedAt  *micros // of one that can still be read after it did what it is for
}

// TableName is the table's name for GORM.
func (mailLinkRow) TableName() string { return "mail_links" }

// WriteMailLink puts a link in the place of the one that its user had in the same slot.
func (d *DB) WriteMailLink(ctx context.Context, l identity.MailLink) error {
	row := mailLinkRow{
		UserID: l.UserID, Kind: l.Slot, SecretHash: l.SecretHash, Detail: l.Detail,
		CreatedAt: fromTime(d.Now()), ExpiresAt: fromTime(l.ExpiresAt),
	}
	replace := clause.OnConflict{Columns: []clause.Column{{Name: "user_id"}, {Name: "kind"}}, UpdateAll: true}
	return d.fail("write mail link", d.q(ctx).Clauses(replace).Create(&row).Error)
}

// aliveLink finds a link that still works: what opens the account must not have changed since it was asked for. Only the way
// to stop a thief outlasts what the thief does.
const aliveLink = ` FROM mail_links AS l WHERE l.user_id = ? AND l.kind = ? AND l.secret_hash = ? AND l.expires_at > ?
	AND (? OR EXISTS (SELECT 1 FROM users u WHERE u.id = l.user_id AND u.epoch = ?))`

// ReadMailLink returns the detail of a link that is alive; false when there is none with this secret.
func (d *DB) ReadMailLink(ctx context.Context, l identity.MailLink) (detail string, alive bool, err error) {
	return d.mailLink(ctx, "SELECT l.detail"+aliveLink, l)
}

// SpendMailLink is ReadMailLink and deletes it: of all who spend one link, one is told that it was alive. The user's row is
// locked first, so that a change of credentials is either seen here or comes after what the link is for.
func (d *DB) SpendMailLink(ctx context.Context, l identity.MailLink) (detail string, alive bool, err error) {
	switch err := d.lockUser(ctx, l.UserID); {
	case identity.KindOf(err) == identity.NotFound:
		return "", false, nil
	case err != nil:
		return "", false, err
	}
	return d.mailLink(ctx, "DELETE"+aliveLink+" RETURNING detail", l)
}

// PressMailLink notes that a link did what it is for, of which it can be read until l.ExpiresAt at most; false when it had
// done that, or is none. The user's row is locked first, as by SpendMailLink.
func (d *DB) PressMailLink(ctx context.Context, l identity.MailLink) (first bool, err error) {
	if err := d.lockUser(ctx, l.UserID); err != nil {
		return false, err
	}
	now, until := fromTime(d.Now()), fromTime(l.ExpiresAt)
	res := d.q(ctx).Exec(`UPDATE mail_links SET pressed_at = ?, expires_at = CASE WHEN expires_at < ? THEN expires_at ELSE ? END
		WHERE user_id = ? AND kind = ? AND secret_hash = ? AND expires_at > ? AND pressed_at IS NULL`,
		now, until, until, l.UserID, l.Slot, l.SecretHash, now)
	return res.RowsAffected == 1, d.fail("press mail link", res.Error)
}

func (d *DB) mailLink(ctx context.Context, query string, l identity.MailLink) (detail string, alive bool, err error) {
	alive, err = d.one(ctx, []any{&detail}, query, l.UserID, l.Slot, l.SecretHash, fromTime(d.Now()),
		l.Kind == identity.LinkNotMe, l.Epoch)
	return detail, alive, d.fail("read mail link", err)
}
