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

// aliveLink finds a link that still works: one to choose a new password is void once another was chosen.
const aliveLink = ` FROM mail_links AS l WHERE l.user_id = ? AND l.kind = ? AND l.secret_hash = ? AND l.expires_at > ?
	AND NOT EXISTS (SELECT 1 FROM users u WHERE u.id = l.user_id AND l.kind = 'reset' AND u.password_set_at > l.created_at)`

// ReadMailLink returns the detail of a link that is alive; false when there is none with this secret.
func (d *DB) ReadMailLink(ctx context.Context, l identity.MailLink) (detail string, alive bool, err error) {
	return d.mailLink(ctx, "SELECT l.detail"+aliveLink, l)
}

// SpendMailLink is ReadMailLink and deletes it: of all who spend one link, one is told that it was alive.
func (d *DB) SpendMailLink(ctx context.Context, l identity.MailLink) (detail string, alive bool, err error) {
	return d.mailLink(ctx, "DELETE"+aliveLink+" RETURNING detail", l)
}

func (d *DB) mailLink(ctx context.Context, query string, l identity.MailLink) (detail string, alive bool, err error) {
	alive, err = d.one(ctx, []any{&detail}, query, l.UserID, l.Slot, l.SecretHash, fromTime(d.Now()))
	return detail, alive, d.fail("read mail link", err)
}

// DropMailLinks voids what was mailed to an address that the account has no more. Links of LinkNotMe stay: whoever reads
// mail there may be the one whose account was taken.
func (d *DB) DropMailLinks(ctx context.Context, userID identity.ID) error {
	kinds := []identity.LinkKind{identity.LinkReset, identity.LinkVerify, identity.LinkEmail}
	return d.fail("drop mail links", d.q(ctx).Where("user_id = ? AND kind IN ?", userID, kinds).Delete(&mailLinkRow{}).Error)
}
