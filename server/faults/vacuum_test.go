package faults

import (
	"strconv"
	"testing"
)

// Refreshes on a PostgreSQL that nobody holds up touch no index, and each page is pruned by the next refresh: the table does
// not grow with traffic, and vacuum has nothing to do. (On a server that others share, their transactions hold pruning up.)
func TestRefreshes_areHOTAndTheTableDoesNotGrow(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, "autovacuum=off")
	p := serve(t, d.dsn())
	l := refreshing(t, p.base, newPeople(t, d.dsn()).phones("ada@example.com", busy))
	l.goesOn(100)
	before := d.number("SELECT pg_total_relation_size('sessions')")
	l.goesOn(300)
	l.verdict(p)
	after := d.number("SELECT pg_total_relation_size('sessions')")
	// Transactions that meet may take a page more, and on a busy machine more of them meet. Unpruned, each page would hold
	// some dozen versions and be full after as many refreshes.
	const page, versions = 8192, 12
	if after > before+300*busy/versions/4*page {
		t.Errorf("after %d refreshes the table with its indexes went from %d to %d pages", 300*busy, before/page, after/page)
	}
	l.end()
	p.kill() // a connection tells its counts when it is closed
	wait(t, "the counts are told", func() bool {
		return d.number("SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'sessions'") >= 400*busy
	})
	all := d.number("SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'sessions'")
	hot := d.number("SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'sessions'")
	t.Logf("%d of %d updates were HOT; the table has %d pages, before %d", hot, all, after/page, before/page)
	if hot < all*9/10 {
		t.Errorf("%d of %d updates were HOT", hot, all)
	}
}

// number is what a statement counts.
func (d *database) number(statement string) int {
	d.t.Helper()
	n, err := strconv.Atoi(d.ask(statement))
	d.must(err)
	return n
}
