package storage

import (
	"context"
	"io/fs"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/sojourn-auth/sojourn/identity"
)

// Q gives tests outside the package the statements' starting point.
func (d *DB) Q(ctx context.Context) *gorm.DB { return d.q(ctx) }

// Fail gives them the errors that storage methods return.
func (d *DB) Fail(what string, err error) error { return d.fail(what, err) }

// Waits counts those who wait for a row's lock on PostgreSQL now, or on SQLite ever waited for the one writer.
func (d *DB) Waits(ctx context.Context) (n int64, err error) {
	if d.kind == SQLite {
		return d.pools[0].Stats().WaitCount, nil
	}
	_, err = d.one(ctx, []any{&n}, `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock'`)
	return n, err
}

// FlushStatistics has PostgreSQL show what the quick connection it asks has counted so far.
func (d *DB) FlushStatistics(ctx context.Context) error {
	_, err := d.quick.pool.Exec(ctx, "SELECT pg_stat_force_next_flush()")
	return err
}

// WatchEvery is watchEvery.
const WatchEvery = watchEvery

// UseMigrations gives d another schema than the embedded one.
func (d *DB) UseMigrations(files fs.FS) { d.migrations = files }

// Micros and its kin give them the times of rows.
type Micros = micros

// FromTime is fromTime.
func FromTime(t time.Time) Micros { return fromTime(t) }

// FromTimeOrNull is fromTimeOrNull.
func FromTimeOrNull(t time.Time) *Micros { return fromTimeOrNull(t) }

// Time is micros.time.
func (m Micros) Time() time.Time { return m.time() }

// TimeOrZero is micros.timeOrZero.
func (m *Micros) TimeOrZero() time.Time { return m.timeOrZero() }

// NewTestClock returns a clock that started at a wall time, counts with elapsed and asks database.
func NewTestClock(started time.Time, elapsed func() time.Duration, database func(context.Context) (time.Time, error)) *Clock {
	c := &Clock{started: started, elapsed: elapsed, database: database}
	c.measured.Store(-1)
	return c
}

// Hear tells every statement of d with its values to a function from now on.
func (d *DB) Hear(tell func(statement string)) { d.base.Logger = hearer{logger.Discard, tell} }

type hearer struct {
	logger.Interface
	tell func(statement string)
}

// Trace is called by GORM after each statement.
func (h hearer) Trace(_ context.Context, _ time.Time, statement func() (string, int64), _ error) {
	text, _ := statement()
	h.tell(text)
}

// Look is what WatchChanges does twice a second.
func (d *DB) Look(ctx context.Context) { (&watcher{db: d, from: d.Now()}).look(ctx) }

// ReadOnly makes the writing connection of a SQLite database refuse every write, as a full disk does.
func (d *DB) ReadOnly(ctx context.Context) error {
	_, err := d.pools[0].ExecContext(ctx, "PRAGMA query_only = 1")
	return err
}

// RootedColumns are the columns that Reseal knows.
func RootedColumns() (all []string) {
	for _, c := range sealedColumns {
		all = append(all, c.table+"."+c.column)
	}
	for _, c := range hashedColumns {
		all = append(all, c.table+"."+c.column)
	}
	return all
}

// The bounds of recent.
const (
	MaxRecent = maxRecent
	MaxStruck = maxStruck
	TrustFor  = trustFor
)

// Within is within.
func Within(now, then time.Time, d time.Duration) bool { return within(now, then, d) }

// FillRecent remembers n Sessions, and tells how many are kept, and whether the first and the last are.
func FillRecent(n int) (kept int, first, last bool) {
	var r recent
	held := make([]identity.Held, n)
	for i := range held {
		held[i] = identity.Held{SessionID: identity.NewID()}
		r.put(held[i], recentSession{})
	}
	return r.order.Len(), r.all[held[0]] != nil, r.all[held[n-1]] != nil
}

// StrikeRecent strikes n marks, and tells how many are kept, and whether what was read before counts for nothing.
func StrikeRecent(n int) (kept int, floor bool) {
	var r recent
	for range n {
		r.strike(identity.Mark{Kind: identity.MarkToken, Subject: identity.NewID().String()})
	}
	return len(r.struck), r.floor > 0
}

// FillWebhooks has this process know of all webhooks that as much waits for them as may.
func (d *DB) FillWebhooks() {
	all := *d.hooks.Load()
	for i := range all {
		all[i].full = true
	}
}

// EraseEvents is eraseEvents.
func (d *DB) EraseEvents(ctx context.Context, limit int, where string, args ...any) (n int, err error) {
	err = d.InTx(ctx, func(ctx context.Context) error {
		n, err = d.eraseEvents(ctx, limit, where, args...)
		return err
	})
	return n, err
}

// PersonTables are the tables that ExportPerson reads.
func PersonTables() (names []string) {
	for _, t := range personTables {
		names = append(names, t.table)
	}
	return names
}

// NoteHead says that a day is sealed.
func (d *DB) NoteHead(ctx context.Context, day identity.Day) error {
	return d.q(ctx).Create(&eventHeadRow{Day: day, Head: []byte("x")}).Error
}

// CountDay reads what RollUp reads for a day and its first hour, and claims it. It writes no numbers: there may be many.
func (d *DB) CountDay(ctx context.Context, day identity.Day) error {
	if _, err := d.census(ctx, []identity.Day{day}); err != nil {
		return err
	}
	own, err := d.ownClients(ctx)
	if err != nil {
		return err
	}
	begins := d.calendar.Begins(day)
	if _, err := d.hour(ctx, day, own, identity.EventSpan{Since: begins, Until: begins.Add(time.Hour)}); err != nil {
		return err
	}
	return d.write(ctx, rolling{day: day, part: partSessions})
}
