package storage

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
)

const (
	postgresConns  = 32
	connectTimeout = 3 * time.Second  // per host, where the DSN sets no connect_timeout
	connLife       = 30 * time.Minute // after a failover, connections find their way back
)

// openPostgres prepares both pools without connecting. Statements are prepared and cached per connection by pgx itself, so
// a repeated one costs one round trip.
func (d *DB) openPostgres(dsn string, opts Options) (gorm.Dialector, error) {
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

	opts.MaxConns = cmp.Or(opts.MaxConns, postgresConns)
	if d.quick, err = openQuick(config.Copy(), opts); err != nil {
		return nil, err
	}
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(opts.MaxConns)
	pool.SetMaxIdleConns(opts.MaxConns)
	pool.SetConnMaxLifetime(connLife)
	d.pools = []*sql.DB{pool}
	return postgres.New(postgres.Config{Conn: pool}), nil
}

// quick is pgx alone, without database/sql and GORM, for the statements that nearly every request makes. Its connections
// commit without waiting for PostgreSQL's log to reach the disk or a standby, unless rotations are strict. They are opened
// that way: PostgreSQL takes long over changing it for one statement, and no connection can carry it to another pool, also
// not through a pooler in between. So what may run here is an ordinary rotation, of which a crash may take back the last
// moments, never half of one, and which the rotation rule rolls forward (DESIGN §2); and what only reads. An ending, or
// anything inside a transaction, never does.
type quick struct {
	pool  *pgxpool.Pool
	trace func(statement string)
}

func openQuick(config *pgx.ConnConfig, opts Options) (*quick, error) {
	if !opts.StrictRefresh {
		config.RuntimeParams["synchronous_commit"] = "off"
	}
	all, err := pgxpool.ParseConfig(config.ConnString())
	if err != nil {
		return nil, err
	}
	all.ConnConfig, all.MaxConns, all.MaxConnLifetime = config, int32(max(1, opts.MaxConns/2)), connLife
	pool, err := pgxpool.NewWithConfig(context.Background(), all)
	return &quick{pool: pool, trace: opts.Trace}, err
}

// one scans the only row of a statement into dest; false when there is none. A connection that turns out to be gone before
// anything was sent on it is replaced, as database/sql does it.
func (q *quick) one(ctx context.Context, dest []any, query string, args []any) (bool, error) {
	if q.trace != nil {
		defer q.trace(query)
	}
	var err error
	for range 3 {
		if err = q.pool.QueryRow(ctx, query, args...).Scan(dest...); err == nil || !pgconn.SafeToRetry(err) || ctx.Err() != nil {
			break
		}
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// hotStatement is one that nearly every request makes, by kind of database. It holds no question marks but its placeholders.
type hotStatement map[string]string

// hot spells a statement for both kinds.
func hot(query string) hotStatement {
	return hotStatement{SQLite: strings.ReplaceAll(query, "LEAST(", "min("), Postgres: numbered(query)}
}

// numbered is a statement with PostgreSQL's placeholders.
func numbered(query string) string {
	parts := strings.Split(query, "?")
	for i := range parts[1:] {
		parts[i] += "$" + strconv.Itoa(i+1)
	}
	return strings.Join(parts, "")
}

// quickly is one for a statement that may run on any connection: alone on a quick one, otherwise in the transaction that
// ctx carries.
func (d *DB) quickly(ctx context.Context, dest []any, s hotStatement, args ...any) (bool, error) {
	if d.quick != nil && d.carried(ctx) == nil {
		return d.quick.one(ctx, dest, s[Postgres], texts(args))
	}
	tx := d.q(ctx).Raw("")
	tx.Statement.SQL.WriteString(s[d.kind]) // GORM has nothing to build
	tx.Statement.Vars = texts(args)
	return scanned(tx, dest)
}

// scannedID is where pgx puts an id without spelling it first, which it does for what implements sql.Scanner alone.
type scannedID uuid.UUID

// ScanUUID satisfies pgtype.UUIDScanner.
func (id *scannedID) ScanUUID(v pgtype.UUID) error {
	*id = v.Bytes
	return nil
}

// Scan satisfies sql.Scanner, for SQLite and inside of transactions.
func (id *scannedID) Scan(v any) error { return (*uuid.UUID)(id).Scan(v) }

// Value spells the id.
func (id *scannedID) Value() (driver.Value, error) { return (*uuid.UUID)(id).Value() }
