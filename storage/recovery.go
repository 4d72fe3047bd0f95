package storage

import (
	"context"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

type recoveryCodeRow struct {
	UserID uuid.UUID `gorm:"primaryKey"`
	Hash   []byte    `gorm:"primaryKey"`
	UsedAt *micros
}

// TableName is the table's name for GORM.
func (recoveryCodeRow) TableName() string { return "recovery_codes" }

// UseRecoveryCode uses a recovery code up: false when the person has none with any of these hashes, or not any
// more.
func (d *DB) UseRecoveryCode(ctx context.Context, userID identity.ID, hashes [][]byte) (bool, error) {
	res := d.q(ctx).Exec("UPDATE recovery_codes SET used_at = ? WHERE user_id = ? AND hash IN ? AND used_at IS NULL",
		fromTime(d.Now()), userID, hashes)
	return res.RowsAffected == 1, d.fail("use recovery code", res.Error)
}

// RecoveryCodesLeft returns how many recovery codes a person has not used.
func (d *DB) RecoveryCodesLeft(ctx context.Context, userID identity.ID) (int, error) {
	var left int64
	err := d.q(ctx).Model(&recoveryCodeRow{}).Where("user_id = ? AND used_at IS NULL", userID).Count(&left).Error
	return int(left), d.fail("count recovery codes", err)
}

// RecoveryHashes returns the hashes of a person's recovery codes, used or not, in their own order.
func (d *DB) RecoveryHashes(ctx context.Context, userID identity.ID) ([][]byte, error) {
	var hashes [][]byte
	err := d.q(ctx).Model(&recoveryCodeRow{}).Where("user_id = ?", userID).Order("hash").Pluck("hash", &hashes).Error
	return hashes, d.fail("read recovery codes", err)
}

// ReplaceRecoveryCodes writes the hashes of a person's new recovery codes, if any, in the place of all that there are.
func (d *DB) ReplaceRecoveryCodes(ctx context.Context, userID identity.ID, hashes [][]byte) error {
	codes := make([]recoveryCodeRow, len(hashes))
	for i, hash := range hashes {
		codes[i] = recoveryCodeRow{UserID: userID, Hash: hash}
	}
	return d.InTx(ctx, func(ctx context.Context) error {
		if err := d.keepFormer(ctx, userID, formerFactors); err != nil {
			return err
		}
		if err := d.q(ctx).Where("user_id = ?", userID).Delete(&recoveryCodeRow{}).Error; err != nil {
			return d.fail("delete recovery codes", err)
		}
		if len(codes) == 0 {
			return nil
		}
		return d.fail("create recovery codes", d.q(ctx).Create(&codes).Error)
	})
}
