package storage

import (
	"context"
	"database/sql/driver"
	"errors"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// quick is pgx alone, without database/sql and GORM, for the statements that nearly every request makes. Its connections
// commit without waiting for PostgreSQL's log to reach the disk or a standby, unless rotations are strict. They are opened
// that way: PostgreSQL takes long over changing it for one statement, and no connection can carry it to another pool. Behind
// a pooler, which hands no such wish on, each statement asks for it itself. So what may run here is an ordinary rotation, of
// which a crash may take back the last moments, never half of one, and which the rotation rule rolls forward (DESIGN §2);
// and what only reads. An ending, or anything inside a transaction, never does.
type quick struct {
	pool  *pgxpool.Pool
	link  *link
	trace func(statement string)
	mood  moods
}

func openQuick(l *link, opts Options) (*quick, error) {
	mood := l.moods
	if !opts.StrictRefresh {
		mood = append(moods{{"synchronous_commit", "off"}}, mood...)
	}
	all, err := pgxpool.ParseConfig(l.config.ConnString())
	if err != nil {
		return nil, err
	}
	all.ConnConfig, all.MaxConns = l.config.Copy(), int32(opts.quickConns())
	all.MaxConnLifetime, all.MaxConnLifetimeJitter, all.MaxConnIdleTime = opts.ConnLife, opts.ConnLife/10, connIdle
	all.BeforeConnect = l.begin(mood)
	pool, err := pgxpool.NewWithConfig(context.Background(), all)
	return &quick{pool: pool, link: l, trace: opts.Trace, mood: mood}, err
}

// one scans the only row of a statement into dest; false when there is none. A connection that turns out to be gone before
// anything was sent on it is replaced, as database/sql does it, and so is one to a server that became a standby.
func (q *quick) one(ctx context.Context, dest []any, query string, args []any) (bool, error) {
	if q.trace != nil {
		defer q.trace(query)
	}
	var err error
	for range 3 {
		if err = q.ask(ctx, dest, query, args); err == nil || !harmless(err) || ctx.Err() != nil {
			break
		}
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// harmless reports whether a statement that failed with err has certainly done nothing.
func harmless(err error) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	return ok && refused.Code == readOnly || pgconn.SafeToRetry(err)
}

// ask sends the statement alone, or behind a pooler together with what its transaction is to be like: one transaction, one
// round trip.
func (q *quick) ask(ctx context.Context, dest []any, query string, args []any) error {
	if !q.link.Pooled() || len(q.mood) == 0 {
		return q.pool.QueryRow(ctx, query, args...).Scan(dest...)
	}
	both := &pgx.Batch{}
	both.Queue(q.mood.local())
	both.Queue(query, args...)
	sent := q.pool.SendBatch(ctx, both)
	_, err := sent.Exec()
	if err == nil {
		err = sent.QueryRow().Scan(dest...)
	}
	if closed := sent.Close(); err == nil { // the commit's own answer comes last
		err = closed
	}
	return err
}

// hotStatement is one that nearly every request makes, by kind of database. It holds no question marks but its placeholders.
type hotStatement map[string]string

// hot spells a statement for both kinds.
func hot(query string) hotStatement {
	sqlite := strings.NewReplacer("LEAST(", "min(", "GREATEST(", "max(", "strpos(", "instr(").Replace(query)
	return hotStatement{SQLite: sqlite, Postgres: numbered(query)}
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
