package storage_test

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/migrations"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

var (
	comment     = regexp.MustCompile(`--[^\n]*`)
	createTable = regexp.MustCompile(`(?i)CREATE TABLE (?:IF NOT EXISTS )?(\w+)`)
	createIndex = regexp.MustCompile(`(?i)CREATE (?:UNIQUE )?INDEX (CONCURRENTLY )?(?:IF NOT EXISTS )?(\w+)\s+ON (\w+)`)
	alterTable  = regexp.MustCompile(`(?i)(?:ALTER TABLE|UPDATE|DELETE FROM|DROP TABLE) (?:IF EXISTS )?(\w+)`)
	addColumn   = regexp.MustCompile(`(?i)ADD (?:COLUMN )?(?:IF NOT EXISTS )?(\w+) [^,;]*`)
	dropIndex   = regexp.MustCompile(`(?i)DROP INDEX (CONCURRENTLY )?(?:IF EXISTS )?(\w+)`)
	contracting = regexp.MustCompile(`(?i)\b(?:DROP|RENAME|SET NOT NULL|TYPE)\b`)
)

// migration is the half of a file that goes up.
type migration struct {
	kind, up   string
	statements []string // with the comments before them
}

func readMigration(kind, content string) migration {
	up, _, _ := strings.Cut(content, "-- +goose Down")
	return migration{kind: kind, up: up, statements: strings.SplitAfter(up, ";")}
}

// makes reports whether the table is of this migration's own making: then nobody waits for it.
func (m migration) makes(table string) bool {
	return slices.ContainsFunc(createTable.FindAllStringSubmatch(comment.ReplaceAllString(m.up, ""), -1),
		func(found []string) bool { return found[1] == table })
}

// problems are what CONTRIBUTING.md's rule for tables that are there forbids.
func (m migration) problems() (all []string) {
	touches := false
	for _, statement := range m.statements {
		sql := strings.TrimSpace(comment.ReplaceAllString(statement, ""))
		if found := createIndex.FindStringSubmatch(sql); found != nil && !m.makes(found[3]) {
			touches = true
			all = append(all, m.indexProblems(found)...)
		}
		if found := dropIndex.FindStringSubmatch(sql); found != nil && m.kind == storage.Postgres {
			touches = true
			if found[1] == "" || m.inTransaction() {
				all = append(all, "index "+found[2]+" is not dropped CONCURRENTLY with -- +goose NO TRANSACTION")
			}
		}
		if found := alterTable.FindStringSubmatch(sql); found != nil && !m.makes(found[1]) {
			touches = true
			all = append(all, m.alterProblems(sql, strings.Contains(statement, "-- contract:"))...)
		}
	}
	if touches && m.kind == storage.Postgres {
		all = append(all, m.timeoutProblems()...)
	}
	return all
}

func (m migration) indexProblems(found []string) []string {
	if m.kind == storage.SQLite || found[1] != "" && !m.inTransaction() {
		return nil
	}
	return []string{fmt.Sprintf("index %s on %s is not made CONCURRENTLY with -- +goose NO TRANSACTION", found[2], found[3])}
}

func (m migration) alterProblems(sql string, contract bool) (all []string) {
	for _, column := range addColumn.FindAllString(sql, -1) {
		if strings.Contains(strings.ToUpper(column), "NOT NULL") && !strings.Contains(strings.ToUpper(column), "DEFAULT") {
			all = append(all, column+" has no DEFAULT: the release before does not write it")
		}
	}
	if found := contracting.FindString(sql); found != "" && !contract {
		all = append(all, found+" without a comment -- contract: that says which release needs it no more")
	}
	return all
}

// timeoutProblems: who waits for a lock makes everyone behind wait too. Outside of a transaction the setting stays on
// the connection.
func (m migration) timeoutProblems() []string {
	switch {
	case m.inTransaction() && !strings.Contains(m.up, "SET LOCAL lock_timeout"):
		return []string{"there is no SET LOCAL lock_timeout"}
	case !m.inTransaction() && (!strings.Contains(m.up, "SET lock_timeout") || !strings.Contains(m.up, "RESET lock_timeout")):
		return []string{"there is no SET lock_timeout, or no RESET of it"}
	}
	return nil
}

func (m migration) inTransaction() bool { return !strings.Contains(m.up, "-- +goose NO TRANSACTION") }

// The rule holds for what comes after the last release: before it, no table was there.
func TestMigrations_areGentleToTablesThatAreThere(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(migrations.Files, "*/*.sql")
	ok(t, err)
	for _, file := range files {
		var version int
		if _, err := fmt.Sscanf(filepath.Base(file), "%d_", &version); err != nil {
			t.Fatal(err)
		}
		if version <= released {
			continue
		}
		content := must[[]byte](t)(fs.ReadFile(migrations.Files, file))
		for _, problem := range readMigration(filepath.Dir(file), string(content)).problems() {
			t.Errorf("%s: %s", file, problem)
		}
	}
}

