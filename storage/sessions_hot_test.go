package storage_test

import (
	"fmt"
	"testing"

	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// A refresh must not touch an index, and the row must not grow: else the table bloats with traffic (DESIGN §7).
func TestAdvance_isAHOTUpdateOfARowThatDoesNotGrow(t *testing.T) {
	t.Parallel()
	dsn := storagetest.DSN(t, storage.Postgres)
	db := open(t, dsn, 1) // one quick connection, so that its counters are all of them
	s := someone(t, db).begin(t, db, "openid", "offline_access")
	advance := func() {
		t.Helper()
		next, done, err := db.Advance(t.Context(), turn(s, db.Now()))
		if err != nil || !done {
			t.Fatalf("done %v, %v", done, err)
		}
		s = next
	}
	size := func() (n int64) {
		t.Helper()
		ok(t, db.Q(t.Context()).Raw("SELECT pg_column_size(sessions.*) FROM sessions").Scan(&n).Error)
		return n
	}
	updates := func() (all, hot int64) {
		t.Helper()
		ok(t, db.FlushStatistics(t.Context()))
		row := db.Q(t.Context()).Raw("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'sessions'").Row()
		ok(t, row.Scan(&all, &hot))
		return all, hot
	}
	advance()
	before := size()
	allBefore, hotBefore := updates()
	const turns = 300
	for range turns {
		advance()
	}
	all, hot := updates()
	if all-allBefore != turns || hot-hotBefore < turns*9/10 {
		t.Errorf("of %d updates %d were HOT, want nearly all of %d", all-allBefore, hot-hotBefore, turns)
	}
	if after := size(); after != before {
		t.Errorf("the row went from %d to %d bytes", before, after)
	}
	if s.Line.Generation != turns+1 {
		t.Error(fmt.Sprint("generation ", s.Line.Generation))
	}
}
