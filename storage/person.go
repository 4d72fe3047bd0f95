package storage

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

// personTable is what one table keeps of a person: the kind of its records, and their columns, without anything secret. What there can be
// much of is read by pages, in the order of columns that an index has; the rest is bounded where it is written.
type personTable struct{ kind, table, columns, user, order string }

// personTables are all that keep something of a person. A test holds them to the schema.
var personTables = []personTable{
	{"account", "users", "id, sub, email, email_verified, name, described, created_at, updated_at, password_set_at, disabled_at", "id", ""},
	{"authenticator", "totp_factors", "confirmed_at", "user_id", ""},
	{"recovery_code", "recovery_codes", "used_at", "user_id", ""},
	{
		"sign_in", "sign_ins", "id, amr, proved_at, created_at, last_used_at, idle_ends_at, ends_at, ended_at, end_cause, address, user_agent", "user_id",
		"id",
	},
	{
		"session", "sessions", "id, client_id, sub, sign_in_id, scope, resources, claims, offline, amr, auth_time, created_at, last_used_at, idle_ends_at, " +
			"ends_at, ended_at, end_cause, address, user_agent, device_name, device_model, app_version, install_id", "user_id", "id",
	},
	{"consent", "grants", "client_id, scope, updated_at", "user_id", ""},
	{"role", "roles", "role, since", "user_id", ""},
	{"document", "states", "client_id, key, value, version, updated_at, deleted", "user_id", "client_id, key"},
	{"link", "mail_links", "kind, detail, created_at, expires_at, pressed_at", "user_id", ""},
	{"former", "former_values", "kind, CASE WHEN kind IN ('email', 'name') THEN value ELSE '' END AS value, since, at", "user_id", ""},
	{"habit", "habits", "places, seen_at", "user_id", ""},
	{"event", "events", "id, at, kind, session_id, client_id, detail, address, actor, browser, repeats", "user_id", "at, id"},
}

// exportPage is how many records a statement reads: with a document of 64 KiB each a few megabytes.
const exportPage = 100

// ExportPerson hands on, record by record, everything that is kept of a person but secrets: times in RFC 3339, what is absent left out.
// No statement waits for who reads it. It returns each's error.
func (d *DB) ExportPerson(ctx context.Context, userID identity.ID, each func(kind string, record map[string]any) error) error {
	for _, t := range personTables {
		var after []any
		for more := true; more; {
			page, err := d.exportPage(ctx, t, append([]any{userID}, after...))
			if err != nil {
				return d.fail("export "+t.kind, err)
			}
			for _, row := range page.rows {
				if err := each(t.kind, page.record(row)); err != nil {
					return err
				}
			}
			after, more = page.last(t.order), t.order != "" && len(page.rows) == exportPage
		}
	}
	return nil
}

// exportedRows are rows as they were read.
type exportedRows struct {
	names []string
	rows  [][]any
}

// exportPage reads the rows behind those values of the order's columns that follow the user in from.
func (d *DB) exportPage(ctx context.Context, t personTable, from []any) (page exportedRows, err error) {
	query := "SELECT " + t.columns + " FROM " + t.table + " WHERE " + t.user + " = ?"
	if t.order != "" {
		if marks := strings.TrimSuffix(strings.Repeat("?, ", len(from)-1), ", "); marks != "" {
			query += " AND (" + t.order + ") > (" + marks + ")"
		}
		query += " ORDER BY " + t.order + " LIMIT " + strconv.Itoa(exportPage)
	}
	err = d.each(ctx, func(found *sql.Rows) error {
		page.names, err = found.Columns()
		if err != nil {
			return err
		}
		row, dest := make([]any, len(page.names)), make([]any, len(page.names))
		for i := range row {
			dest[i] = &row[i]
		}
		page.rows = append(page.rows, row)
		return found.Scan(dest...)
	}, query, from...)
	return page, err
}

// record is a row as people read it.
func (p exportedRows) record(row []any) map[string]any {
	record := map[string]any{}
	for i, name := range p.names {
		if v := exported(name, row[i]); v != nil {
			record[name] = v
		}
	}
	return record
}

// last are the values of the order's columns in the last row.
func (p exportedRows) last(order string) (values []any) {
	if order == "" || len(p.rows) == 0 {
		return nil
	}
	for name := range strings.SplitSeq(order, ", ") {
		values = append(values, p.rows[len(p.rows)-1][slices.Index(p.names, name)])
	}
	return values
}

// exported is a column's value as people read it, nil for none.
func exported(name string, value any) any {
	switch v := value.(type) {
	case int64:
		if name == "amr" {
			return identity.AMR(v).Names()
		}
		if name == "email_verified" || name == "offline" || name == "deleted" { // SQLite has no booleans
			return v != 0
		}
		if name == "at" || name == "since" || name == "auth_time" || strings.HasSuffix(name, "_at") {
			return micros(v).time().Format(time.RFC3339Nano)
		}
	case []byte:
		return exported(name, string(v))
	case string:
		if v == "" {
			return nil
		}
		if name == "described" || name == "places" {
			return json.RawMessage(v)
		}
	case [16]byte:
		return uuid.UUID(v).String()
	}
	return value
}
