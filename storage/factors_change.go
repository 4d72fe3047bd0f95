package storage

import (
	"context"

	"gorm.io/gorm/clause"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
)

// LockTOTP returns a person's authenticator, or NotFound, and keeps every other change of it waiting until the
// transaction of ctx ends.
func (d *DB) LockTOTP(ctx context.Context, userID identity.ID) (mfa.Factor, error) {
	q := d.q(ctx)
	if d.kind == Postgres { // SQLite has one writer at a time
		q = q.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
	}
	return d.factor(userID, q)
}

// DeleteTOTP deletes a person's authenticator and its recovery codes, or refuses: NotFound.
func (d *DB) DeleteTOTP(ctx context.Context, userID identity.ID) error {
	return d.InTx(ctx, func(ctx context.Context) error {
		if err := d.wrote(d.q(ctx).Where("user_id = ?", userID).Delete(&totpRow{}), "authenticator"); err != nil {
			return err
		}
		return d.fail("delete recovery codes", d.q(ctx).Where("user_id = ?", userID).Delete(&recoveryCodeRow{}).Error)
	})
}

// RecoveryHashes returns the hashes of a person's recovery codes, used or not, in their own order.
func (d *DB) RecoveryHashes(ctx context.Context, userID identity.ID) ([][]byte, error) {
	var hashes [][]byte
	err := d.q(ctx).Model(&recoveryCodeRow{}).Where("user_id = ?", userID).Order("hash").Pluck("hash", &hashes).Error
	return hashes, d.fail("read recovery codes", err)
}

// ReplaceRecoveryCodes writes the hashes of a person's new recovery codes in the place of all that there are.
func (d *DB) ReplaceRecoveryCodes(ctx context.Context, userID identity.ID, hashes [][]byte) error {
	codes := make([]recoveryCodeRow, len(hashes))
	for i, hash := range hashes {
		codes[i] = recoveryCodeRow{UserID: userID, Hash: hash}
	}
	return d.InTx(ctx, func(ctx context.Context) error {
		if err := d.q(ctx).Where("user_id = ?", userID).Delete(&recoveryCodeRow{}).Error; err != nil {
			return d.fail("delete recovery codes", err)
		}
		return d.fail("create recovery codes", d.q(ctx).Create(&codes).Error)
	})
}
