package storagetest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
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

// CheapHash is a cost of password hashes that tests can afford: they hash thousands, and none of them is about the cost.
var CheapHash = identity.HashCost{Memory: 64, Passes: 1}

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

// TOTP is what adds and removes authenticators in a database, for packages that mfa imports.
func TOTP(t testing.TB, db *storage.DB) mfa.TOTP {
	t.Helper()
	return mfa.TOTP{Store: db, Keys: Keys(t), Now: db.Now, Issuer: "Harbour"}
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

// migratedFile is the content of a migrated SQLite file, made once per process.
var migratedFile = sync.OnceValues(func() (_ []byte, err error) {
	dir, err := os.MkdirTemp("", "sojourn-template-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "template.db")
	if err := migrate("sqlite:" + path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// migrate opens a database, migrates it and closes it, which on SQLite folds the journal into the file.
func migrate(dsn string) error {
	ctx := context.Background()
	db, err := storage.Open(ctx, dsn, storage.Options{MaxConns: 2})
	if err != nil {
		return err
	}
	return errors.Join(db.Migrate(ctx), db.Close())
}

func copyFile(t testing.TB) string {
	t.Helper()
	content, err := migratedFile()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "test.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// SetPassword changes a password and ends everything of its user, as an operator's command does.
func SetPassword(ctx context.Context, db *storage.DB, userID identity.ID, hash string) error {
	return db.InTx(ctx, func(ctx context.Context) error {
		if _, err := db.End(ctx, identity.Ending{User: userID, Cause: identity.EndPassword}); err != nil {
			return err
		}
		return db.WritePassword(ctx, userID, hash)
	})
}

// EndSignIn ends a SignIn and the Sessions that live only as long as it does.
func EndSignIn(ctx context.Context, db *storage.DB, id identity.ID, cause identity.EndCause) error {
	_, err := db.End(ctx, identity.Ending{SignIn: id, Cause: cause})
	return err
}

// AddSigningKeys gives a database keys in some states that all tests of the process share, since making one for RSA takes
// long.
func AddSigningKeys(t testing.TB, db *storage.DB, states ...identity.KeyState) {
	t.Helper()
	keys, err := madeKeys()
	for _, k := range keys {
		if err == nil && slices.Contains(states, k.State) {
			_, err = db.AddSigningKey(context.Background(), k)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// madeKeys are a current and a next key of each algorithm.
var madeKeys = sync.OnceValues(func() ([]identity.SigningKey, error) {
	store := &keyDrawer{}
	keys := identity.SigningKeys{Store: store, Now: time.Now}
	err := errors.Join(keys.Ensure(context.Background()), keys.Prepare(context.Background()))
	return store.keys, err
})

// keyDrawer is a store of signing keys that keeps them in memory.
type keyDrawer struct {
	*storage.DB
	keys []identity.SigningKey
}

func (d *keyDrawer) SigningKeys(context.Context) ([]identity.SigningKey, error) { return d.keys, nil }

func (d *keyDrawer) AddSigningKey(_ context.Context, k identity.SigningKey) (bool, error) {
	d.keys = append(d.keys, k)
	return true, nil
}
