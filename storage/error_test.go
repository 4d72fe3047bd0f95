package storage_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func TestAway_tellsAnAbsentDatabaseFromABug(t *testing.T) {
	t.Parallel()
	state := func(code string) error { return &pgconn.PgError{Code: code} }
	for name, c := range map[string]struct {
		err  error
		away bool
	}{
		"refused":              {&net.OpError{Op: "dial", Err: errors.New("connection refused")}, true},
		"cut off":              {io.ErrUnexpectedEOF, true},
		"bad connection":       {driver.ErrBadConn, true},
		"waited too long":      {context.DeadlineExceeded, true},
		"connection failure":   {state("08006"), true},
		"too many connections": {state("53300"), true},
		"disk full":            {state("53100"), true},
		"admin shutdown":       {state("57P01"), true},
		"starting up":          {state("57P03"), true},
		"serialization":        {state("40001"), true},
		"deadlock":             {state("40P01"), true},
		"standby":              {state("25006"), true},
		"already marked":       {fmt.Errorf("x: %w", identity.ErrUnavailable), true},
		"caller hung up":       {context.Canceled, false},
		"syntax":               {state("42601"), false},
		"unique":               {state("23505"), false},
		"no table":             {state("42P01"), false},
		"odd code":             {state("5"), false},
		"no row":               {gorm.ErrRecordNotFound, false},
		"no row in SQL":        {sql.ErrNoRows, false},
		"over":                 {sql.ErrTxDone, false},
		"any other":            {errors.New("a bug"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := fmt.Errorf("deep: %w", c.err)
			if got := storage.Away(err); got != c.away {
				t.Errorf("Away(%v) = %v, want %v", err, got, c.away)
			}
			failed := (*storage.DB)(nil).Fail("count", err)
			if errors.Is(failed, identity.ErrUnavailable) != c.away || !errors.Is(failed, c.err) || !strings.HasPrefix(failed.Error(), "count: ") {
				t.Errorf("fail made %v of it", failed)
			}
		})
	}
	if storage.Away(nil) || (*storage.DB)(nil).Fail("count", nil) != nil {
		t.Error("no error became one")
	}
}

func TestAway_aBrokenStatementIsABug(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		err := db.Q(t.Context()).Exec("SELECT * FROM nowhere").Error
		if err == nil || storage.Away(err) {
			t.Errorf("got %v, away; want a bug", err)
		}
	})
}

func TestAway_postgresComesBack(t *testing.T) {
	t.Parallel()
	dsn := storagetest.DSN(t, storage.Postgres)
	db, other := open(t, dsn, 4), storagetest.Open(t, storage.Postgres)
	scores(t, db)
	name := dsn[strings.LastIndex(dsn, "/")+1:]
	name, _, _ = strings.Cut(name, "?")

	exec(t, other, "ALTER DATABASE "+name+" ALLOW_CONNECTIONS false")
	err := db.InTx(t.Context(), func(ctx context.Context) error {
		exec(t, other, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ?", name)
		return db.Fail("add", add(ctx, db, "a"))
	})
	if !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("cut off in a transaction: got %v, want identity.ErrUnavailable", err)
	}
	if err := db.Fail("add", add(t.Context(), db, "a")); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("refused by the server: got %v, want identity.ErrUnavailable", err)
	}
	if err := db.Ping(t.Context()); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("ping: got %v, want identity.ErrUnavailable", err)
	}
	exec(t, other, "ALTER DATABASE "+name+" ALLOW_CONNECTIONS true")
	if err := add(t.Context(), db, "a"); err != nil {
		t.Errorf("the database is back, but: %v", err)
	}
	if got := count(t, db, "a"); got != 1 {
		t.Errorf("counted %d, want 1", got)
	}
}

func TestAway_waitingInVainForAConnection(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			db := open(t, storagetest.DSN(t, kind), 1)
			scores(t, db)
			err := db.InTx(t.Context(), func(context.Context) error {
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				return db.Fail("add", add(ctx, db, "a"))
			})
			if !errors.Is(err, identity.ErrUnavailable) {
				t.Errorf("got %v, want identity.ErrUnavailable", err)
			}
		})
	}
}

func TestAway_sqliteLockedByAnotherProcess(t *testing.T) {
	t.Parallel()
	dsn := storagetest.DSN(t, storage.SQLite)
	db, other := open(t, dsn, 0), open(t, dsn, 0)
	scores(t, db)
	err := other.InTx(t.Context(), func(context.Context) error {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		return db.Fail("add", add(ctx, db, "a"))
	})
	if !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("got %v, want identity.ErrUnavailable", err)
	}
	if err := add(t.Context(), db, "a"); err != nil {
		t.Errorf("the lock is gone, but: %v", err)
	}
}

func TestConnect_givesUpOnASilentServer(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	for settings, timeout := range map[string]time.Duration{"": 3 * time.Second, "?connect_timeout=5": 5 * time.Second} {
		t.Run(settings, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			began := time.Now()
			_, err := storage.Open(ctx, "postgres://u@"+silent.Addr().String()+"/d"+settings, storage.Options{})
			if !errors.Is(err, identity.ErrUnavailable) {
				t.Errorf("got %v, want identity.ErrUnavailable", err)
			}
			if waited := time.Since(began); waited < timeout || ctx.Err() != nil {
				t.Errorf("waited %v for a server that says nothing, want %v", waited, timeout)
			}
		})
	}
}
