package storage

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage/migrations"
)

// The two kinds of database.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// Options are what may differ between two uses of one database.
type Options struct {
	// Keys seal what must not be read from a stolen database: factors' secrets and private signing keys.
	Keys *identity.Keyring
	// Now is the time that statements judge by; nil means the database's own, through Clock.
	Now func() time.Time
	// Calendar says where days begin; nil means UTC's. All processes of a database have the same.
	Calendar *identity.Calendar
	// Trace is told every statement, without its values; nil means no one is.
	Trace func(statement string)
	// StrictRefresh makes PostgreSQL flush every rotation to disk before it is answered, as it does everything else.
	StrictRefresh bool
	// Letters says that mail can be sent; without, none is put into the outbox.
	Letters bool
	// Journal is the file of the ending journal; empty means none.
	Journal string
	// Log is told when an ending could not be written into the journal; nil means no one is.
	Log *slog.Logger
	// MaxConns bounds the connections to PostgreSQL; 0 means 24. A third of them is for what every request asks (quick), and
	// there is one of each kind at least. SQLite has one writer and a few readers regardless.
	MaxConns int
	// ConnLife is how long a connection to PostgreSQL is used; 0 means half an hour.
	ConnLife time.Duration
	// How long PostgreSQL lets us run one statement, wait for one lock, and rest inside a transaction, which is what a
	// process does that was paused; 0 means as the server is set up.
	StatementTimeout, LockTimeout, IdleTimeout time.Duration
	// Redis is where processes wake each other and share what is worth forgetting, redis://…; empty means PostgreSQL wakes
	// them and nothing is shared. Issuer keeps apart who shares one Redis.
	Redis, Issuer string
	// Read is a standby of the same PostgreSQL that Lists are read from, postgres://…; empty means there is none.
	Read string
	// EventsKept is for how long Events stay; the zero value means identity.DefaultEventsKept.
	EventsKept identity.EventsKept
	// Volatile makes a SQLite database that need not survive a crash of the machine, for simulations and tests.
	Volatile bool
}

// DB is one open database. Many goroutines may use it at once.
type DB struct {
	base         *gorm.DB
	kind         string
	pools        []*sql.DB // the first one writes
	link         *link     // nil on SQLite, as the next one
	quick        *quick
	replica      *replica // nil: there is none
	migrations   fs.FS
	keys         *identity.Keyring
	clock        *Clock
	now          func() time.Time
	calendar     *identity.Calendar
	clients      cache[identity.Client]
	resources    cache[identity.Resources]
	letters      bool
	kept         identity.EventsKept
	queued       bell
	untidy       bell
	halved       atomic.Int32 // how often what Tidy writes at once was halved
	marked       bell
	recent       recent
	journal      *journal
	hub          hub
	walk         walk
	refused      tally
	ended        tally
	hooks        atomic.Pointer[[]hook]
	hooksChanged bell
	wire         *wire   // nil: there is one process alone
	shared       *shared // nil without Redis
	lookNow      chan struct{}
}

