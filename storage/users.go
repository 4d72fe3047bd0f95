package storage

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/sojourn-auth/sojourn/identity"
)

const userColumns = "id, sub, email, email_verified, name, password_hash, epoch, disabled_at, created_at, updated_at, " +
	"codes_from, password_set_at"

type userRow struct {
	ID            uuid.UUID `gorm:"primaryKey"`
	Sub           string
	Email         string
	EmailVerified bool
	Name          string
	PasswordHash  string
	Epoch         int
	DisabledAt    *micros
	CreatedAt     micros
	UpdatedAt     micros
	CodesFrom     micros // authorization codes that were issued before are void
	PasswordSetAt *micros
}

// TableName is the table's name for GORM.
func (userRow) TableName() string { return "users" }

// dest is where userColumns go.
func (r *userRow) dest() []any {
	return []any{
		&r.ID, &r.Sub, &r.Email, &r.EmailVerified, &r.Name, &r.PasswordHash, &r.Epoch, &r.DisabledAt, &r.CreatedAt,
		&r.UpdatedAt, &r.CodesFrom, &r.PasswordSetAt,
	}
}

func newUserRow(u identity.User) userRow {
	return userRow{
		ID: u.ID, Sub: u.Sub, Email: u.Email, EmailVerified: u.EmailVerified, Name: u.Name,
		PasswordHash: u.PasswordHash, Epoch: u.Epoch, DisabledAt: fromTimeOrNull(u.DisabledAt),
		CreatedAt: fromTime(u.CreatedAt), UpdatedAt: fromTime(u.UpdatedAt), PasswordSetAt: fromTimeOrNull(u.PasswordSetAt),
	}
}

func (r userRow) user() identity.User {
	return identity.User{
		ID: r.ID, Sub: r.Sub, Email: r.Email, EmailVerified: r.EmailVerified, Name: r.Name,
		PasswordHash: r.PasswordHash, Epoch: r.Epoch, DisabledAt: r.DisabledAt.timeOrZero(),
		CreatedAt: r.CreatedAt.time(), UpdatedAt: r.UpdatedAt.time(), PasswordSetAt: r.passwordSetAt(),
	}
}

// passwordSetAt knows of accounts from before it was kept only when they were made.
func (r userRow) passwordSetAt() time.Time {
	if r.PasswordSetAt == nil {
		return r.CreatedAt.time()
	}
	return r.PasswordSetAt.time()
}

// CreateUser adds an account. It refuses an e-mail address that is taken: Conflict, field "username".
func (d *DB) CreateUser(ctx context.Context, u identity.User) error {
	row := newUserRow(u)
	taken := clause.OnConflict{Columns: []clause.Column{{Name: "email"}}, DoNothing: true}
	res := d.q(ctx).Clauses(taken).Create(&row)
	if res.Error == nil && res.RowsAffected == 0 {
		return &identity.Error{
			Kind: identity.Conflict, Field: "username", Msg: "There is an account with that e-mail address already.",
		}
	}
	return d.fail("create user", res.Error)
}

// UserByEmail returns the account of a cleaned address, or NotFound.
func (d *DB) UserByEmail(ctx context.Context, email string) (identity.User, error) {
	if !keepable(email) {
		return identity.User{}, notFound("user")
	}
	return d.user(ctx, "email = ?", email)
}

// UserByID returns an account, or NotFound.
func (d *DB) UserByID(ctx context.Context, id identity.ID) (identity.User, error) {
	return d.user(ctx, "id = ?", id)
}

func (d *DB) user(ctx context.Context, where string, arg any) (identity.User, error) {
	var row userRow
	err := d.q(ctx).Where(where, arg).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return identity.User{}, notFound("user")
	}
	return row.user(), d.fail("read user", err)
}
