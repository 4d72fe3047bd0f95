package storage

import (
	"context"

	"gorm.io/gorm/clause"
)

// installationRow is one thing that all servers of one database must have in common.
type installationRow struct {
	Name  string `gorm:"primaryKey"`
	Value string
}

// TableName is the table's name for GORM.
func (installationRow) TableName() string { return "installation" }

// issuerName is the name of the row that keeps the issuer: apps compare it byte by byte (OpenID Connect Discovery §4.3) and
// browsers' cookies are bound to its host, so a server that called itself otherwise would hand out what its neighbours refuse.
const issuerName = "issuer"

// HoldIssuer returns the issuer of this database: the first one that a server held it under, which is this one where none
// did before. Of servers that start together with different ones, one wins.
func (d *DB) HoldIssuer(ctx context.Context, issuer string) (held string, err error) {
	found, err := d.issuer(ctx, &held)
	if err != nil || found {
		return held, err
	}
	row := installationRow{Name: issuerName, Value: issuer}
	if err := d.q(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error; err != nil {
		return "", d.fail("keep the issuer", err)
	}
	_, err = d.issuer(ctx, &held)
	return held, err
}

func (d *DB) issuer(ctx context.Context, held *string) (bool, error) {
	found, err := d.one(ctx, []any{held}, "SELECT value FROM installation WHERE name = ?", issuerName)
	return found, d.fail("read the issuer", err)
}

// ChangeIssuer gives this database another issuer, which may be the one it has. Servers that run go on under theirs; only
// those that start are held to it, so the operator stops all of them first: two issuers at once would refuse each other's
// tokens.
func (d *DB) ChangeIssuer(ctx context.Context, issuer string) error {
	row := installationRow{Name: issuerName, Value: issuer}
	err := d.q(ctx).Clauses(clause.OnConflict{
		Columns: []clause.Column{{Name: "name"}}, DoUpdates: clause.AssignmentColumns([]string{"value"}),
	}).Create(&row).Error
	return d.fail("change the issuer", err)
}
