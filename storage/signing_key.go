package storage

import (
	"context"
	"fmt"

	"gorm.io/gorm/clause"

	"github.com/sojourn-auth/sojourn/identity"
)

type signingKeyRow struct {
	ID          string `gorm:"primaryKey"`
	Alg         string
	State       string
	Private     []byte // sealed: whoever reads the database cannot sign
	Public      []byte
	CreatedAt   micros
	ActivatedAt *micros
	RetiredAt   *micros
}

// TableName is the table's name for GORM.
func (signingKeyRow) TableName() string { return "signing_keys" }

// SigningKeys returns every signing key, oldest first, with the private half of those that sign or will.
func (d *DB) SigningKeys(ctx context.Context) ([]identity.SigningKey, error) {
	var rows []signingKeyRow
	if err := d.q(ctx).Order("created_at, id").Find(&rows).Error; err != nil {
		return nil, d.fail("read signing keys", err)
	}
	keys := make([]identity.SigningKey, len(rows))
	for i, r := range rows {
		private, err := d.openKey(r)
		if err != nil {
			return nil, err
		}
		keys[i] = identity.SigningKey{
			ID: r.ID, Alg: r.Alg, State: identity.KeyState(r.State), Private: private, Public: r.Public,
			CreatedAt: r.CreatedAt.time(), ActivatedAt: r.ActivatedAt.timeOrZero(), RetiredAt: r.RetiredAt.timeOrZero(),
		}
	}
	return keys, nil
}

// openKey opens the private half of a key that signs or will; a retired one has none any more.
func (d *DB) openKey(r signingKeyRow) ([]byte, error) {
	if r.State == string(identity.KeyRetired) {
		return nil, nil
	}
	private, err := d.keys.Open(identity.ForKey, r.Private, []byte(r.ID))
	if err != nil {
		return nil, fmt.Errorf("SOJOURN_SECRET is not the one of this database, or lacks the one that sealed its signing key %s: %w", r.ID, err)
	}
	return private, nil
}

// AddSigningKey adds a key unless one of its algorithm is in that state already: of many servers that start together one
// wins.
func (d *DB) AddSigningKey(ctx context.Context, k identity.SigningKey) (bool, error) {
	row := signingKeyRow{
		ID: k.ID, Alg: k.Alg, State: string(k.State), Private: d.keys.Seal(identity.ForKey, k.Private, []byte(k.ID)),
		Public: k.Public, CreatedAt: fromTime(k.CreatedAt), ActivatedAt: fromTimeOrNull(k.ActivatedAt),
		RetiredAt: fromTimeOrNull(k.RetiredAt),
	}
	res := d.q(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
	return res.RowsAffected == 1, d.fail("add signing key", res.Error)
}

// PromoteSigningKeys retires the current key of alg, whose private half is forgotten with it, and makes the next one current. Without a next one it does nothing, so
// that there is always a key that signs. Rotations at once follow each other.
func (d *DB) PromoteSigningKeys(ctx context.Context, alg string) error {
	return d.InTx(ctx, func(ctx context.Context) error {
		if err := d.LockSigningKeys(ctx); err != nil {
			return err
		}
		return d.promote(ctx, alg)
	})
}

// LockSigningKeys has rotations and removals follow each other. Row locks would miss the key that another one is adding.
func (d *DB) LockSigningKeys(ctx context.Context) error {
	if d.kind != Postgres {
		return nil // who writes is alone
	}
	return d.fail("lock signing keys", d.q(ctx).Exec("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE").Error)
}

// RemoveSigningKey deletes a key and returns what it was, without its private half; NotFound when there is none. Where it was the current one, the
// next one of its algorithm becomes that.
func (d *DB) RemoveSigningKey(ctx context.Context, id string) (removed identity.SigningKey, err error) {
	return removed, d.InTx(ctx, func(ctx context.Context) error {
		if err := d.LockSigningKeys(ctx); err != nil {
			return err
		}
		var rows []signingKeyRow
		err := d.q(ctx).Raw("DELETE FROM signing_keys WHERE id = ? RETURNING id, alg, state, public", id).Scan(&rows).Error
		if err != nil {
			return d.fail("remove signing key", err)
		}
		if len(rows) == 0 {
			return notFound("signing key")
		}
		removed = identity.SigningKey{ID: id, Alg: rows[0].Alg, State: identity.KeyState(rows[0].State), Public: rows[0].Public}
		if removed.State != identity.KeyCurrent {
			return nil
		}
		return d.promote(ctx, removed.Alg)
	})
}

// RetireSigningKeys retires every key of alg that signs or will, whose private halves are forgotten with it; false when there
// was none. Of many servers that start together one is told true.
func (d *DB) RetireSigningKeys(ctx context.Context, alg string) (bool, error) {
	res := d.q(ctx).Exec("UPDATE signing_keys SET state = ?, retired_at = ?, private = ? WHERE alg = ? AND state <> ?",
		identity.KeyRetired, fromTime(d.Now()), []byte{}, alg, identity.KeyRetired)
	return res.RowsAffected > 0, d.fail("retire signing keys", res.Error)
}

func (d *DB) promote(ctx context.Context, alg string) error {
	now := fromTime(d.Now())
	err := d.q(ctx).Exec(`UPDATE signing_keys SET state = ?, retired_at = ?, private = ? WHERE alg = ? AND state = ?
		AND EXISTS (SELECT 1 FROM signing_keys n WHERE n.alg = signing_keys.alg AND n.state = ?)`,
		identity.KeyRetired, now, []byte{}, alg, identity.KeyCurrent, identity.KeyNext).Error
	if err != nil {
		return d.fail("retire signing key", err)
	}
	return d.fail("promote signing key", d.q(ctx).Exec(
		"UPDATE signing_keys SET state = ?, activated_at = ? WHERE alg = ? AND state = ?",
		identity.KeyCurrent, now, alg, identity.KeyNext).Error)
}
