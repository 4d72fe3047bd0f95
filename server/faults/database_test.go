package faults

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/test/cluster"
)

// database is one PostgreSQL of a test's own, as durable as a real one: what it can't do ends the test.
type database struct {
	*cluster.Postgres
	t *testing.T
}

// slowWriter keeps PostgreSQL from flushing commits that nobody waits for, so that a crash does lose them.
var slowWriter = []string{"wal_writer_delay=10s", "wal_writer_flush_after=1GB", "checkpoint_timeout=1h"}

// newDatabase makes a PostgreSQL and starts it.
func newDatabase(t *testing.T, settings ...string) *database {
	t.Helper()
	made, err := cluster.NewPostgres(t.Context(), folder(t), settings...)
	d := here(t, made, err)
	d.start()
	return d
}

// here fails or skips where there is no PostgreSQL, and stops it when the test ends.
func here(t *testing.T, p *cluster.Postgres, err error) *database {
	t.Helper()
	if errors.Is(err, cluster.ErrNoPostgres) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Crash() })
	return &database{p, t}
}

// folder is a folder that the user who runs PostgreSQL can reach, unlike t.TempDir.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sojourn-faults")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "pg")
}

// start starts it and waits until it answers.
func (d *database) start() {
	d.t.Helper()
	d.must(d.Start(d.t.Context()))
}

// stop lets it flush everything; crash doesn't.
func (d *database) stop() {
	d.t.Helper()
	d.must(d.Stop())
}

func (d *database) crash() {
	d.t.Helper()
	d.must(d.Crash())
}

func (d *database) dsn() string { return d.DSN("postgres") }

// ask runs one statement and returns its only value.
func (d *database) ask(statement string) string {
	d.t.Helper()
	value, err := d.Ask(d.t.Context(), statement)
	d.must(err)
	return value
}

// alter changes a setting while it runs and waits until that holds.
func (d *database) alter(name, value string) {
	d.t.Helper()
	d.must(d.Alter(d.t.Context(), name, value))
}

// replica starts a copy that streams from here.
func (d *database) replica() *database {
	d.t.Helper()
	r := d.copied("-R")
	r.start()
	wait(d.t, "the replica streams", func() bool { return d.Replicas(d.t.Context()) == 1 })
	return r
}

// copied is a base backup of it while it runs, not started; extra are pg_basebackup's further arguments.
func (d *database) copied(extra ...string) *database {
	d.t.Helper()
	backup, err := d.Copy(d.t.Context(), folder(d.t), extra...)
	return here(d.t, backup, err)
}

func (d *database) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// patience is how long something may take that should take a moment; the machine may be busy.
const patience = 4 * time.Minute

// wait waits for something to become true.
func wait(t *testing.T, what string, ready func() bool) {
	t.Helper()
	for began := time.Now(); !ready(); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}