func TestMigrations_whatIsNotGentleIsFound(t *testing.T) {
	t.Parallel()
	const soon = "SET LOCAL lock_timeout = '3s';\n"
	for sql, want := range map[string]string{
		soon + "ALTER TABLE users ADD COLUMN n bigint NOT NULL DEFAULT 0;":             "",
		soon + "ALTER TABLE users ADD COLUMN n bigint, ADD COLUMN m text;":             "",
		soon + "ALTER TABLE users ADD COLUMN n bigint, ADD m text NOT NULL;":           "DEFAULT",
		"ALTER TABLE users ADD COLUMN n bigint;":                                       "lock_timeout",
		soon + "ALTER TABLE users DROP COLUMN n;":                                      "contract",
		soon + "ALTER TABLE users RENAME TO people;":                                   "contract",
		soon + "ALTER TABLE users ALTER COLUMN n TYPE text;":                           "contract",
		soon + "-- contract: not read since 1.2\nALTER TABLE users DROP COLUMN n;":     "",
		soon + "DROP TABLE users;":                                                     "contract",
		soon + "CREATE INDEX users_n ON users (n);":                                    "CONCURRENTLY",
		soon + "CREATE INDEX CONCURRENTLY users_n ON users (n);":                       "CONCURRENTLY",
		soon + "DROP INDEX users_n;":                                                   "CONCURRENTLY",
		"CREATE TABLE new (n bigint NOT NULL);\nCREATE UNIQUE INDEX new_n ON new (n);": "",
		"-- CREATE TABLE users\nCREATE INDEX users_n ON users (n);":                    "CONCURRENTLY",
		"-- +goose NO TRANSACTION\nCREATE INDEX CONCURRENTLY users_n ON users (n);":    "lock_timeout",
		"-- +goose NO TRANSACTION\nSET lock_timeout = '3s';\nDROP INDEX CONCURRENTLY IF EXISTS users_n;\n" +
			"CREATE INDEX CONCURRENTLY users_n ON users (n);\nRESET lock_timeout;": "",
	} {
		got := readMigration(storage.Postgres, sql).problems()
		if want == "" && len(got) > 0 || want != "" && !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("%s\n%q, want %q", sql, got, want)
		}
	}
}

// index is what both databases can say of one.
type index struct {
	Table, Name     string // a constraint's is "primary" or "unique": each database names it its own way
	Columns         string
	Unique, Partial bool
}

const (
	sqliteIndexes = `SELECT m.name AS "table", CASE l.origin WHEN 'c' THEN l.name WHEN 'pk' THEN 'primary' ELSE 'unique' END AS name,
		(SELECT group_concat(name) FROM (SELECT name FROM pragma_index_info(l.name) ORDER BY seqno)) AS columns,
		l."unique" AS "unique", l.partial AS partial
		FROM sqlite_master m JOIN pragma_index_list(m.name) l WHERE m.type = 'table' AND m.name <> 'goose_db_version'
		ORDER BY 1, 2, 3`
	postgresIndexes = `SELECT t.relname AS "table",
		CASE WHEN i.indisprimary THEN 'primary' WHEN c.oid IS NOT NULL THEN 'unique' ELSE x.relname END AS name,
		(SELECT string_agg(a.attname, ',' ORDER BY k.at) FROM unnest(i.indkey) WITH ORDINALITY AS k(attnum, at)
			JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum) AS columns,
		i.indisunique AS "unique", i.indpred IS NOT NULL AS partial
		FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
		LEFT JOIN pg_constraint c ON c.conindid = x.oid AND c.contype = 'u'
		WHERE t.relnamespace = 'public'::regnamespace AND t.relname <> 'goose_db_version'
		ORDER BY 1, 2, 3`
)

func TestMigrations_bothDatabasesSayTheSame(t *testing.T) {
	t.Parallel()
	var schemas []map[string]columns
	var indexes [][]index
	for _, kind := range storagetest.Kinds(t) {
		db := storagetest.Open(t, kind)
		schemas = append(schemas, migrated(t, db))
		var found []index
		query := map[string]string{storage.SQLite: sqliteIndexes, storage.Postgres: postgresIndexes}[kind]
		ok(t, db.Q(t.Context()).Raw(query).Scan(&found).Error)
		slices.SortFunc(found, func(a, b index) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		indexes = append(indexes, found)
	}
	if diff := cmp.Diff(schemas[0], schemas[1]); diff != "" {
		t.Errorf("SQLite (-) and PostgreSQL (+) differ in columns; true means that NULL is allowed:\n%s", diff)
	}
	if diff := cmp.Diff(indexes[0], indexes[1]); diff != "" {
		t.Errorf("SQLite (-) and PostgreSQL (+) differ in indexes:\n%s", diff)
	}
	if len(indexes[0]) < 30 {
		t.Errorf("only %d indexes were found", len(indexes[0]))
	}
}
