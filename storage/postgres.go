package storage

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
)

const (
	postgresConns  = 24               // three servers leave a quarter of PostgreSQL's default of 100 to others
	connectTimeout = 3 * time.Second  // per host, where the DSN sets no connect_timeout
	connLife       = 30 * time.Minute // after a failover, connections find their way back
	connIdle       = 5 * time.Minute
	readOnly       = "25006" // SQLSTATE of a write on a standby, or on a database that was made read-only
)

// ErrReadOnly is that a server was reached that takes no writes: a standby, or one that was made read-only.
var ErrReadOnly = errors.New("it takes no writes: it is a standby, or was made read-only")

// link is how connections to one PostgreSQL are made: straight to it, or through a pooler like PgBouncer that lends each
// transaction a session of the server.
type link struct {
	config *pgx.ConnConfig
	moods  moods // of every connection of ours

	looking sync.Mutex
	pooled  atomic.Bool
	known   atomic.Bool // whether pooled was found out
}

// moods are the server's settings that a session, or one transaction of a pooler's, is to have.
type moods [][2]string

// local is the statement that sets them for the transaction it is in.
func (m moods) local() string {
	all := make([]string, len(m))
	for i, s := range m { // names and values are ours, not anybody's input
		all[i] = fmt.Sprintf("set_config('%s', '%s', true)", s[0], s[1])
	}
	return "SELECT " + strings.Join(all, ", ")
}

// attrsNamed reports whether a DSN says which servers will do.
func attrsNamed(dsn string) bool { return strings.Contains(dsn, "target_session_attrs=") }

// whichDatabase is the same for a database and its standbys, and for nothing else: a restored dump is another one.
const whichDatabase = `(SELECT (SELECT system_identifier FROM pg_control_system()) || ' ' || oid
	FROM pg_database WHERE datname = current_database())`

// which tells the database from others, whatever the name that it is reached by.
func (d *DB) which(ctx context.Context) (name string, err error) {
	_, err = d.one(ctx, []any{&name}, "SELECT "+whichDatabase)
	return name, d.fail("tell the database from others", err)
}

// newLink reads a DSN. Nothing is connected yet.
func newLink(dsn string, opts Options) (*link, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "sojourn"
	}
	// The whole of connecting, since a server may accept and then say nothing.
	config.ConnectTimeout = cmp.Or(config.ConnectTimeout, connectTimeout)
	dialer := &net.Dialer{Timeout: config.ConnectTimeout, KeepAliveConfig: net.KeepAliveConfig{
		// A server that vanished without a word is noticed after half a minute, not after two hours.
		Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3,
	}}
	config.DialFunc = dialer.DialContext
	// "read-write" is what we ask for ourselves, but with a refusal that has a name.
	if config.ValidateConnect == nil && !strings.Contains(dsn, "target_session_attrs=any") ||
		strings.Contains(dsn, "target_session_attrs=read-write") {
		config.ValidateConnect = takesWrites
	}
	config.OnPgError = leaveStandby(config.OnPgError)
	config.Tracer = pgxTracer{}
	l := &link{config: config}
	for _, limit := range []struct {
		name string
		most time.Duration
	}{
		{"statement_timeout", opts.StatementTimeout},
		{"lock_timeout", opts.LockTimeout},
		{"idle_in_transaction_session_timeout", opts.IdleTimeout},
	} {
		if _, asked := config.RuntimeParams[limit.name]; limit.most > 0 && !asked { // what the DSN says beats us
			l.moods = append(l.moods, [2]string{limit.name, strconv.FormatInt(limit.most.Milliseconds(), 10)})
		}
	}
	return l, nil
}

// takesWrites holds to the primary, of several hosts and of one: what a standby says about a Session may be over.
func takesWrites(ctx context.Context, conn *pgconn.PgConn) error {
	err := pgconn.ValidateConnectTargetSessionAttrsReadWrite(ctx, conn)
	if err != nil && err.Error() == "read only connection" { // pgx has no name for it
		return ErrReadOnly
	}
	return err
}

