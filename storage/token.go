package storage

import (
	"context"
	"crypto/sha256"
	"time"

	"gorm.io/gorm/clause"

	"github.com/sojourn-auth/sojourn/identity"
)

type deniedTokenRow struct {
	JTI       string `gorm:"primaryKey;column:jti"`
	ExpiresAt micros
}

// TableName is the table's name for GORM.
func (deniedTokenRow) TableName() string { return "denied_tokens" }

type spentAssertionRow struct {
	ClientID  string `gorm:"primaryKey"`
	JTIHash   []byte `gorm:"primaryKey;column:jti_hash"`
	ExpiresAt micros
}

// TableName is the table's name for GORM.
func (spentAssertionRow) TableName() string { return "spent_assertions" }

// DenyToken revokes one access token (RFC 7009 §2.1). The row is needed until the token expires.
func (d *DB) DenyToken(ctx context.Context, jti string, expires time.Time) error {
	row := deniedTokenRow{JTI: jti, ExpiresAt: fromTime(expires)}
	return d.InTx(ctx, func(ctx context.Context) error {
		res := d.q(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
		if res.Error != nil || res.RowsAffected == 0 {
			return d.fail("deny token", res.Error)
		}
		return d.addMarks(ctx, identity.Mark{Kind: identity.MarkToken, Subject: jti})
	})
}

// TokenDenied reports whether an access token was revoked.
func (d *DB) TokenDenied(ctx context.Context, jti string) (denied bool, err error) {
	if !keepable(jti) {
		return false, nil
	}
	_, err = d.one(ctx, []any{&denied}, "SELECT EXISTS (SELECT 1 FROM denied_tokens WHERE jti = ?)", jti)
	return denied, d.fail("read denied token", err)
}

// SpendAssertion uses a client assertion up (RFC 7523 §3, jti): fresh only the first time. A jti is the client's own, of
// any length.
func (d *DB) SpendAssertion(ctx context.Context, clientID, jti string, expires time.Time) (fresh bool, err error) {
	sum := sha256.Sum256([]byte(jti))
	row := spentAssertionRow{ClientID: clientID, JTIHash: sum[:], ExpiresAt: fromTime(expires)}
	res := d.q(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
	return res.RowsAffected == 1, d.fail("spend assertion", res.Error)
}
