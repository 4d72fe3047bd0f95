package storage

import (
	"context"
	"database/sql"
)

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
