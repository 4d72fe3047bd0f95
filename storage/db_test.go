package storage_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// scores makes a scratch table with the rows "a" and "b" at 0.
func scores(t *testing.T, db *storage.DB) {
	t.Helper()
	exec(t, db, "CREATE TABLE scores (name text PRIMARY KEY, n bigint NOT NULL)")
	exec(t, db, "INSERT INTO scores VALUES ('a', 0), ('b', 0)")
}

func exec(t *testing.T, db *storage.DB, sql string, args ...any) {
	t.Helper()
	if err := db.Q(t.Context()).Exec(sql, args...).Error; err != nil {
		t.Fatal(err)
	}
}

func add(ctx context.Context, db *storage.DB, name string) error {
	return db.Q(ctx).Exec("UPDATE scores SET n = n + 1 WHERE name = ?", name).Error
}

func count(t *testing.T, db *storage.DB, name string) (n int64) {
	t.Helper()
	if err := db.Q(t.Context()).Raw("SELECT n FROM scores WHERE name = ?", name).Scan(&n).Error; err != nil {
		t.Fatal(err)
	}
	return n
}

func TestOpen_refusesWithoutTellingThePassword(t *testing.T) {
	t.Parallel()
	for name, dsn := range map[string]string{
		"nothing":        "",
		"other kind":     "mysql://sojourn:hunter2@localhost/sojourn",
		"no folder":      "sqlite:/dev/null/hunter2/../sojourn.db",
		"folder":         "sqlite:" + t.TempDir(),
		"bad port":       "postgres://sojourn:hunter2@localhost:port/sojourn",
		"bad escape":     "postgres://sojourn:hunter2%zz@localhost/sojourn",
		"nobody listens": "postgres://sojourn:hunter2@127.0.0.1:1/sojourn?sslmode=disable",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, err := storage.Open(t.Context(), dsn, storage.Options{})
			if err == nil {
				_ = db.Close()
				t.Fatal("opened")
			}
			if strings.Contains(err.Error(), "hunter2@") || strings.Contains(err.Error(), ":hunter2") {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}

func TestOpen_databaseAwayIsUnavailable(t *testing.T) {
	t.Parallel()
	_, err := storage.Open(t.Context(), "postgres://u@127.0.0.1:1/d?sslmode=disable", storage.Options{})
	if !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("got %v, want identity.ErrUnavailable", err)
	}
}

func TestOpen_sqliteFileIsForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new folder", "50% of? #1.db")
	db, err := storage.Open(t.Context(), "sqlite:"+path, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	scores(t, db)
	for file, want := range map[string]os.FileMode{filepath.Dir(path): 0o700, path: 0o600, path + "-wal": 0o600} {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", filepath.Base(file), got, want)
		}
	}
}

// row has a column of every type that rows use.
type row struct {
	ID        uuid.UUID `gorm:"primaryKey"`
	Owner     *uuid.UUID
	Data      []byte
	Flag      bool
	Names     []string `gorm:"serializer:json"`
	CreatedAt storage.Micros
	UpdatedAt storage.Micros
	EndedAt   *storage.Micros
}

func (row) TableName() string { return "scratch" }

func makeScratch(t *testing.T, db *storage.DB) {
	t.Helper()
	types := map[string][3]string{storage.SQLite: {"text", "blob", "text"}, storage.Postgres: {"uuid", "bytea", "jsonb"}}[db.Kind()]
	exec(t, db, "CREATE TABLE scratch (id "+types[0]+" PRIMARY KEY, owner "+types[0]+", data "+types[1]+" NOT NULL, "+
		"flag boolean NOT NULL, names "+types[2]+" NOT NULL, created_at bigint NOT NULL, updated_at bigint NOT NULL, ended_at bigint)")
}

func TestColumns_everyTypeComesBackAsItWas(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		makeScratch(t, db)
		at := time.Date(2026, 7, 1, 23, 59, 59, 123456789, time.FixedZone("", 7200))
		owner := uuid.New()
		full := row{
			ID: uuid.Must(uuid.NewV7()), Owner: &owner, Data: []byte{0, 0xff, '\''}, Flag: true, Names: []string{`a "b"`, "ü"},
			CreatedAt: storage.FromTime(at), UpdatedAt: storage.FromTime(at), EndedAt: storage.FromTimeOrNull(at),
		}
		empty := row{ID: uuid.Must(uuid.NewV7()), Data: []byte{}, Names: []string{}}
		for _, want := range []row{full, empty} {
			if err := db.Q(t.Context()).Create(&want).Error; err != nil {
				t.Fatal(err)
			}
			var byAPI, bySQL row
			if err := db.Q(t.Context()).First(&byAPI, "id = ?", want.ID).Error; err != nil {
				t.Fatal(err)
			}
			if err := db.Q(t.Context()).Raw("SELECT * FROM scratch WHERE id = ? AND flag = ?", want.ID, want.Flag).Scan(&bySQL).Error; err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]row{want, want}, []row{byAPI, bySQL}, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		}
		if got, want := full.CreatedAt.Time(), at.UTC().Truncate(time.Microsecond); got != want {
			t.Errorf("time came back as %v, want %v", got, want)
		}
		if !empty.EndedAt.TimeOrZero().IsZero() || empty.UpdatedAt != 0 {
			t.Error("a time was filled in that nobody set")
		}
	})
}

