package storage_test

import (
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// An operator whose sessions are too many for one table partitions it (deploy/partition-sessions.sql): what was there stays,
// and goes on as before. SOJOURN_TEST_PARTITIONS=1 plays the other tests on such a table.
func TestPartitions_sessionsGoOnInThem(t *testing.T) {
	t.Parallel()
	dsn := storagetest.DSN(t, storage.Postgres)
	db := open(t, dsn, 3)
	p := someone(t, db)
	before := p.begin(t, db, "offline_access")
	storagetest.Partition(t, dsn)
	if got := rowsOf(t, db, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'sessions'::regclass"); got != 16 {
		t.Fatalf("%d partitions, want 16", got)
	}
	before = rotate(t.Context(), t, db, before)
	for range 40 { // in some of each partition's rows
		s := rotate(t.Context(), t, db, p.begin(t, db, "offline_access"))
		if s.Line.Generation != 1 {
			t.Fatalf("generation %d", s.Line.Generation)
		}
	}
	must[identity.Struck](t)(db.End(t.Context(), identity.Ending{Session: before.ID, Cause: identity.EndRevoked}))
	if got := must[identity.Session](t)(db.SessionByID(t.Context(), before.ID)); got.EndedAt.IsZero() {
		t.Error("an ending left the session alive")
	}
	all := must[[]identity.Live](t)(db.FindSessions(t.Context(), identity.SessionQuery{UserID: p.user.ID, Limit: 100}))
	if len(all) != 40 {
		t.Errorf("%d sessions are listed, want 40", len(all))
	}
}

// A place in a table (ctid) is one in each partition: a sweep that went by places would take the living with the dead.
func TestPartitions_aSweepTakesWhatIsOverAlone(t *testing.T) {
	t.Parallel()
	dsn := storagetest.DSN(t, storage.Postgres)
	storagetest.Partition(t, dsn)
	db := open(t, dsn, 3)
	p := someone(t, db)
	const each = 50
	old := storage.FromTime(db.Now().Add(-31 * 24 * time.Hour))
	for i := range 2 * each {
		s := p.begin(t, db, "offline_access")
		if i%2 == 0 {
			exec(t, db, "UPDATE sessions SET ended_at = ? WHERE id = ?", old, s.ID)
		}
	}
	swept := must[storage.SweptRows](t)(db.Sweep(t.Context()))
	if left := rowsOf(t, db, "SELECT count(*) FROM sessions"); swept.Sessions != each || left != each {
		t.Errorf("%d were swept and %d are left, want %d of each", swept.Sessions, left, each)
	}
}

// rowsOf is what a statement counts.
func rowsOf(t *testing.T, db *storage.DB, query string) (n int) {
	t.Helper()
	ok(t, db.Q(t.Context()).Raw(query).Scan(&n).Error)
	return n
}
