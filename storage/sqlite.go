package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/callbacks"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
	"gorm.io/gorm/migrator"
	"gorm.io/gorm/schema"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// openSQLite prepares one writing connection and a few reading ones on the file at path, which is made when missing. SQLite
// gives its journals the file's own mode.
func openSQLite(path string, volatile bool) (gorm.Dialector, []*sql.DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, nil, err
	}
	if err := touch(path); err != nil {
		return nil, nil, err
	}
	synchronous := "FULL" // an ending that was answered survives a power cut
	if volatile {
		synchronous = "OFF"
	}
	writer, err := sqlitePool(path, 1, url.Values{"_txlock": {"immediate"}, "_journal_mode": {"WAL"}, "_synchronous": {synchronous}})
	if err != nil {
		return nil, nil, err
	}
	readers, err := sqlitePool(path, max(4, runtime.NumCPU()), url.Values{"_query_only": {"1"}})
	if err != nil {
		return nil, nil, err
	}
	return sqliteDialect{pool: split{writer, readers}}, []*sql.DB{writer, readers}, nil
}

// touch makes a file that isn't there. One that is stays untouched: closing another handle of a database would drop the
// locks that this process holds on it (https://www.sqlite.org/howtocorrupt.html §2.2).
func touch(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return file.Close()
}

// sqlitePool prepares up to n connections that share what is true of all: other processes (the command line) may write,
// so a lock is waited for; foreign keys hold; "text" in double quotes is never a string.
func sqlitePool(path string, n int, settings url.Values) (*sql.DB, error) {
	for key, value := range map[string]string{"_busy_timeout": "10000", "_foreign_keys": "1", "_defensive": "1", "_dqs": "0"} {
		settings.Set(key, value)
	}
	name := url.URL{Scheme: "file", Path: "/" + strings.TrimPrefix(filepath.ToSlash(path), "/"), RawQuery: settings.Encode()}
	connector, err := sqlite.NewConnector(name.String())
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(n)
	pool.SetMaxIdleConns(n)
	return pool, nil
}

// sqliteDialect is GORM's view of SQLite over the cgo-free driver: what our statements need and no schema changes, which
// are plain SQL files here. GORM's own dialect imports cgo.
type sqliteDialect struct {
	pool gorm.ConnPool
}

// Name is the dialect's name in GORM.
func (sqliteDialect) Name() string { return SQLite }

// Initialize gives db its connections and GORM's callbacks, with RETURNING and ON CONFLICT as on PostgreSQL.
func (d sqliteDialect) Initialize(db *gorm.DB) error {
	db.ConnPool = d.pool
	callbacks.RegisterDefaultCallbacks(db, &callbacks.Config{
		CreateClauses: []string{"INSERT", "VALUES", "ON CONFLICT", "RETURNING"},
		UpdateClauses: []string{"UPDATE", "SET", "FROM", "WHERE", "RETURNING"},
		DeleteClauses: []string{"DELETE", "FROM", "WHERE", "RETURNING"},
	})
	// SQLite has no row locks: a writing transaction already holds the whole file.
	db.ClauseBuilders["FOR"] = func(clause.Clause, clause.Builder) {}
	return nil
}

// Migrator is GORM's plain one: it only reads columns here.
func (d sqliteDialect) Migrator(db *gorm.DB) gorm.Migrator {
	return migrator.Migrator{Config: migrator.Config{DB: db, Dialector: d}}
}

// DataTypeOf names the column type of a field by SQLite's storage class.
func (sqliteDialect) DataTypeOf(field *schema.Field) string {
	switch field.DataType {
	case schema.Bool:
		return "boolean"
	case schema.Int, schema.Uint:
		return "integer"
	case schema.Float:
		return "real"
	case schema.Bytes:
		return "blob"
	case schema.String:
		return "text"
	default:
		return string(field.DataType)
	}
}

// DefaultValueOf stands for a value that was left out: SQLite has no DEFAULT keyword among values.
func (sqliteDialect) DefaultValueOf(*schema.Field) clause.Expression {
	return clause.Expr{SQL: "NULL"}
}

// BindVarTo writes the placeholder of one value.
func (sqliteDialect) BindVarTo(w clause.Writer, _ *gorm.Statement, _ any) { _ = w.WriteByte('?') }

// QuoteTo writes an identifier; table.column is quoted part by part.
func (sqliteDialect) QuoteTo(w clause.Writer, name string) {
	for i, part := range strings.Split(name, ".") {
		if i > 0 {
			_ = w.WriteByte('.')
		}
		_, _ = w.WriteString(`"` + strings.ReplaceAll(part, `"`, `""`) + `"`)
	}
}

// Explain is only called by a logger that prints statements.
func (sqliteDialect) Explain(sql string, vars ...any) string {
	return logger.ExplainSQL(sql, nil, `'`, vars...)
}

// Translate turns a broken constraint into GORM's error for it, keeping the driver's.
func (sqliteDialect) Translate(err error) error {
	broken, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	switch broken.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return fmt.Errorf("%w: %w", gorm.ErrDuplicatedKey, err)
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return fmt.Errorf("%w: %w", gorm.ErrForeignKeyViolated, err)
	case sqlite3.SQLITE_CONSTRAINT_CHECK:
		return fmt.Errorf("%w: %w", gorm.ErrCheckConstraintViolated, err)
	}
	return err
}

// split sends SELECTs to SQLite's readers and everything else, transactions too, to its one writer: writers queue fairly in
// this process instead of sleeping on SQLite's lock, where under load one of them starves, and readers never wait for them.
type split struct {
	writer, readers *sql.DB
}

func (s split) pool(query string) *sql.DB {
	query = strings.TrimSpace(query)
	if len(query) >= len("SELECT") && strings.EqualFold(query[:len("SELECT")], "SELECT") {
		return s.readers
	}
	return s.writer
}

// PrepareContext satisfies gorm.ConnPool.
func (s split) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	return s.pool(query).PrepareContext(ctx, query)
}

// ExecContext satisfies gorm.ConnPool.
func (s split) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return s.pool(query).ExecContext(ctx, query, args...)
}

// QueryContext satisfies gorm.ConnPool.
func (s split) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return s.pool(query).QueryContext(ctx, query, args...)
}

// QueryRowContext satisfies gorm.ConnPool.
func (s split) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return s.pool(query).QueryRowContext(ctx, query, args...)
}

// BeginTx satisfies gorm.TxBeginner.
func (s split) BeginTx(ctx context.Context, opts *sql.TxOptions) (*sql.Tx, error) {
	return s.writer.BeginTx(ctx, opts)
}