// Open connects to dsn, "sqlite:PATH" or "postgres://…", and checks that it answers. A missing SQLite file and its folder
// are made, for their owner's eyes only. Open does not migrate. No error of it tells the password.
func Open(ctx context.Context, dsn string, opts Options) (*DB, error) {
	d, err := connect(dsn, opts)
	if err != nil {
		return nil, err
	}
	if err := d.Ping(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	if err := errors.Join(d.openReplica(ctx, opts), d.openWire(ctx, dsn, opts)); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func connect(dsn string, opts Options) (*DB, error) {
	d := &DB{
		clients: cache[identity.Client]{copied: copyClient},
		keys:    opts.Keys, now: opts.Now, calendar: cmp.Or(opts.Calendar, identity.NewCalendar(nil)), letters: opts.Letters, journal: &journal{path: opts.Journal, log: opts.Log},
		lookNow: make(chan struct{}, 1),
	}
	if d.kept = opts.EventsKept; d.kept.All == 0 {
		d.kept = identity.DefaultEventsKept
	}
	if err := d.journal.check(); err != nil {
		return nil, fmt.Errorf("open the ending journal: %w", err)
	}
	d.clock, d.recent.only = NewClock(d), make(chan struct{}, 1)
	if d.now == nil {
		d.now = d.clock.Now
	}
	var dialect gorm.Dialector
	var err error
	path, embedded := strings.CutPrefix(dsn, "sqlite:")
	switch {
	case embedded:
		d.kind = SQLite
		dialect, d.pools, err = openSQLite(path, opts.Volatile)
	case strings.HasPrefix(dsn, "postgres://"), strings.HasPrefix(dsn, "postgresql://"):
		d.kind = Postgres
		dialect, err = d.openPostgres(dsn, opts)
	default:
		err = errors.New("a database is sqlite:PATH or postgres://…")
	}
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if d.migrations, err = fs.Sub(migrations.Files, d.kind); err != nil {
		return nil, fmt.Errorf("find migrations: %w", err)
	}
	d.base, err = gorm.Open(dialect, &gorm.Config{
		SkipDefaultTransaction: true, // one statement is its own transaction; more of them say InTx
		TranslateError:         true,
		DisableAutomaticPing:   true, // Ping takes a context
		Logger:                 traced(opts.Trace),
	})
	if err != nil {
		return nil, fmt.Errorf("open database: %w", errors.Join(err, d.Close()))
	}
	if d.kind == SQLite {
		err = traceSQLite(d.base)
	}
	return d, err
}

// Close tells other processes what they were not told yet, and ends every connection. Statements under way finish first.
func (d *DB) Close() error {
	problems := []error{d.closeWire()}
	for _, pool := range d.pools {
		problems = append(problems, pool.Close())
	}
	if d.quick != nil {
		d.quick.pool.Close()
	}
	if d.replica != nil {
		problems = append(problems, d.replica.pool.Close())
	}
	return errors.Join(problems...)
}

// Now returns the time that every statement and every rule judges by.
func (d *DB) Now() time.Time { return d.now() }

// Calendar says where days begin.
func (d *DB) Calendar() *identity.Calendar { return d.calendar }

// Clock is the process's clock, corrected to the database's.
func (d *DB) Clock() *Clock { return d.clock }

// Kind returns SQLite or Postgres.
func (d *DB) Kind() string { return d.kind }

// Ping asks whether the database answers; the error is identity.ErrUnavailable when it doesn't.
func (d *DB) Ping(ctx context.Context) error {
	for _, pool := range d.pools {
		if err := pool.PingContext(ctx); err != nil {
			return d.fail("reach database", err)
		}
	}
	if d.quick != nil {
		return d.fail("reach database", d.quick.pool.Ping(ctx))
	}
	return nil
}

// q is where every statement starts: in the transaction that ctx carries, or on its own.
func (d *DB) q(ctx context.Context) *gorm.DB {
	if t := d.carried(ctx); t != nil {
		return t.db.WithContext(ctx)
	}
	return d.base.WithContext(ctx)
}

// endingsAtRisk asks PostgreSQL how an ending that was answered could be lost. Who receives rows and not the log itself
// (a logical subscriber), or copies it for a backup, is never promoted.
const endingsAtRisk = `SELECT current_setting('fsync'), current_setting('synchronous_commit'),
	current_setting('synchronous_standby_names'), (SELECT count(*) FROM pg_stat_replication
		WHERE coalesce(state, 'streaming') IN ('streaming', 'catchup') AND pid NOT IN (
			SELECT active_pid FROM pg_replication_slots WHERE slot_type = 'logical' AND active_pid IS NOT NULL))`

// EndingsAtRisk returns a sentence for each way in which the database as it is set up could lose an ending that was
// answered; none on SQLite, which writes each to the disk.
func (d *DB) EndingsAtRisk(ctx context.Context) (risks []string, err error) {
	if d.kind != Postgres {
		return nil, nil
	}
	var fsync, commit, standbys string
	var replicas int
	if _, err := d.one(ctx, []any{&fsync, &commit, &standbys, &replicas}, endingsAtRisk); err != nil {
		return nil, d.fail("ask how durable the database is", err)
	}
	if fsync == "off" {
		risks = append(risks, "PostgreSQL runs with fsync = off: a power cut can lose anything. Set it to on.")
	}
	if commit == "off" {
		risks = append(risks, "PostgreSQL runs with synchronous_commit = off: a crash can bring ended sessions back to life. "+
			"Set it to on; refreshes alone commit without waiting, by themselves.")
	}
	if replicas > 0 && (standbys == "" || commit == "local") {
		risks = append(risks, fmt.Sprintf("streaming replicas are attached (%d), but no commit waits for one: promoting it "+
			"can bring ended sessions back to life. Set synchronous_standby_names, and synchronous_commit to on.", replicas))
	}
	return risks, nil
}

// tracer tells every statement to a function, with placeholders instead of values: those hold hashes and addresses.
type tracer struct {
	logger.Interface
	tell func(statement string)
}

// LogMode keeps the tracer as it is.
func (t tracer) LogMode(logger.LogLevel) logger.Interface { return t }

// Trace is called by GORM after each statement.
func (t tracer) Trace(_ context.Context, _ time.Time, statement func() (string, int64), _ error) {
	text, _ := statement()
	t.tell(text)
}

// ParamsFilter leaves the values out.
func (tracer) ParamsFilter(_ context.Context, statement string, _ ...any) (string, []any) {
	return statement, nil
}

// traced is the logger that options ask for.
func traced(tell func(string)) logger.Interface {
	if tell == nil {
		return logger.Discard
	}
	return tracer{Interface: logger.Discard, tell: tell}
}