func TestColumns_timesCompareInSQL(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		makeScratch(t, db)
		at := storage.FromTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
		r := row{ID: uuid.New(), Data: []byte("x"), Names: []string{}, CreatedAt: at}
		if err := db.Q(t.Context()).Create(&r).Error; err != nil {
			t.Fatal(err)
		}
		for later, want := range map[storage.Micros]int64{-1: 0, 0: 0, 1: 1} {
			res := db.Q(t.Context()).Exec("UPDATE scratch SET flag = true WHERE id = ? AND created_at < ?", r.ID, at+later)
			if res.Error != nil || res.RowsAffected != want {
				t.Errorf("%d µs later: %d rows, %v; want %d", later, res.RowsAffected, res.Error, want)
			}
		}
	})
}

func TestConstraints_areToldApart(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		scores(t, db)
		exec(t, db, "CREATE TABLE parts (of text NOT NULL REFERENCES scores (name), n bigint CHECK (n > 0))")
		for sql, want := range map[string]error{
			"INSERT INTO scores VALUES ('a', 1)":   gorm.ErrDuplicatedKey,
			"INSERT INTO parts VALUES ('none', 1)": gorm.ErrForeignKeyViolated,
			"INSERT INTO parts VALUES ('a', 0)":    gorm.ErrCheckConstraintViolated,
		} {
			err := db.Fail("insert", db.Q(t.Context()).Exec(sql).Error)
			if !errors.Is(err, want) || errors.Is(err, identity.ErrUnavailable) {
				t.Errorf("%s: got %v, want %v", sql, err, want)
			}
		}
		type score struct {
			Name string `gorm:"primaryKey"`
			N    int64
		}
		res := db.Q(t.Context()).Clauses(clause.OnConflict{DoNothing: true}).Create(&score{Name: "a", N: 9})
		if res.Error != nil || res.RowsAffected != 0 {
			t.Errorf("ON CONFLICT DO NOTHING: %d rows, %v; want none", res.RowsAffected, res.Error)
		}
	})
}

func TestStatements_returnWhatTheyWrote(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		scores(t, db)
		for i, sql := range []string{
			"UPDATE scores SET n = n + 1 WHERE name = 'a' RETURNING n",
			"\n\tupdate scores SET n = n + 1 WHERE name = 'a' RETURNING n",
			"WITH one AS (SELECT 1 AS n) UPDATE scores SET n = scores.n + one.n FROM one WHERE name = 'a' RETURNING scores.n",
		} {
			var n int64
			if err := db.Q(t.Context()).Raw(sql).Scan(&n).Error; err != nil || n != int64(i+1) {
				t.Errorf("%s: got %d, %v; want %d", sql, n, err, i+1)
			}
		}
	})
}

func TestWriters_allGetTheirTurn(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dsn := storagetest.DSN(t, kind)
			server, tool := open(t, dsn, 8), open(t, dsn, 2)
			scores(t, server)
			const writers, rounds = 16, 10
			var all sync.WaitGroup
			for i := range writers {
				all.Go(func() {
					db := []*storage.DB{server, server, server, tool}[i%4]
					for range rounds {
						err := db.InTx(t.Context(), func(ctx context.Context) error { return add(ctx, db, "a") })
						if err := errors.Join(err, add(t.Context(), db, "b")); err != nil {
							t.Error(err)
						}
						if got := count(t, db, "b"); got == 0 {
							t.Error("a SELECT after a write did not see it")
						}
					}
				})
			}
			all.Wait()
			for _, name := range []string{"a", "b"} {
				if got := count(t, tool, name); got != writers*rounds {
					t.Errorf("%s = %d, want %d", name, got, writers*rounds)
				}
			}
		})
	}
}

func open(t *testing.T, dsn string, conns int) *storage.DB {
	t.Helper()
	db, err := storage.Open(t.Context(), dsn, storage.Options{MaxConns: conns})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}
