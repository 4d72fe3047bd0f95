package storage

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/sojourn-auth/sojourn/identity"
)

// personTable is what one table keeps of a person: the kind of its records, and their columns, without anything secret.
type personTable struct{ kind, table, columns, user string }

// personTables are all that keep something of a person. A test holds them to the schema.
var personTables = []personTable{
	{"account", "users", "id, sub, email, email_verified, name, described, created_at, updated_at, password_set_at, disabled_at", "id"},
	{"authenticator", "totp_factors", "confirmed_at", "user_id"},
	{"recovery_code", "recovery_codes", "used_at", "user_id"},
	{"sign_in", "sign_ins", "id, amr, proved_at, created_at, last_used_at, idle_ends_at, ends_at, ended_at, end_cause, address, user_agent", "user_id"},
	{
		"session", "sessions", "id, client_id, sub, sign_in_id, scope, resources, claims, offline, amr, auth_time, created_at, last_used_at, idle_ends_at, " +
			"ends_at, ended_at, end_cause, address, user_agent, device_name, device_model, app_version, install_id", "user_id",
	},
	{"consent", "grants", "client_id, scope, updated_at", "user_id"},
	{"role", "roles", "role, since", "user_id"},
	{"document", "states", "client_id, key, value, version, updated_at, deleted", "user_id"},
	{"link", "mail_links", "kind, detail, created_at, expires_at, pressed_at", "user_id"},
	{"former", "former_values", "kind, CASE WHEN kind IN ('email', 'name') THEN value ELSE '' END AS value, since, at", "user_id"},
	{"habit", "habits", "places, seen_at", "user_id"},
	{"event", "events", "id, at, kind, session_id, client_id, detail, address, actor, browser, repeats", "user_id"},
}

// ExportPerson hands on, record by record, everything that is kept of a person but secrets: times in RFC 3339, what is absent left out.
// It returns each's error.
func (d *DB) ExportPerson(ctx context.Context, userID identity.ID, each func(kind string, record map[string]any) error) error {
	for _, t := range personTables {
		query := "SELECT " + t.columns + " FROM " + t.table + " WHERE " + t.user + " = ?"
		err := exportRows(d.q(ctx).Raw(query, userID), func(record map[string]any) error { return each(t.kind, record) })
		if err != nil {
			return d.fail("export "+t.kind, err)
		}
	}
	return nil
}

func exportRows(query *gorm.DB, each func(map[string]any) error) error {
	rows, err := query.Rows()
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	values, dest := make([]any, len(names)), make([]any, len(names))
	for i := range values {
		dest[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		record := map[string]any{}
		for i, name := range names {
			if v := exported(name, values[i]); v != nil {
				record[name] = v
			}
		}
		if err := each(record); err != nil {
			return err
		}
	}
	return rows.Err()
}

// exported is a column's value as people read it, nil for none.
func exported(name string, value any) any {
	switch v := value.(type) {
	case int64:
		if name == "amr" {
			return identity.AMR(v).Names()
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
