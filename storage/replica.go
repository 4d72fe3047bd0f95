package storage

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	replicaConns  = 4
	replicaWithin = 3 * time.Second        // connecting, catching up and one list; then the primary is asked
	catchUpWithin = 250 * time.Millisecond // of that, for the standby to replay what the primary has on its disk
	catchUpEvery  = 5 * time.Millisecond
	replicaRests  = 5 * time.Second // how long one that was away or behind is not asked again
)

// ErrForeignReplica is that SOJOURN_DATABASE_READ leads to another database.
var ErrForeignReplica = errors.New("it is another database, and no standby of SOJOURN_DATABASE")

// replica is a standby that lists are read from. It decides nothing, and is believed only where it has replayed what the
// primary had on its disk when the list was asked for: whatever was answered before, refreshes alone left out, is in it.
type replica struct {
	link  *link
	pool  *sql.DB
	base  *gorm.DB
	which string // the database that it must be
	log   *slog.Logger

	mu      sync.Mutex
	until   time.Time // it is not asked before
	down    bool
	warned  time.Time
	counted Reading
}

// Reading is what became of the lists.
type Reading struct {
	Replica int   // read from the standby
	Primary int   // read from the primary, since the standby was away or behind
	Behind  int64 // bytes of log that the standby had not replayed when it was asked last
}

// openReplica prepares the standby of opts without connecting.
func (d *DB) openReplica(ctx context.Context, opts Options) error {
	if opts.Read == "" || d.kind != Postgres {
		return nil
	}
	l, err := readingLink(opts)
	if err != nil {
		return fmt.Errorf("SOJOURN_DATABASE_READ: %w", err)
	}
	r := &replica{link: l, log: opts.Log}
	if r.which, err = d.which(ctx); err != nil {
		return err
	}
	r.pool = l.pool(replicaConns, cmp.Or(opts.ConnLife, connLife))
	d.replica = r
	r.base, err = gorm.Open(postgres.New(postgres.Config{Conn: r.pool}), &gorm.Config{
		SkipDefaultTransaction: true, DisableAutomaticPing: true, Logger: traced(opts.Trace),
	})
	return err
}

// readingLink is a link that any server may answer, unless the address wants a certain kind.
func readingLink(opts Options) (*link, error) {
	l, err := newLink(opts.Read, opts)
	if err == nil && !attrsNamed(opts.Read) {
		l.config.ValidateConnect = nil
	}
	return l, err
}

// CheckReplica returns ErrForeignReplica where the standby is one of another database. One that is away is no error: lists
// are read from the primary then.
func (d *DB) CheckReplica(ctx context.Context) error {
	if d.replica == nil {
		return nil
	}
	_, err := onReplica(ctx, d, func(context.Context) (struct{}, error) { return struct{}{}, nil })
	if errors.Is(err, ErrForeignReplica) {
		return fmt.Errorf("SOJOURN_DATABASE_READ: %w", ErrForeignReplica)
	}
	if err != nil {
		d.replica.learn(ctx, err)
	}
	return nil
}

// Reading tells how lists were read; false where no standby is set.
func (d *DB) Reading() (Reading, bool) {
	if d.replica == nil {
		return Reading{}, false
	}
	d.replica.mu.Lock()
	defer d.replica.mu.Unlock()
	return d.replica.counted, true
}

// read lists from the standby, or from the primary where there is none, where it is away or behind, and inside of a
// transaction.
func read[T any](ctx context.Context, d *DB, list func(context.Context) (T, error)) (T, error) {
	if d.replica == nil || d.carried(ctx) != nil {
		return list(ctx)
	}
	if d.replica.mayAsk() {
		all, err := onReplica(ctx, d, list)
		if err == nil || ctx.Err() == nil { // else who asked has gone
			d.replica.learn(ctx, err)
		}
		if err == nil {
			return all, nil
		}
	}
	return list(ctx)
}

// onReplica lists inside of a transaction of the standby, which the list's statements join.
func onReplica[T any](ctx context.Context, d *DB, list func(context.Context) (T, error)) (all T, err error) {
	ctx, stop := context.WithTimeout(ctx, replicaWithin)
	defer stop()
	var at place
	_, err = d.one(ctx, []any{&at.flushed, &at.timeline},
		"SELECT pg_current_wal_flush_lsn()::text, timeline_id FROM pg_control_checkpoint()")
	if err != nil {
		return all, fmt.Errorf("the primary does not say how far it is: %w", err)
	}
	begun := d.replica.base.WithContext(ctx).Begin(&sql.TxOptions{ReadOnly: true})
	if begun.Error != nil {
		return all, begun.Error
	}
	t := &tx{db: begun}
	defer func() { _ = t.rollback() }() // nothing was written
	if err := d.replica.ready(ctx, begun, at); err != nil {
		return all, err
	}
	return list(context.WithValue(ctx, txKey{d}, t))
}

// place is where the primary's log was when a list was asked for.
type place struct {
	flushed  string
	timeline int64
}

