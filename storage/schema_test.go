package storage_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gorm.io/gorm"

	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// columns are the columns of a table by name; true where NULL is allowed.
type columns map[string]bool

const (
	sqliteColumns = `SELECT m.name AS "table", c.name AS "column", c."notnull" = 0 AS "null"
		FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'`
	postgresColumns = `SELECT table_name AS "table", column_name AS "column", is_nullable = 'YES' AS "null"
		FROM information_schema.columns WHERE table_schema = 'public'`
)

func migrated(t *testing.T, db *storage.DB) map[string]columns {
	t.Helper()
	query := map[string]string{storage.SQLite: sqliteColumns, storage.Postgres: postgresColumns}[db.Kind()]
	var found []struct {
		Table, Column string
		Null          bool
	}
	if err := db.Q(t.Context()).Raw(query).Scan(&found).Error; err != nil {
		t.Fatal(err)
	}
	schema := map[string]columns{}
	for _, f := range found {
		if schema[f.Table] == nil {
			schema[f.Table] = columns{}
		}
		schema[f.Table][f.Column] = f.Null
	}
	delete(schema, "goose_db_version")
	return schema
}

func modelled(t *testing.T, db *storage.DB) map[string]columns {
	t.Helper()
	schema := map[string]columns{"sessions": storage.SessionColumns()}
	for _, model := range storage.Models {
		parsed := &gorm.Statement{DB: db.Q(t.Context())}
		if err := parsed.Parse(model); err != nil {
			t.Fatal(err)
		}
		table := columns{}
		for _, field := range parsed.Schema.Fields {
			table[field.DBName] = strings.HasPrefix(field.FieldType.String(), "*")
		}
		schema[parsed.Schema.Table] = table
	}
	return schema
}

func TestSchema_modelsEqualTheMigratedTables(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		if diff := cmp.Diff(migrated(t, db), modelled(t, db)); diff != "" {
			t.Errorf("migrated (-) and modelled (+) differ; true means that NULL is allowed:\n%s", diff)
		}
	})
}

func TestSchema_listsOfColumnsAreComplete(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		schema := migrated(t, db)
		for table, list := range storage.ColumnLists {
			listed := strings.Split(list.Columns, ", ")
			if len(listed) != list.Values {
				t.Errorf("%s: %d columns are scanned into %d values", table, len(listed), list.Values)
			}
			slices.Sort(listed)
			if diff := cmp.Diff(slices.Sorted(maps.Keys(schema[table])), listed); diff != "" {
				t.Errorf("%s: migrated (-) and listed (+) differ:\n%s", table, diff)
			}
		}
	})
}
