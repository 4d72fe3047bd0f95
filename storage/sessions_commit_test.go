package storage_test

import (
	"context"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// noting makes every transaction that writes Sessions note, as its last act, how it is about to commit.
var noting = []string{
	"CREATE TABLE commits (n BIGSERIAL, how TEXT)",
	`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN INSERT INTO commits (how) VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$`,
	`CREATE CONSTRAINT TRIGGER note AFTER INSERT OR UPDATE ON sessions DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION note()`,
}

// notingCommits opens one connection to a database that by itself commits synchronously.
func notingCommits(t *testing.T, opts storage.Options) *storage.DB {
	t.Helper()
	dsn := storagetest.DSN(t, storage.Postgres)
	exec(t, open(t, dsn, 1), `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = on', current_database()); END $$`)
	opts.MaxConns, opts.Keys = 1, storagetest.Keys(t)
	db := must[*storage.DB](t)(storage.Open(t.Context(), dsn, opts))
	t.Cleanup(func() { ok(t, db.Close()) })
	for _, statement := range noting {
		exec(t, db, statement)
	}
	return db
}

// commits returns how the transactions so far committed, and forgets.
func commits(t *testing.T, db *storage.DB) string {
	t.Helper()
	var hows []string
	ok(t, db.Q(t.Context()).Raw("SELECT how FROM commits ORDER BY n").Scan(&hows).Error)
	exec(t, db, "DELETE FROM commits")
	return strings.Join(hows, " ")
}

func rotate(ctx context.Context, t *testing.T, db *storage.DB, s identity.Session) identity.Session {
	t.Helper()
	next, done, err := db.Advance(ctx, turn(s, db.Now()))
	if err != nil || !done {
		t.Fatalf("done %v, %v", done, err)
	}
	return next
}

func TestAdvance_aloneDoesNotWaitForTheDisk(t *testing.T) {
	t.Parallel()
	db := notingCommits(t, storage.Options{})
	p := someone(t, db)
	s, other := p.begin(t, db, "offline_access"), p.begin(t, db, "openid")
	if got := commits(t, db); got != "on on" {
		t.Errorf("redemptions committed with synchronous_commit %q", got)
	}
	s = rotate(t.Context(), t, db, s)
	if got := commits(t, db); got != "off" {
		t.Errorf("a rotation committed with synchronous_commit %q, want off", got)
	}
	ok(t, db.WriteLine(t.Context(), s)) // a fork, or a roll forward
	if got := commits(t, db); got != "on" {
		t.Errorf("the next statement of the connection committed with synchronous_commit %q, want on", got)
	}
	rotate(t.Context(), t, db, s)
	commits(t, db)
	must[identity.Struck](t)(db.End(t.Context(), identity.Ending{Session: s.ID, Cause: identity.EndRevoked}))
	ok(t, storagetest.EndSignIn(t.Context(), db, p.signIn.ID, identity.EndSignedOut))
	if got := commits(t, db); got != "on on" || p.living(t, db) != 0 {
		t.Errorf("two endings, of %s and with its sign-in of %s, committed with synchronous_commit %q", s.ID, other.ID, got)
	}
}

func TestAdvance_leavesTheCommitOfOthersAlone(t *testing.T) {
	t.Parallel()
	db := notingCommits(t, storage.Options{})
	p := someone(t, db)
	s, other := p.begin(t, db, "offline_access"), p.begin(t, db, "offline_access")
	commits(t, db)
	ok(t, db.InTx(t.Context(), func(ctx context.Context) error {
		rotate(ctx, t, db, s)
		_, err := db.End(ctx, identity.Ending{Session: other.ID, Cause: identity.EndRevoked})
		return err
	}))
	if got := commits(t, db); got != "on on" {
		t.Errorf("an ending beside a rotation committed with synchronous_commit %q", got)
	}
}

func TestAdvance_strictlyWaitsForTheDisk(t *testing.T) {
	t.Parallel()
	db := notingCommits(t, storage.Options{StrictRefresh: true})
	s := someone(t, db).begin(t, db, "offline_access")
	commits(t, db)
	rotate(t.Context(), t, db, s)
	if got := commits(t, db); got != "on" {
		t.Errorf("a rotation committed with synchronous_commit %q, want on", got)
	}
}

func TestEndingsAtRisk_tellsWhatIsSetUpBadly(t *testing.T) {
	t.Parallel()
	dsn := storagetest.DSN(t, storage.Postgres)
	risky := func() string {
		t.Helper()
		return strings.Join(must[[]string](t)(open(t, dsn, 1).EndingsAtRisk(t.Context())), "\n")
	}
	for how, warns := range map[string]bool{"off": true, "on": false, "remote_apply": false} {
		exec(t, open(t, dsn, 1), `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = `+how+`', current_database()); END $$`)
		if got := strings.Contains(risky(), "synchronous_commit = off"); got != warns {
			t.Errorf("with synchronous_commit %s: %v", how, got)
		}
	}
	if risks, err := storagetest.Open(t, storage.SQLite).EndingsAtRisk(t.Context()); err != nil || len(risks) > 0 {
		t.Errorf("SQLite: %q, %v", risks, err)
	}
}
