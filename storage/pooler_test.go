package storage_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// pooledDSN leads through a PgBouncer, however the tests reach PostgreSQL otherwise.
func pooledDSN(t *testing.T) string {
	t.Helper()
	t.Setenv("SOJOURN_TEST_POOLER", "")
	return storagetest.Pooled(t, storagetest.DSN(t, storage.Postgres))
}

func openLimited(t *testing.T, dsn string) *storage.DB {
	t.Helper()
	db := must[*storage.DB](t)(storage.Open(t.Context(), dsn, storage.Options{
		Keys: storagetest.Keys(t), MaxConns: 4, StatementTimeout: 8 * time.Second, LockTimeout: 3 * time.Second, IdleTimeout: 500 * time.Millisecond,
	}))
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestPooler_isFoundOutAndServesOutOfTheBox(t *testing.T) {
	dsn := pooledDSN(t)
	db := openLimited(t, dsn)
	if !db.Pooled() {
		t.Fatal("PgBouncer was taken for PostgreSQL")
	}
	for range 20 { // on whatever sessions the pooler lends
		s := someone(t, db).begin(t, db, "offline_access")
		s = rotate(t.Context(), t, db, s)
		must[identity.Struck](t)(db.End(t.Context(), identity.Ending{Session: s.ID, Cause: identity.EndRevoked}))
		if got := must[identity.Session](t)(db.SessionByID(t.Context(), s.ID)); got.EndedAt.IsZero() {
			t.Fatal("an ending left the Session alive")
		}
	}
}

func TestPooler_transactionsKeepTheLimitsOfTheSettings(t *testing.T) {
	dsn := pooledDSN(t)
	db := openLimited(t, dsn)
	ok(t, db.InTx(t.Context(), func(ctx context.Context) error {
		for name, want := range map[string]string{
			"statement_timeout": "8s", "lock_timeout": "3s", "idle_in_transaction_session_timeout": "500ms",
		} {
			var got string
			ok(t, db.Q(ctx).Raw("SELECT current_setting(?)", name).Scan(&got).Error)
			if got != want {
				t.Errorf("%s is %s, want %s", name, got, want)
			}
		}
		return nil
	}))
	var after string
	ok(t, db.Q(t.Context()).Raw("SELECT current_setting('lock_timeout')").Scan(&after).Error)
	if after != "0" {
		t.Errorf("the next to use the session has lock_timeout %s", after)
	}
}

func TestPooler_quickStatementsCommitWithoutWaitingAndOthersWait(t *testing.T) {
	t.Setenv("SOJOURN_TEST_POOLER", "")
	straight := storagetest.DSN(t, storage.Postgres)
	exec(t, open(t, straight, 1), `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = on', current_database()); END $$`)
	for _, statement := range noting {
		exec(t, open(t, straight, 1), statement)
	}
	db := openLimited(t, storagetest.Pooled(t, straight))
	s := someone(t, db).begin(t, db, "offline_access")
	commits(t, db)
	s = rotate(t.Context(), t, db, s)
	if got := commits(t, db); got != "off" {
		t.Errorf("a rotation committed with synchronous_commit %q, want off", got)
	}
	must[identity.Struck](t)(db.End(t.Context(), identity.Ending{Session: s.ID, Cause: identity.EndRevoked}))
	if got := commits(t, db); got != "on" {
		t.Errorf("an ending committed with synchronous_commit %q, want on", got)
	}
}

func TestMigrate_refusesAPoolerInOneLine(t *testing.T) {
	db := openLimited(t, pooledDSN(t))
	err := db.Migrate(t.Context())
	if err == nil || !strings.Contains(err.Error(), "through a pooler") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
}

// A process that is paused inside a transaction holds a person's row; PostgreSQL takes it from it.
func TestIdleTransaction_doesNotKeepARowLocked(t *testing.T) {
	t.Setenv("SOJOURN_TEST_POOLER", "")
	straight := storagetest.DSN(t, storage.Postgres)
	for name, dsn := range map[string]string{"straight": straight, "through a pooler": storagetest.Pooled(t, straight)} {
		t.Run(name, func(t *testing.T) {
			db := openLimited(t, dsn)
			s := someone(t, db).begin(t, db, "offline_access")
			paused, goOn, over := make(chan struct{}), make(chan struct{}), make(chan error, 1)
			go func() {
				over <- db.InTx(context.Background(), func(ctx context.Context) error {
					_, err := db.LockSession(ctx, s.ID)
					close(paused)
					<-goOn
					return err
				})
			}()
			<-paused
			var err error
			for range 20 { // each waits for as long as a lock may take
				if _, err = db.End(t.Context(), identity.Ending{Session: s.ID, Cause: identity.EndRevoked}); err == nil {
					break
				}
				if !storage.Away(err) {
					t.Fatal(err)
				}
			}
			ok(t, err)
			close(goOn)
			if err := <-over; !storage.Away(err) {
				t.Errorf("the paused transaction: %v, want that the database was away", err)
			}
		})
	}
}

func TestLockTimeout_endsTheWaitForARow(t *testing.T) {
	t.Parallel()
	db := must[*storage.DB](t)(storage.Open(t.Context(), storagetest.DSN(t, storage.Postgres), storage.Options{
		Keys: storagetest.Keys(t), MaxConns: 4, LockTimeout: 100 * time.Millisecond,
	}))
	t.Cleanup(func() { _ = db.Close() })
	s := someone(t, db).begin(t, db, "offline_access")
	ok(t, db.InTx(t.Context(), func(ctx context.Context) error {
		if _, err := db.LockSession(ctx, s.ID); err != nil {
			return err
		}
		if _, err := db.End(t.Context(), identity.Ending{Session: s.ID, Cause: identity.EndRevoked}); !storage.Away(err) {
			t.Errorf("got %v, want that the database can't serve now", err)
		}
		return nil
	}))
}
