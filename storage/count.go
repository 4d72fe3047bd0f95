package storage

import (
	"context"
	"fmt"
)

// tableNames asks each kind of database for the tables that are ours.
var tableNames = map[string]string{
	SQLite: `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> 'goose_db_version'`,
	Postgres: `SELECT table_name::text FROM information_schema.tables
		WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' AND table_name <> 'goose_db_version'`,
}

// Count returns the number of rows of every table. It reads them all, so it is for simulations and tests.
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
