package storage_test

import (
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/migrations"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// emptyDSN is a database that nobody migrated yet.
func emptyDSN(t *testing.T, kind string) string {
	t.Helper()
	if kind == storage.SQLite {
		return "sqlite:" + filepath.Join(t.TempDir(), "empty.db")
	}
	dsn := storagetest.DSN(t, kind)
	db := open(t, dsn, 1)
	exec(t, db, "DROP SCHEMA public CASCADE")
	exec(t, db, "CREATE SCHEMA public")
	return dsn
}

func onEmpty(t *testing.T, f func(t *testing.T, dsn string)) {
	t.Helper()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f(t, emptyDSN(t, kind))
		})
	}
}

func wantPending(t *testing.T, db *storage.DB, wantCurrent, wantTarget int64) {
	t.Helper()
	current, target, err := db.Pending(t.Context())
	if err != nil || current != wantCurrent || target != wantTarget {
		t.Errorf("Pending = %d, %d, %v; want %d, %d", current, target, err, wantCurrent, wantTarget)
	}
}

func tables(t *testing.T, db *storage.DB) (n int64) {
	t.Helper()
	sql := "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
	if db.Kind() == storage.SQLite {
		sql = "SELECT count(*) FROM sqlite_master WHERE type = 'table'"
	}
	if err := db.Q(t.Context()).Raw(sql).Scan(&n).Error; err != nil {
		t.Fatal(err)
	}
	return n
}

func scratchFiles(later string) fstest.MapFS {
	return fstest.MapFS{
		"00001_one.sql": {Data: []byte("-- +goose Up\nCREATE TABLE one (n bigint);")},
		"00002_two.sql": {Data: []byte("-- +goose Up\n" + later)},
	}
}

func TestMigrate_fromNothingAndAgain(t *testing.T) {
	t.Parallel()
	onEmpty(t, func(t *testing.T, dsn string) {
		db := open(t, dsn, 4)
		db.UseMigrations(scratchFiles("CREATE TABLE two (n bigint);"))
		wantPending(t, db, 0, 2)
		if got := tables(t, db); got != 0 {
			t.Errorf("asking made %d tables", got)
		}
		for range 2 {
			if err := db.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			wantPending(t, db, 2, 2)
		}
		exec(t, db, "INSERT INTO two VALUES (1)")
	})
}

func TestMigrate_embeddedSchema(t *testing.T) {
	t.Parallel()
	onEmpty(t, func(t *testing.T, dsn string) {
		db := open(t, dsn, 4)
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		current, target, err := db.Pending(t.Context())
		if err != nil || current != target || target == 0 {
			t.Errorf("Pending = %d, %d, %v", current, target, err)
		}
	})
}

func TestMigrate_manyProcessesAtOnce(t *testing.T) {
	t.Parallel()
	files := scratchFiles("CREATE TABLE two (n bigint);")
	first := fstest.MapFS{"00001_one.sql": files["00001_one.sql"]}
	onEmpty(t, func(t *testing.T, dsn string) {
		// At the very first start, and where a step is added to a schema that is there.
		for _, schema := range []fstest.MapFS{first, files} {
			var all sync.WaitGroup
			for range 4 { // who waits for PostgreSQL's lock asks again each second
				db := open(t, dsn, 2)
				db.UseMigrations(schema)
				all.Go(func() {
					if err := db.Migrate(t.Context()); err != nil {
						t.Error(err)
					}
					if current, target, err := db.Pending(t.Context()); err != nil || current != target {
						t.Errorf("Pending = %d, %d, %v", current, target, err)
					}
				})
			}
			all.Wait()
		}
	})
}

func TestMigrate_brokenStepLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	onEmpty(t, func(t *testing.T, dsn string) {
		db := open(t, dsn, 4)
		db.UseMigrations(scratchFiles("CREATE TABLE two (n bigint);\nINSERT INTO nowhere VALUES (1);"))
		err := db.Migrate(t.Context())
		if err == nil || !strings.Contains(err.Error(), "version:2") {
			t.Errorf("got %v, want the broken step", err)
		}
		wantPending(t, db, 1, 2)
		if err := db.Q(t.Context()).Exec("SELECT n FROM two").Error; err == nil {
			t.Error("half of a step stayed")
		}
	})
}

func TestMigrations_areNumberedAlike(t *testing.T) {
	t.Parallel()
	sqlite, err := fs.Glob(migrations.Files, "sqlite/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	postgres, err := fs.Glob(migrations.Files, "postgres/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for i := range sqlite {
		sqlite[i] = filepath.Base(sqlite[i])
	}
	for i := range postgres {
		postgres[i] = filepath.Base(postgres[i])
	}
	if diff := cmp.Diff(sqlite, postgres); diff != "" {
		t.Error(diff)
	}
}
