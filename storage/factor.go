package storage

import (
	"context"
	"crypto/sha256"
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

// FactorsOf returns the kinds of factors that a person has and that count; none for someone who is not there.
func (d *DB) FactorsOf(ctx context.Context, userID identity.ID) ([]identity.Factor, error) {
	var factors factorSet
	_, err := d.one(ctx, []any{&factors}, "SELECT "+factorsOfUser+" FROM users u WHERE u.id = ?", userID)
	return factors, d.fail("read factors", err)
}

// LockFactors is FactorsOf, and keeps every other change of the person's factors and recovery codes waiting until the
// transaction of ctx ends. NotFound for someone who is not there.
func (d *DB) LockFactors(ctx context.Context, userID identity.ID) ([]identity.Factor, error) {
	if err := d.lockUser(ctx, userID); err != nil {
		return nil, err
	}
	return d.FactorsOf(ctx, userID)
}

// TOTPOf returns a person's authenticator, or NotFound.
func (d *DB) TOTPOf(ctx context.Context, userID identity.ID) (mfa.Authenticator, error) {
	var row totpRow
	err := d.q(ctx).Where("user_id = ?", userID).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return mfa.Authenticator{}, notFound("authenticator")
	}
	if err != nil {
		return mfa.Authenticator{}, d.fail("read authenticator", err)
	}
	secret, err := d.keys.Open(identity.ForFactor, row.Secret, userID[:])
	if err != nil {
		return mfa.Authenticator{}, fmt.Errorf("open the authenticator of user %s, which another root secret sealed: %w", userID, err)
	}
	return mfa.Authenticator{UserID: userID, Secret: secret, LastStep: row.LastStep, ConfirmedAt: row.ConfirmedAt.time()}, nil
}

// CreateTOTP writes an authenticator. Conflict when the person has one.
func (d *DB) CreateTOTP(ctx context.Context, a mfa.Authenticator) error {
	if err := d.keepFormer(ctx, a.UserID, formerFactors); err != nil {
		return err
	}
	row := totpRow{
		UserID: a.UserID, Secret: d.keys.Seal(identity.ForFactor, a.Secret, a.UserID[:]), LastStep: a.LastStep,
		ConfirmedAt: fromTime(a.ConfirmedAt),
	}
	res := d.q(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
	if res.Error == nil && res.RowsAffected == 0 {
		return identity.Refuse(identity.Conflict, "There is an authenticator for this account already.")
	}
	return d.fail("create authenticator", res.Error)
}

// BurnStep uses a time step up: false when it or a later one was used before.
func (d *DB) BurnStep(ctx context.Context, userID identity.ID, step int64) (bool, error) {
	res := d.q(ctx).Exec("UPDATE totp_factors SET last_step = ? WHERE user_id = ? AND last_step < ?", step, userID, step)
	return res.RowsAffected == 1, d.fail("burn step", res.Error)
}

// DeleteTOTP deletes a person's authenticator, with the recovery codes that its secret was the key of: nothing could judge
// them any more. NotFound when there is none.
func (d *DB) DeleteTOTP(ctx context.Context, userID identity.ID) error {
	return d.InTx(ctx, func(ctx context.Context) error {
		if err := d.keepFormer(ctx, userID, formerFactors); err != nil {
			return err
		}
		if err := d.wrote(d.q(ctx).Where("user_id = ?", userID).Delete(&totpRow{}), "authenticator"); err != nil {
			return err
		}
		return d.fail("delete recovery codes", d.q(ctx).Exec(
			"DELETE FROM recovery_codes WHERE user_id = ? AND length(hash) = ?", userID, sha256.Size).Error)
	})
}
