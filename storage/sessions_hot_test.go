package storage_test

import (
	"fmt"
	"os"
	"strings"
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
		row := db.Q(t.Context()).Raw(`SELECT sum(n_tup_upd), sum(n_tup_hot_upd) FROM pg_stat_user_tables
			WHERE relname = 'sessions' OR relname LIKE 'sessions\_%'`).Row()
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

// What a refresh leaves is pruned with the page by the next one; vacuum is for what ends and is swept, and must not wait
// for a fifth of millions of rows.
func TestSessions_areVacuumedBeforeMuchIsDead(t *testing.T) {
	t.Parallel()
	db := open(t, storagetest.DSN(t, storage.Postgres), 1)
	for table, want := range map[string]string{
		"sessions": "autovacuum_vacuum_scale_factor=0.02", "sign_ins": "autovacuum_vacuum_scale_factor=0.02",
		"events": "autovacuum_vacuum_insert_scale_factor=0.05",
	} {
		var set string
		ok(t, db.Q(t.Context()).Raw("SELECT coalesce(array_to_string(reloptions, ' '), '') FROM pg_class WHERE oid = ?::regclass", table).Scan(&set).Error)
		if !strings.Contains(set, want) && os.Getenv("SOJOURN_TEST_PARTITIONS") == "" {
			t.Errorf("%s has %q, want %s", table, set, want)
		}
	}
}
