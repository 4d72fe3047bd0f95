package storagetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sojourn-auth/sojourn/storage/migrations"
)

const (
	noServer = "SOJOURN_TEST_POSTGRES is not set (postgres://user@host/db of a server where databases may be created)"
	// building keeps processes from making the same template at once; any number will do that nobody else uses.
	building = 7302665
	leftover = time.Hour
)

func server() string { return os.Getenv("SOJOURN_TEST_POSTGRES") }
func inCI() bool     { return os.Getenv("CI") != "" }

// clone makes a database t_<uuid> from the template; the UUID tells when.
func clone(t testing.TB) string {
	t.Helper()
	if server() == "" {
		if inCI() {
			t.Fatal(noServer + "; CI must exercise it")
		}
		t.Skip(noServer)
	}
	from, err := template()
	if err != nil {
		t.Fatal(err)
	}
	name := "t_" + strings.ReplaceAll(uuid.Must(uuid.NewV7()).String(), "-", "")
	if err := admin("CREATE DATABASE " + name + " TEMPLATE " + from); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := admin("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	if os.Getenv("SOJOURN_TEST_PARTITIONS") != "" {
		Partition(t, dsnOf(name))
	}
	if os.Getenv("SOJOURN_TEST_POOLER") != "" {
		return Pooled(t, dsnOf(name))
	}
	return dsnOf(name)
}

// Partition partitions the sessions of a PostgreSQL database, as operators do it. With SOJOURN_TEST_PARTITIONS set, all that
// tests on PostgreSQL have partitions.
func Partition(t testing.TB, dsn string) {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	script, err := os.ReadFile(filepath.Join(filepath.Dir(here), "../../deploy/partition-sessions.sql"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), string(script)); err != nil { // without arguments: as one text, as psql sends it
		t.Error(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// template returns the name of the migrated database that clones are made from, named after what it was migrated by.
var template = sync.OnceValues(func() (string, error) {
	sum, err := fingerprint()
	if err != nil {
		return "", err
	}
	name := "tpl_" + sum
	return name, onServer(func(ctx context.Context, conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", building); err != nil {
			return err
		}
		return errors.Join(sweep(ctx, conn), build(ctx, conn, name)) // the lock goes with the connection
	})
})

// fingerprint is a hash of the migrations.
func fingerprint() (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(migrations.Files, "postgres", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := migrations.Files.ReadFile(path)
		fmt.Fprintf(sum, "%s %d\n%s", path, len(content), content)
		return err
	})
	return hex.EncodeToString(sum.Sum(nil)[:8]), err
}

// build migrates under another name first, so that a template is whole as soon as it is there.
func build(ctx context.Context, conn *pgx.Conn, name string) error {
	var made bool
	err := conn.QueryRow(ctx, "SELECT count(*) > 0 FROM pg_database WHERE datname = $1", name).Scan(&made)
	if err != nil || made {
		return err
	}
	half := "half_" + name
	for _, statement := range []string{"DROP DATABASE IF EXISTS " + half + " WITH (FORCE)", "CREATE DATABASE " + half} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return err
		}
	}
	if err := migrate(dsnOf(half)); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "ALTER DATABASE "+half+" RENAME TO "+name)
	return err
}

// sweep drops the clones that crashed runs left behind.
func sweep(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `SELECT datname FROM pg_database WHERE datname LIKE 't\_%'`)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		id, err := uuid.Parse(strings.TrimPrefix(name, "t_"))
		if err != nil || time.Since(time.Unix(id.Time().UnixTime())) < leftover {
			continue
		}
		if _, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			return err
		}
	}
	return nil
}

// dsnOf is the server's DSN with another database in it.
func dsnOf(database string) string {
	u, err := url.Parse(server())
	if err != nil {
		return server() // whose use then says what is wrong with it
	}
	u.Path = "/" + database
	return u.String()
}

func admin(statement string) error {
	return onServer(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, statement)
		return err
	})
}

// onServer connects to the named database itself for one job.
func onServer(job func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, server())
	if err != nil {
		return err
	}
	return errors.Join(job(ctx, conn), conn.Close(ctx))
}
