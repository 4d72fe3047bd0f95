package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
)

// counting are the kinds of factors that count, the one to ask for first ahead, each with the table in which whoever has
// one has a row. Who is enrolled is decided here and nowhere else.
var counting = []struct {
	kind  identity.Factor
	table string
}{
	{identity.TOTP, "totp_factors"},
}

// factorsOfUser selects what a factorSet reads, of the users row u: a bit for each kind of counting. It counts, since for an
// EXISTS PostgreSQL would read the whole table once to answer for a page of users.
var factorsOfUser = selectFactors()

func selectFactors() string {
	bits := make([]string, len(counting))
	for i, f := range counting {
		bits[i] = fmt.Sprintf("CASE WHEN (SELECT count(*) FROM %s f WHERE f.user_id = u.id) > 0 THEN %d ELSE 0 END", f.table, 1<<i)
	}
	return "(" + strings.Join(bits, " + ") + ")"
}

type factorSet []identity.Factor

// Scan reads factorsOfUser.
func (s *factorSet) Scan(src any) error {
	bits, ok := src.(int64)
	if !ok {
		return fmt.Errorf("factors are %T, not a number", src)
	}
	for i, f := range counting {
		if bits&(1<<i) != 0 {
			*s = append(*s, f.kind)
		}
	}
	return nil
}

type totpRow struct {
	UserID      uuid.UUID `gorm:"primaryKey"`
	Secret      []byte    // sealed: whoever reads the database cannot make codes
	LastStep    int64
	ConfirmedAt micros
}

// TableName is the table's name for GORM.
func (totpRow) TableName() string { return "totp_factors" }

type recoveryCodeRow struct {
	UserID uuid.UUID `gorm:"primaryKey"`
	Hash   []byte    `gorm:"primaryKey"`
	UsedAt *micros
}

// TableName is the table's name for GORM.
func (recoveryCodeRow) TableName() string { return "recovery_codes" }

// TOTPOf returns a person's authenticator, or NotFound.
func (d *DB) TOTPOf(ctx context.Context, userID identity.ID) (mfa.Factor, error) {
	return d.factor(userID, d.q(ctx))
}

func (d *DB) factor(userID identity.ID, q *gorm.DB) (mfa.Factor, error) {
	var row totpRow
	err := q.Where("user_id = ?", userID).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return mfa.Factor{}, notFound("authenticator")
	}
	if err != nil {
		return mfa.Factor{}, d.fail("read factor", err)
	}
	secret, err := d.keys.Open(identity.ForFactor, row.Secret, userID[:])
	if err != nil {
		return mfa.Factor{}, fmt.Errorf("open the factor of user %s, which another root secret sealed: %w", userID, err)
	}
	return mfa.Factor{UserID: userID, Secret: secret, LastStep: row.LastStep, ConfirmedAt: row.ConfirmedAt.time()}, nil
}

// CreateTOTP writes an authenticator and the hashes of its recovery codes. Conflict when the person has one.
func (d *DB) CreateTOTP(ctx context.Context, f mfa.Factor, codeHashes [][]byte) error {
	row := totpRow{
		UserID: f.UserID, Secret: d.keys.Seal(identity.ForFactor, f.Secret, f.UserID[:]), LastStep: f.LastStep,
		ConfirmedAt: fromTime(f.ConfirmedAt),
	}
	codes := make([]recoveryCodeRow, len(codeHashes))
	for i, hash := range codeHashes {
		codes[i] = recoveryCodeRow{UserID: f.UserID, Hash: hash}
	}
	return d.InTx(ctx, func(ctx context.Context) error {
		res := d.q(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
		switch {
		case res.Error != nil:
			return d.fail("create factor", res.Error)
		case res.RowsAffected == 0:
			return identity.Refuse(identity.Conflict, "There is an authenticator for this account already.")
		case len(codes) == 0:
			return nil
		}
		return d.fail("create recovery codes", d.q(ctx).Create(&codes).Error)
	})
}

// BurnStep uses a time step up: false when it or a later one was used before.
func (d *DB) BurnStep(ctx context.Context, userID identity.ID, step int64) (bool, error) {
	res := d.q(ctx).Exec("UPDATE totp_factors SET last_step = ? WHERE user_id = ? AND last_step < ?", step, userID, step)
	return res.RowsAffected == 1, d.fail("burn step", res.Error)
}

// UseRecoveryCode uses a recovery code up: false when the person has none with this hash, or not any more.
func (d *DB) UseRecoveryCode(ctx context.Context, userID identity.ID, hash []byte) (bool, error) {
	res := d.q(ctx).Exec("UPDATE recovery_codes SET used_at = ? WHERE user_id = ? AND hash = ? AND used_at IS NULL",
		fromTime(d.Now()), userID, hash)
	return res.RowsAffected == 1, d.fail("use recovery code", res.Error)
}

// RecoveryCodesLeft returns how many recovery codes a person has not used.
func (d *DB) RecoveryCodesLeft(ctx context.Context, userID identity.ID) (int, error) {
	var left int64
	err := d.q(ctx).Model(&recoveryCodeRow{}).Where("user_id = ? AND used_at IS NULL", userID).Count(&left).Error
	return int(left), d.fail("count recovery codes", err)
}

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
