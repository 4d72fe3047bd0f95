package storage

import (
	"context"
	"errors"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/sojourn-auth/sojourn/identity"
)

// adminTokenRow lets a program use the admin API in an operator's name.
type adminTokenRow struct {
	Name       string `gorm:"primaryKey"`
	Hash       []byte
	Role       string
	CreatedAt  micros
	LastUsedAt *micros
}

// TableName is the table's name for GORM.
func (adminTokenRow) TableName() string { return "admin_tokens" }

func (r adminTokenRow) token() identity.AdminToken {
	return identity.AdminToken{
		Name: r.Name, Role: identity.Role(r.Role), CreatedAt: r.CreatedAt.time(), LastUsedAt: r.LastUsedAt.timeOrZero(),
	}
}

// CreateAdminToken keeps an admin token by its hash. It refuses a name that is taken: Conflict, field "name".
func (d *DB) CreateAdminToken(ctx context.Context, t identity.AdminToken, hash []byte) error {
	row := adminTokenRow{Name: t.Name, Hash: hash, Role: string(t.Role), CreatedAt: fromTime(d.Now())}
	res := d.q(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
	if res.Error == nil && res.RowsAffected == 0 {
		return &identity.Error{
			Kind: identity.Conflict, Field: "name", Msg: "There is an admin token of that name already. Choose another.",
		}
	}
	return d.fail("create admin token", res.Error)
}

// AdminTokens returns every admin token, by name.
func (d *DB) AdminTokens(ctx context.Context) ([]identity.AdminToken, error) {
	var rows []adminTokenRow
	if err := d.q(ctx).Order("name").Find(&rows).Error; err != nil {
		return nil, d.fail("read admin tokens", err)
	}
	tokens := make([]identity.AdminToken, len(rows))
	for i, r := range rows {
		tokens[i] = r.token()
	}
	return tokens, nil
}

// AdminTokenByHash returns the admin token that has this hash, or NotFound.
func (d *DB) AdminTokenByHash(ctx context.Context, hash []byte) (identity.AdminToken, error) {
	var row adminTokenRow
	err := d.q(ctx).Where("hash = ?", hash).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return identity.AdminToken{}, notFound("admin token")
	}
	return row.token(), d.fail("read admin token", err)
}

// MarkAdminTokenUsed remembers that an admin token was used just now.
func (d *DB) MarkAdminTokenUsed(ctx context.Context, name string) error {
	return d.fail("mark admin token used",
		d.q(ctx).Exec("UPDATE admin_tokens SET last_used_at = ? WHERE name = ?", fromTime(d.Now()), name).Error)
}

// DeleteAdminToken makes an admin token worthless; NotFound when there is none of this name.
func (d *DB) DeleteAdminToken(ctx context.Context, name string) error {
	if !keepable(name) {
		return notFound("admin token")
	}
	return d.wrote(d.q(ctx).Where("name = ?", name).Delete(&adminTokenRow{}), "admin token")
}