// standing asks a server what it is and how far it has come. One that was left on the timeline before a failover may have
// gone further there than the primary, on another way; one whose receiver is gone hears of nothing.
const standing = `SELECT ` + whichDatabase + `, pg_is_in_recovery(),
	EXISTS (SELECT 1 FROM pg_stat_wal_receiver) AND (SELECT timeline_id FROM pg_control_checkpoint()) = ?,
	coalesce(pg_wal_lsn_diff(?::pg_lsn, pg_last_wal_replay_lsn()), 0)::bigint`

// ready returns nil once the standby has replayed what the primary had, and otherwise why it can't be asked.
func (r *replica) ready(ctx context.Context, begun *gorm.DB, at place) error {
	if r.link.Pooled() && len(r.link.moods) > 0 {
		if err := begun.Exec(r.link.moods.local()).Error; err != nil {
			return err
		}
	}
	for end := time.Now().Add(catchUpWithin); ; pause(ctx, catchUpEvery) {
		var which string
		var standby, follows bool
		var behind int64
		_, err := scanned(begun.Raw(standing, at.timeline, at.flushed), []any{&which, &standby, &follows, &behind})
		switch {
		case err != nil:
			return err
		case which != r.which:
			return ErrForeignReplica
		case !standby:
			return errors.New("it takes writes: it is no standby, or was promoted")
		case !follows:
			return errors.New("it does not stream from the primary")
		}
		r.note(behind)
		if behind <= 0 {
			return nil
		}
		if !time.Now().Before(end) || ctx.Err() != nil {
			return fmt.Errorf("it is %d bytes of log behind the primary", behind)
		}
	}
}

func (r *replica) note(behind int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counted.Behind = max(0, behind)
}

func (r *replica) mayAsk() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Now().Before(r.until) {
		r.counted.Primary++
		return false
	}
	return true
}

// learn counts, has one that failed rest, and says when that begins and when it is over.
func (r *replica) learn(ctx context.Context, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.down
	r.down = err != nil
	if err == nil {
		r.counted.Replica++
		if was && r.log != nil {
			r.log.InfoContext(ctx, "lists are read from the replica again")
		}
		return
	}
	r.counted.Primary++
	r.until = time.Now().Add(replicaRests)
	if r.log != nil && !was && time.Since(r.warned) > warnEvery {
		r.warned = time.Now()
		r.log.WarnContext(ctx, "lists are read from the primary, since the replica of SOJOURN_DATABASE_READ can't be asked", "why", err)
	}
}

// Lists are what operators and the metrics read of many rows, and nothing is decided by.
type Lists struct{ d *DB }

// Lists are read from the standby of Options.Read, if there is one.
func (d *DB) Lists() Lists { return Lists{d} }

// Accounts is DB.Accounts.
func (l Lists) Accounts(ctx context.Context, q identity.AccountQuery) ([]identity.Account, error) {
	return read(ctx, l.d, func(ctx context.Context) ([]identity.Account, error) { return l.d.Accounts(ctx, q) })
}

// FindSessions is DB.FindSessions.
func (l Lists) FindSessions(ctx context.Context, q identity.SessionQuery) ([]identity.Live, error) {
	return read(ctx, l.d, func(ctx context.Context) ([]identity.Live, error) { return l.d.FindSessions(ctx, q) })
}

// Clients is DB.Clients.
func (l Lists) Clients(ctx context.Context, q identity.ClientQuery) ([]identity.Client, error) {
	return read(ctx, l.d, func(ctx context.Context) ([]identity.Client, error) { return l.d.Clients(ctx, q) })
}

// Events is DB.Events.
func (l Lists) Events(ctx context.Context, q identity.EventQuery) ([]identity.Event, error) {
	return read(ctx, l.d, func(ctx context.Context) ([]identity.Event, error) { return l.d.Events(ctx, q) })
}

// Unusual is DB.Unusual.
func (l Lists) Unusual(ctx context.Context, limit int) ([]identity.Event, error) {
	return read(ctx, l.d, func(ctx context.Context) ([]identity.Event, error) { return l.d.Unusual(ctx, limit) })
}

// Cases is DB.Cases.
func (l Lists) Cases(ctx context.Context, q identity.CaseQuery) ([]identity.Case, error) {
	return read(ctx, l.d, func(ctx context.Context) ([]identity.Case, error) { return l.d.Cases(ctx, q) })
}

// Deliveries is DB.Deliveries.
func (l Lists) Deliveries(ctx context.Context, f identity.DeliveryFilter) ([]identity.ListedDelivery, error) {
	return read(ctx, l.d, func(ctx context.Context) ([]identity.ListedDelivery, error) { return l.d.Deliveries(ctx, f) })
}

// CountDeliveries is DB.CountDeliveries.
func (l Lists) CountDeliveries(ctx context.Context) ([]identity.DeliveryCount, error) {
	return read(ctx, l.d, l.d.CountDeliveries)
}

// Stats is DB.Stats.
func (l Lists) Stats(ctx context.Context, q identity.StatsQuery) (identity.Stats, error) {
	return read(ctx, l.d, func(ctx context.Context) (identity.Stats, error) { return l.d.Stats(ctx, q) })
}

// StatGroups is DB.StatGroups.
func (l Lists) StatGroups(ctx context.Context, q identity.StatsQuery, by identity.GroupBy) (identity.Groups, error) {
	return read(ctx, l.d, func(ctx context.Context) (identity.Groups, error) { return l.d.StatGroups(ctx, q, by) })
}