// leaveStandby gives up a connection whose server turns out to take no writes any more, so that the next one looks for
// the primary.
func leaveStandby(standard pgconn.PgErrorHandler) pgconn.PgErrorHandler {
	return func(conn *pgconn.PgConn, err *pgconn.PgError) bool {
		return err.Code != readOnly && (standard == nil || standard(conn, err))
	}
}

// Pooled reports whether a pooler stands in between, as far as that was found out.
func (l *link) Pooled() bool { return l.pooled.Load() }

// begin is what is done to the configuration of each connection before it is made. A pooler refuses settings that it
// can't give to every transaction, and knows no statements that were prepared under a name (PgBouncer before 1.21).
func (l *link) begin(all moods) func(context.Context, *pgx.ConnConfig) error {
	return func(ctx context.Context, config *pgx.ConnConfig) error {
		if err := l.look(ctx); err != nil {
			return err
		}
		if l.Pooled() {
			config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
			return nil
		}
		for _, s := range all {
			config.RuntimeParams[s[0]] = s[1]
		}
		return nil
	}
}

// look finds out, once, whether a pooler stands in between: it invents the process id that it tells a client, who could
// otherwise cancel what is another one's by now.
func (l *link) look(ctx context.Context) error {
	if l.known.Load() {
		return nil
	}
	l.looking.Lock()
	defer l.looking.Unlock()
	if l.known.Load() {
		return nil
	}
	config := l.config.Copy()
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var pid uint32
	if err := conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		return err
	}
	l.pooled.Store(pid != conn.PgConn().PID())
	l.known.Store(true)
	return nil
}

// openPostgres prepares both pools without connecting. Statements are prepared and cached per connection by pgx itself, so
// a repeated one costs one round trip.
func (d *DB) openPostgres(dsn string, opts Options) (_ gorm.Dialector, err error) {
	opts.MaxConns, opts.ConnLife = cmp.Or(opts.MaxConns, postgresConns), cmp.Or(opts.ConnLife, connLife)
	if d.link, err = newLink(dsn, opts); err != nil {
		return nil, err
	}
	if d.quick, err = openQuick(d.link, opts); err != nil {
		return nil, err
	}
	pool := d.link.pool(max(1, opts.MaxConns-opts.quickConns()), opts.ConnLife)
	d.pools = []*sql.DB{pool}
	return postgres.New(postgres.Config{Conn: pool}), nil
}

// pool prepares connections that transactions and ordinary statements use.
func (l *link) pool(conns int, life time.Duration) *sql.DB {
	begin := l.begin(l.moods)
	pool := stdlib.OpenDB(*l.config, stdlib.OptionBeforeConnect(func(ctx context.Context, config *pgx.ConnConfig) error {
		*config = *config.Copy() // what comes is shared
		return begin(ctx, config)
	}))
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	pool.SetConnMaxLifetime(life)
	pool.SetConnMaxIdleTime(connIdle)
	return pool
}

// quickConns is how many connections of all are quick ones.
func (o Options) quickConns() int { return max(1, o.MaxConns/3) }

// Pooled reports whether a pooler like PgBouncer stands between us and PostgreSQL: then no session is ours, and neither
// LISTEN nor a lock of a session lasts.
func (d *DB) Pooled() bool { return d.link != nil && d.link.Pooled() }

// Connections says how d reaches its database, for the log: no password is in it.
func (d *DB) Connections() slog.Attr {
	if d.kind == SQLite {
		return slog.String("database", SQLite)
	}
	writing, quick := d.pools[0].Stats().MaxOpenConnections, d.quick.pool.Config().MaxConns
	all := []any{
		slog.String("kind", d.kind), slog.Bool("pooler", d.Pooled()),
		slog.Int("connections", writing+int(quick)), slog.Int("of_them_quick", int(quick)),
		slog.String("connection_life", d.quick.pool.Config().MaxConnLifetime.String()),
	}
	for _, s := range d.link.moods {
		all = append(all, slog.String(s[0], s[1]+"ms"))
	}
	return slog.Group("database", all...)
}
