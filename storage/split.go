package storage

import (
	"context"
	"database/sql"
	"strings"
)

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
