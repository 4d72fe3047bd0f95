package storage

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"

	"github.com/sojourn-auth/sojourn/identity"
)

// WritePassword writes a new password hash. Whatever was proved with the old one is RaiseEpoch's and EndUser's to end.
func (d *DB) WritePassword(ctx context.Context, userID identity.ID, hash string) error {
	now := fromTime(d.Now())
	return d.wrote(d.q(ctx).Exec("UPDATE users SET password_hash = ?, password_set_at = ?, updated_at = ? WHERE id = ?",
		hash, now, now, userID), "user")
}

// RaiseEpoch raises the credential epoch of a user and returns it. It locks the user's row, so that a code that is being
// redeemed is either seen by the ending that follows or sees the new epoch (DESIGN §2).
func (d *DB) RaiseEpoch(ctx context.Context, userID identity.ID) (epoch int, err error) {
	found, err := d.one(ctx, []any{&epoch}, "UPDATE users SET epoch = epoch + 1 WHERE id = ? RETURNING epoch", userID)
	if err == nil && !found {
		return 0, notFound("user")
	}
	return epoch, d.fail("change credential", err)
}

// SetUserDisabled locks an account and raises its epoch, or unlocks it for the zero time. It returns false when it was so
// already, and NotFound where there is no such user. It locks the user's row.
func (d *DB) SetUserDisabled(ctx context.Context, userID identity.ID, at time.Time) (bool, error) {
	query := "UPDATE users SET disabled_at = ?, epoch = epoch + 1 WHERE id = ? AND disabled_at IS NULL"
	if at.IsZero() {
		query = "UPDATE users SET disabled_at = ? WHERE id = ? AND disabled_at IS NOT NULL"
	}
	res := d.q(ctx).Exec(query, fromTimeOrNull(at), userID)
	if res.Error != nil || res.RowsAffected > 0 {
		return res.Error == nil, d.fail("lock user", res.Error)
	}
	return false, d.lockUser(ctx, userID)
}

// DeleteUser deletes an account with its Sessions, SignIns, factors, grants, documents and Events. What lived must have
// been ended before. NotFound when there is no such user.
func (d *DB) DeleteUser(ctx context.Context, userID identity.ID) error {
	return d.InTx(ctx, func(ctx context.Context) error {
		for _, model := range []any{&sessionRow{}, &eventRow{}} { // the other tables refer to users, and follow
			if err := d.q(ctx).Where("user_id = ?", userID).Delete(model).Error; err != nil {
				return d.fail("delete user", err)
			}
		}
		return d.wrote(d.q(ctx).Where("id = ?", userID).Delete(&userRow{}), "user")
	})
}

// SetEmail gives an account another address, which counts as verified. Conflict when it is taken.
func (d *DB) SetEmail(ctx context.Context, userID identity.ID, email string) error {
	res := d.q(ctx).Exec("UPDATE users SET email = ?, email_verified = ?, updated_at = ? WHERE id = ?",
		email, true, fromTime(d.Now()), userID)
	if errors.Is(res.Error, gorm.ErrDuplicatedKey) { // on PostgreSQL that ends the transaction, which a refusal does anyway
		return identity.Refuse(identity.Conflict, "There is an account with that e-mail address already.")
	}
	return d.wrote(res, "user")
}

// VerifyEmail notes that the person reads mail that is sent to email; NotFound when the account has another address now.
func (d *DB) VerifyEmail(ctx context.Context, userID identity.ID, email string) error {
	return d.wrote(d.q(ctx).Exec("UPDATE users SET email_verified = ?, updated_at = ? WHERE id = ? AND email = ?",
		true, fromTime(d.Now()), userID, email), "user")
}

// SetName changes what a person is called.
func (d *DB) SetName(ctx context.Context, userID identity.ID, name string) error {
	return d.wrote(d.q(ctx).Exec("UPDATE users SET name = ?, updated_at = ? WHERE id = ?",
		name, fromTime(d.Now()), userID), "user")
}

// wrote refuses (NotFound) when a statement changed no row.
func (d *DB) wrote(res *gorm.DB, what string) error {
	if res.Error == nil && res.RowsAffected == 0 {
		return notFound(what)
	}
	return d.fail("change "+what, res.Error)
}
