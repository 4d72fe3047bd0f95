package storagetest

import (
	"context"
	"encoding/binary"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sojourn-auth/sojourn/storage"
)

func TestRun_givesAMigratedDatabase(t *testing.T) {
	t.Parallel()
	Run(t, func(t *testing.T, db *storage.DB) {
		if current, target, err := db.Pending(t.Context()); err != nil || current != target || target == 0 {
			t.Errorf("not migrated: %d of %d, %v", current, target, err)
		}
	})
}

func TestDSN_isAnotherDatabaseEachTimeAndGoesWithTheTest(t *testing.T) {
	t.Parallel()
	for _, kind := range Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			var dsn string
			t.Run("first", func(t *testing.T) { dsn = DSN(t, kind) })
			if other := DSN(t, kind); other == dsn {
				t.Errorf("got %s twice", dsn)
			}
			if exists(t, kind, dsn) {
				t.Errorf("%s outlived its test", dsn)
			}
		})
	}
}

func exists(t *testing.T, kind, dsn string) bool {
	t.Helper()
	if kind == storage.SQLite {
		_, err := os.Stat(strings.TrimPrefix(dsn, "sqlite:"))
		return err == nil
	}
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return onPostgres(t, config.Database)
}

func onPostgres(t *testing.T, name string) (found bool) {
	t.Helper()
	err := onServer(func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "SELECT count(*) > 0 FROM pg_database WHERE datname = $1", name).Scan(&found)
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// cloneNameAt is the name that a clone made at a time has.
func cloneNameAt(at time.Time) string {
	id := uuid.Must(uuid.NewV7())
	var millis [8]byte
	binary.BigEndian.PutUint64(millis[:], uint64(at.UnixMilli()))
	copy(id[:6], millis[2:])
	return "t_" + strings.ReplaceAll(id.String(), "-", "")
}

func TestSweep_dropsWhatCrashedRunsLeft(t *testing.T) {
	t.Parallel()
	if server() == "" {
		t.Skip(noServer)
	}
	old, young := cloneNameAt(time.Now().Add(-leftover-time.Minute)), cloneNameAt(time.Now().Add(-leftover+time.Minute))
	for _, name := range []string{old, young} {
		if err := admin("CREATE DATABASE " + name); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = admin("DROP DATABASE IF EXISTS " + name) })
	}
	if err := onServer(sweep); err != nil {
		t.Fatal(err)
	}
	if onPostgres(t, old) || !onPostgres(t, young) {
		t.Error("want the old one dropped and the young one kept")
	}
}

// verdict is what a test said before it stopped.
type verdict struct {
	testing.TB
	said string
}

func (v *verdict) Helper()           {}
func (v *verdict) Fatal(args ...any) { v.said = "fatal"; panic(v) }
func (v *verdict) Skip(args ...any)  { v.said = "skip"; panic(v) }

func saidBy(f func(testing.TB)) string {
	v := &verdict{}
	func() {
		defer func() { _ = recover() }()
		f(v)
	}()
	return v.said
}

func TestPostgres_missingIsSkippedAndFailsInCI(t *testing.T) {
	t.Setenv("SOJOURN_TEST_POSTGRES", "")
	t.Setenv("CI", "")
	if got := saidBy(func(t testing.TB) { DSN(t, storage.Postgres) }); got != "skip" {
		t.Errorf("DSN: %q, want skip", got)
	}
	t.Setenv("CI", "true")
	if got := saidBy(func(t testing.TB) { DSN(t, storage.Postgres) }); got != "fatal" {
		t.Errorf("DSN in CI: %q, want fatal", got)
	}
	if got := saidBy(func(t testing.TB) { Kinds(t) }); got != "fatal" {
		t.Errorf("Kinds in CI: %q, want fatal", got)
	}
}
