package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/sojourn-auth/sojourn/identity"
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
	if held, err = d.Issuer(ctx); err != nil || held != "" {
		return held, err
	}
	row := installationRow{Name: issuerName, Value: issuer}
	if err := d.q(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error; err != nil {
		return "", d.fail("keep the issuer", err)
	}
	return d.Issuer(ctx)
}

// Issuer returns the issuer that is held; none where no server ever served this database.
func (d *DB) Issuer(ctx context.Context) (held string, err error) {
	_, err = d.one(ctx, []any{&held}, "SELECT value FROM installation WHERE name = ?", issuerName)
	return held, d.fail("read the issuer", err)
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

// installationSecretRow is something random that no root secret makes and that stays when root secrets change.
type installationSecretRow struct {
	Name   string `gorm:"primaryKey"`
	Sealed []byte
}

// TableName is the table's name for GORM.
func (installationSecretRow) TableName() string { return "installation_secrets" }

// eventSecret is the name of the secret that Events are sealed with.
const eventSecret = "events"

// installationSecret returns the 32 random bytes of a name: those that are kept, made where there are none. Of many that make
// them at once one wins.
func (d *DB) installationSecret(ctx context.Context, name string) ([]byte, error) {
	var row installationSecretRow
	kept := func() error { return d.q(ctx).Where("name = ?", name).Take(&row).Error }
	err := kept()
	if errors.Is(err, gorm.ErrRecordNotFound) {
		fresh := make([]byte, 32)
		_, _ = rand.Read(fresh)
		made := installationSecretRow{Name: name, Sealed: d.keys.Seal(identity.ForInstalled, fresh, []byte(name))}
		if err := d.q(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&made).Error; err != nil {
			return nil, d.fail("make a secret", err)
		}
		err = kept()
	}
	if err != nil {
		return nil, d.fail("read a secret", err)
	}
	return d.openInstalled(row)
}

func (d *DB) openInstalled(row installationSecretRow) ([]byte, error) {
	secret, err := d.keys.Open(identity.ForInstalled, row.Sealed, []byte(row.Name))
	if err != nil {
		return nil, fmt.Errorf("SOJOURN_SECRET is not the one of this database, or lacks the one that sealed its secret %s: %w", row.Name, err)
	}
	return secret, nil
}

// CheckSecret holds a command to the root secrets of this database: no server could open what it sealed or hashed under another.
// It makes nothing: a database that no server has served yet holds nobody to any.
func (d *DB) CheckSecret(ctx context.Context) error {
	var rows []installationSecretRow
	if err := d.q(ctx).Find(&rows).Error; err != nil {
		return d.fail("read the secrets of the installation", err)
	}
	for _, row := range rows {
		if _, err := d.openInstalled(row); err != nil {
			return err
		}
	}
	return nil
}

// saltSecret is the name of the secret that pairwise subjects are made with.
const saltSecret = "pairwise"

// Subjects returns what people are called to clients.
func (d *DB) Subjects(ctx context.Context) (identity.Subjects, error) {
	salt, err := d.installationSecret(ctx, saltSecret)
	return identity.Subjects{Salt: salt}, err
}
