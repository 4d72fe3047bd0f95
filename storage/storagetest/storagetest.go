package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

// conns bounds the connections of one test's database: many tests share one server.
const conns = 8

// Run runs f as two parallel subtests, sqlite and postgres, each on a database of its own.
func Run(t *testing.T, f func(t *testing.T, db *storage.DB)) {
	t.Helper()
	for _, kind := range Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f(t, Open(t, kind))
		})
	}
}

// Kinds returns both kinds of database. Open and DSN skip the test where there is no PostgreSQL; in CI Kinds fails at once.
func Kinds(t testing.TB) []string {
	t.Helper()
	if server() == "" && inCI() {
		t.Fatal(noServer + "; CI must exercise it")
	}
	return []string{storage.SQLite, storage.Postgres}
}

// Open returns a fresh migrated database of a kind, which is closed and dropped when the test ends.
func Open(t testing.TB, kind string) *storage.DB {
	t.Helper()
	return OpenAt(t, kind, nil)
}

// OpenAt is Open with a clock of the test's own; nil means the database's.
func OpenAt(t testing.TB, kind string, now func() time.Time) *storage.DB {
	t.Helper()
	db, err := storage.Open(context.Background(), DSN(t, kind), storage.Options{MaxConns: conns, Keys: Keys(t), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// Root is the root secret of every test, for processes that are given it as SOJOURN_SECRET.
func Root() []byte { return []byte("a root secret for tests, 32 byte") }

// Keys is the keyring of every test: one fixed root secret.
func Keys(t testing.TB) *identity.Keyring {
	t.Helper()
	keys, err := identity.NewKeyring(Root())
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// DSN makes a fresh migrated database of a kind, for processes to open, and drops it when the test ends.
func DSN(t testing.TB, kind string) string {
	t.Helper()
	switch kind {
	case storage.SQLite:
		return "sqlite:" + copyFile(t)
	case storage.Postgres:
		return clone(t)
	}
	t.Fatalf("there is no database of kind %q", kind)
	return ""
}
