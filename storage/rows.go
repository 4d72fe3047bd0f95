package storage

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/sojourn-auth/sojourn/identity"
)

// batch bounds how many rows one statement ends or deletes, so that no lock is held for long and nothing piles up in
// memory.
const batch = 500

// under puts a table's alias before each column of a list.
func under(alias, columns string) string {
	return alias + "." + strings.ReplaceAll(columns, ", ", ", "+alias+".")
}

// one scans the only row of a statement into dest; false when there is none. It is the hot path: no model is reflected on,
// and ids go as text, which pgx encodes at once, while for a uuid.UUID it first fails at two other ways.
func (d *DB) one(ctx context.Context, dest []any, query string, args ...any) (bool, error) {
	return scanned(d.q(ctx).Raw(query, texts(args)...), dest)
}

func texts(args []any) []any {
	for i, arg := range args {
		if id, is := arg.(uuid.UUID); is {
			args[i] = id.String()
		}
	}
	return args
}

func scanned(tx *gorm.DB, dest []any) (bool, error) {
	err := tx.Row().Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// lock returns a row-locking clause. SQLite has none and needs none: it has one writer at a time.
func (d *DB) lock(clause string) string {
	if d.kind == SQLite {
		return ""
	}
	return " " + clause
}

// keepable reports whether PostgreSQL's text can hold s. What it cannot hold was never stored, so a look-up by it has
// its answer without asking: nothing found.
func keepable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

func notFound(what string) error {
	return identity.Refuse(identity.NotFound, "There is no such "+what+".")
}

func signInAgain() error {
	return identity.Refuse(identity.SignInAgain, "You are not signed in here any more. Sign in again.")
}

// blob stores no bytes as an empty value, since the columns are NOT NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// blobOrNil is the way back.
func blobOrNil(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

// idOrNull stores the zero id as NULL.
func idOrNull(id identity.ID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}

// idOrZero is the way back.
func idOrZero(id *uuid.UUID) identity.ID {
	if id == nil {
		return uuid.Nil
	}
	return *id
}

// each scans every row of a statement, one after the other.
func (d *DB) each(ctx context.Context, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := d.q(ctx).Raw(query, args...).Rows()
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// ids returns the ids that a statement selects.
func (d *DB) ids(ctx context.Context, query string, args ...any) (all []identity.ID, err error) {
	err = d.each(ctx, func(found *sql.Rows) error {
		var id identity.ID
		err := found.Scan((*scannedID)(&id))
		all = append(all, id)
		return err
	}, query, args...)
	return all, err
}

// inEndingOrder sorts ids as all endings go by them: two that meet wait for each other, and neither for ever.
func inEndingOrder(ids []identity.ID) {
	slices.SortFunc(ids, func(a, b identity.ID) int { return bytes.Compare(a[:], b[:]) })
}

// conditions are the parts of a WHERE clause that a query names.
type conditions struct {
	where string
	args  []any
}

// and adds a condition where it is asked for.
func (c *conditions) and(asked bool, condition string, args ...any) {
	if !asked {
		return
	}
	c.where += " AND " + condition
	c.args = append(c.args, args...)
}

// micros is a time in a BIGINT column: microseconds since 1970 in UTC. Both databases store, compare and index it exactly.
type micros int64

// GormDataType keeps GORM from filling fields named CreatedAt or UpdatedAt itself, which it does with whole seconds for
// every integer that it recognises.
func (micros) GormDataType() string { return "bigint" }

// fromTime cuts t to microseconds.
func fromTime(t time.Time) micros { return micros(t.UnixMicro()) }

// fromTimeOrNull stores the zero time as NULL.
func fromTimeOrNull(t time.Time) *micros {
	if t.IsZero() {
		return nil
	}
	m := fromTime(t)
	return &m
}

// time is the way back, in UTC.
func (m micros) time() time.Time { return time.UnixMicro(int64(m)).UTC() }

// timeOrZero reads NULL as the zero time.
func (m *micros) timeOrZero() time.Time {
	if m == nil {
		return time.Time{}
	}
	return m.time()
}

// tableNames asks each kind of database for the tables that are ours.
var tableNames = map[string]string{
	SQLite: `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT IN ('goose_db_version', 'mark_log', 'installation')`,
	Postgres: `SELECT table_name::text FROM information_schema.tables
		WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' AND table_name NOT IN ('goose_db_version', 'mark_log', 'installation')`,
}

// Count returns the number of rows of every table but those whose rows are the same in every installation. It reads them all, so it is for simulations and tests.
func (d *DB) Count(ctx context.Context) (map[string]int, error) {
	var tables []string
	if err := d.q(ctx).Raw(tableNames[d.kind]).Scan(&tables).Error; err != nil {
		return nil, d.fail("list tables", err)
	}
	rows := make(map[string]int, len(tables))
	for _, table := range tables {
		var n int
		if err := d.q(ctx).Raw(fmt.Sprintf(`SELECT count(*) FROM %q`, table)).Scan(&n).Error; err != nil {
			return nil, d.fail("count "+table, err)
		}
		rows[table] = n
	}
	return rows, nil
}
