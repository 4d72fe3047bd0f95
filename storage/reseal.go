package storage

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

// sealedColumn is where something rests that Keyring.Seal made, bound to the key of its row.
type sealedColumn struct {
	what, table, key, column string
	purpose                  identity.Purpose
	byID                     bool // the key is an ID; else text
}

// sealedColumns are all of them: what a root secret is needed for that was sealed under it, and can be sealed anew.
var sealedColumns = []sealedColumn{
	{"authenticators", "totp_factors", "user_id", "secret", identity.ForFactor, true},
	{"former authenticators", "former_values", "id", "secret", identity.ForFactor, true},
	{"signing keys", "signing_keys", "id", "private", identity.ForKey, false},
	{"deliveries", "deliveries", "id", "body", identity.ForDelivery, true},
	{"webhook secrets", "webhooks", "name", "secret", identity.ForWebhook, false},
	{"former webhook secrets", "webhooks", "name", "former_secret", identity.ForWebhook, false},
	{"secrets of the installation", "installation_secrets", "name", "sealed", identity.ForInstalled, false},
}

// hashedColumn is where keyed hashes rest (Keyring.HashSecret, Hashes), and which of them still count.
type hashedColumn struct{ what, table, column, counts string }

// hashedColumns are all of them. A hash cannot be made anew without what was hashed.
var hashedColumns = []hashedColumn{
	{"client secrets", "clients", "secret_hash", "length(secret_hash) > 0"},
	{"client secrets in their overlap", "clients", "former_secret_hash", "length(former_secret_hash) > 0 AND former_secret_until > ?"},
	{"recovery codes", "recovery_codes", "hash", "used_at IS NULL AND length(hash) < 32"}, // longer ones go by a TOTP secret
}

// resealed is how many rows one step of Reseal reads, and at most writes in one transaction.
const resealed = 200

// Reseal seals everything at rest under the first root secret that is sealed under another one of the keyring, and counts
// what remains under others. It may be broken off and begun again, and servers and people go on beside it: a row that
// somebody writes meanwhile stays as they wrote it.
func (d *DB) Reseal(ctx context.Context) (all []identity.Resealed, err error) {
	for _, c := range sealedColumns {
		done := identity.Resealed{What: c.what}
		if done.Anew, err = d.resealColumn(ctx, c); err != nil {
			return nil, err
		}
		if done.Left, err = d.underOthers(ctx, hashedColumn{c.what, c.table, c.column, "length(" + c.column + ") > 0"}); err != nil {
			return nil, err
		}
		all = append(all, done)
	}
	for _, c := range hashedColumns {
		done := identity.Resealed{What: c.what, Hashed: true}
		if done.Left, err = d.underOthers(ctx, c); err != nil {
			return nil, err
		}
		all = append(all, done)
	}
	return all, nil
}

type sealedRow struct {
	Key    string
	Sealed []byte
}

// bound is what a value is authenticated with: the key of its row.
func (c sealedColumn) bound(key string) ([]byte, error) {
	if !c.byID {
		return []byte(key), nil
	}
	id, err := uuid.Parse(key)
	return id[:], err
}

func (d *DB) resealColumn(ctx context.Context, c sealedColumn) (anew int, err error) {
	after := ""
	if c.byID {
		after = uuid.Nil.String()
	}
	for {
		var rows []sealedRow
		err := d.q(ctx).Raw(fmt.Sprintf(`SELECT CAST(%s AS text) AS "key", %s AS sealed FROM %s WHERE %[1]s > ? ORDER BY %[1]s LIMIT ?`,
			c.key, c.column, c.table), after, resealed).Scan(&rows).Error
		if err != nil {
			return anew, d.fail("read "+c.what, err)
		}
		n, err := d.resealRows(ctx, c, rows)
		if anew += n; err != nil || len(rows) < resealed {
			return anew, err
		}
		after = rows[len(rows)-1].Key
	}
}

// resealRows writes anew what is under another root secret. What no secret opens stays, and is counted as left.
func (d *DB) resealRows(ctx context.Context, c sealedColumn, rows []sealedRow) (anew int, err error) {
	fresh := map[int][]byte{}
	for i, r := range rows {
		bound, err := c.bound(r.Key)
		if err != nil {
			return 0, fmt.Errorf("reseal %s: %w", c.what, err)
		}
		if sealed, changed := d.keys.Reseal(c.purpose, r.Sealed, bound); changed {
			fresh[i] = sealed
		}
	}
	if len(fresh) == 0 {
		return 0, nil
	}
	update := fmt.Sprintf("UPDATE %s SET %s = ? WHERE %s = ? AND %[2]s = ?", c.table, c.column, c.key)
	return anew, d.InTx(ctx, func(ctx context.Context) error {
		for i, r := range rows { // in the order of their keys, so that two that reseal at once wait and do not deadlock
			if fresh[i] == nil {
				continue
			}
			res := d.q(ctx).Exec(update, fresh[i], r.Key, r.Sealed)
			if res.Error != nil {
				return d.fail("reseal "+c.what, res.Error)
			}
			anew += int(res.RowsAffected)
		}
		return nil
	})
}

// underOthers counts the values of a column that rest under another root secret than the first.
func (d *DB) underOthers(ctx context.Context, c hashedColumn) (n int, err error) {
	args := []any{d.keys.First()}
	if strings.Contains(c.counts, "?") {
		args = append(args, fromTime(d.Now()))
	}
	query := fmt.Sprintf("SELECT count(*) FROM %s WHERE substr(%s, 1, 3) <> ? AND %s", c.table, c.column, c.counts)
	_, err = d.one(ctx, []any{&n}, query, args...)
	return n, d.fail("count what other secrets sealed", err)
}
