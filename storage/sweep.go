package storage

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	keepEnded  = 30 * 24 * time.Hour // how long the device history tells of what is over
	keepTokens = time.Hour           // who verifies a token may allow for a clock that is a little off
	keepMisses = 24 * time.Hour      // no throttle remembers longer
)

// SweptRows counts what a sweep deleted.
type SweptRows struct {
	Sessions, SignIns, DeniedTokens, SpentAssertions, RegistrationTokens, MailLinks, FormerValues, Throttles, Events, Deliveries, Documents, Marks, Anomalies, Habits, AnomalyHours, Cases int
}

// rubbish is what one table holds that nobody can need any more: what is older than before by an age that an index has.
type rubbish struct {
	table, age, where string
	before            time.Time
	count             *int
}

// Sweep deletes what nobody can need any more: Sessions and SignIns that have been over for 30 days, revoked and spent
// tokens that expired, throttles that would have forgotten, Events that were sealed and kept for long enough, Deliveries that were given up, or that nobody
// tries, for 30 days. It decides nothing, since all of it has long been refused, and goes by bounded statements, each by an
// index, until none is left. Several processes may sweep at once; Lease has one of them do it. A table that can't be swept keeps no other
// from it.
func (d *DB) Sweep(ctx context.Context) (swept SweptRows, err error) {
	now := d.Now()
	old, expired, forgotten := now.Add(-keepEnded), now.Add(-keepTokens), now.Add(-keepMisses)
	for _, r := range []rubbish{
		{"sessions", "ended_at", "TRUE", old, &swept.Sessions},
		{"sessions", "ends_at", "TRUE", old, &swept.Sessions},
		{"sign_ins", "ended_at", "TRUE", old, &swept.SignIns},
		{"sign_ins", "ends_at", "TRUE", old, &swept.SignIns},
		{"denied_tokens", "expires_at", "TRUE", expired, &swept.DeniedTokens},
		{"spent_assertions", "expires_at", "TRUE", expired, &swept.SpentAssertions},
		{"registration_tokens", "CASE WHEN uses_left < 1 THEN 0 ELSE expires_at END", "TRUE", expired, &swept.RegistrationTokens},
		{"mail_links", "expires_at", "TRUE", expired, &swept.MailLinks},
		{"former_values", "at", "TRUE", now.Add(-keepFormer), &swept.FormerValues},
		{"throttles", "last_try_at", "TRUE", forgotten, &swept.Throttles},
		// The last one stays: it tells a feed that goes on from one that was put back.
		{"marks", "at", "(position IS NULL OR position < (SELECT l.position FROM mark_log l WHERE l.name = 'endings'))", now.Add(-keepMarks), &swept.Marks},
		{"deliveries", "COALESCE(dead_at, next_try_at)", "TRUE", old, &swept.Deliveries},
		{"states", "updated_at", "deleted", old, &swept.Documents},
		{"anomalies", "at", "TRUE", now.Add(-keepAnomalies), &swept.Anomalies},
		{"habits", "seen_at", "TRUE", now.Add(-identity.KeepHabit), &swept.Habits},
		{"cases", "at", "TRUE", now.Add(-d.kept.Of(identity.AnomalyFound)), &swept.Cases},
		{"anomaly_hours", "hour", "TRUE", now.Add(-keepHours), &swept.AnomalyHours},
	} {
		err = errors.Join(err, d.sweep(ctx, r))
	}
	events, failed := d.sweepEvents(ctx)
	lapsed, failing := d.sweepLapsed(ctx, old)
	swept.Events, swept.Sessions = events, swept.Sessions+lapsed
	return swept, errors.Join(err, failed, failing)
}

// doomed is the condition for the oldest rows of a table that where picks, as many as one statement takes and nobody else
// holds. By their places: a plan that joined keys would read the whole table for so many. Sessions go by their ids, since a
// place names a row of each partition where an operator has partitioned them (docs/scale.md).
func (d *DB) doomed(table, where, age string) string {
	if d.kind == SQLite {
		return fmt.Sprintf("rowid IN (SELECT rowid FROM %s WHERE %s ORDER BY %s LIMIT %d)", table, where, age, batch)
	}
	by := "ctid"
	if table == "sessions" {
		by = "id"
	}
	return fmt.Sprintf("%s = ANY (ARRAY (SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT %d FOR UPDATE SKIP LOCKED))",
		by, by, table, where, age, batch)
}

func (d *DB) sweep(ctx context.Context, r rubbish) error {
	query := "DELETE FROM " + r.table + " WHERE " + d.doomed(r.table, r.where+" AND "+r.age+" < ?", r.age)
	for {
		began := time.Now()
		res := d.q(ctx).Exec(query, fromTime(r.before))
		if res.Error != nil {
			return d.fail("sweep "+r.table, res.Error)
		}
		*r.count += int(res.RowsAffected)
		if res.RowsAffected < batch {
			return nil
		}
		rest(ctx, time.Since(began))
	}
}

// rest leaves the database to others for as long as a sweep just had it: SQLite's one writer is else the quickest to come
// back, and a process beside it gets no turn.
func rest(ctx context.Context, had time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(had):
	}
}

const (
	walkPage  = 2000 // rows that one statement looks at
	walkPages = 50   // in one sweep: ten million Sessions are seen within a day
)

// walk is how far sweepLapsed has come. One walks at a time.
type walk struct {
	mu sync.Mutex
	at uuid.UUID
}

// sweepLapsed deletes Sessions whose idle end is older than before. Each refresh moves it, so no index has it: the sweep
// walks the primary key instead, a stretch each time, and begins again where it came to the end.
func (d *DB) sweepLapsed(ctx context.Context, before time.Time) (swept int, err error) {
	d.walk.mu.Lock()
	defer d.walk.mu.Unlock()
	for range walkPages {
		from, to := d.walk.at, uuid.Max
		more, err := d.one(ctx, []any{&to}, "SELECT id FROM sessions WHERE id > ? ORDER BY id LIMIT 1 OFFSET ?", from, walkPage-1)
		if err != nil {
			return swept, d.fail("walk sessions", err)
		}
		res := d.q(ctx).Exec("DELETE FROM sessions WHERE id > ? AND id <= ? AND idle_ends_at < ?", from, to, fromTime(before))
		if res.Error != nil {
			return swept, d.fail("sweep lapsed sessions", res.Error)
		}
		swept += int(res.RowsAffected)
		if d.walk.at = to; !more {
			d.walk.at = uuid.Nil
			return swept, nil
		}
	}
	return swept, nil
}

// Writable asks whether a write works, by one: a standby and a full disk answer all that only reads. While every writing
// connection is in use nothing is tried: a probe must not wait behind a flood, and Ping tells whether answers come.
func (d *DB) Writable(ctx context.Context) error {
	if stats := d.pools[0].Stats(); stats.InUse >= stats.MaxOpenConnections {
		return nil
	}
	_, err := d.Lease(ctx, "probe", time.Second) // of many replicas one writes
	return err
}

// maxUnused is how many clients that registered themselves are kept before they sign anyone in. At one more the oldest of them
// go with the next sweep: a registration is used within minutes, and no flood of them refuses anyone else's.
const maxUnused = 10_000

// SweepClients deletes the clients that registered themselves before a time and that got no token ever since, and of the others
// without one those that are too many, with an Event each, and returns how many those were.
func (d *DB) SweepClients(ctx context.Context, before time.Time) (total int, err error) {
	if before, err = d.overfull(ctx, before); err != nil {
		return 0, err
	}
	for {
		swept := 0
		err := d.InTx(ctx, func(ctx context.Context) (err error) {
			swept, err = d.sweepClients(ctx, before)
			return err
		})
		if err != nil {
			return total, err
		}
		total += swept
		if swept < batch {
			return total, nil
		}
	}
}

// overfull is the time before which clients without a token go so that at most maxUnused are left; no earlier than before.
func (d *DB) overfull(ctx context.Context, before time.Time) (time.Time, error) {
	var newest micros
	found, err := d.one(ctx, []any{&newest}, `SELECT created_at FROM clients WHERE self_registered AND first_used_at IS NULL
		ORDER BY created_at DESC LIMIT 1 OFFSET ?`, maxUnused)
	if after := newest.time().Add(time.Microsecond); found && after.After(before) {
		before = after
	}
	return before, d.fail("count unused clients", err)
}

func (d *DB) sweepClients(ctx context.Context, before time.Time) (int, error) {
	now := d.Now()
	var ids []string
	unused := d.doomed("clients", "self_registered AND first_used_at IS NULL AND created_at < ?"+
		" AND (document_read_at IS NULL OR disabled_at IS NULL)", "created_at") // what an operator keeps out stays out
	err := d.q(ctx).Raw("DELETE FROM clients WHERE "+unused+" RETURNING id", fromTime(before)).Scan(&ids).Error
	if err != nil || len(ids) == 0 {
		return 0, d.fail("sweep clients", err)
	}
	events := make([]identity.Event, len(ids))
	for i, id := range ids {
		d.clientChanged(ctx, id)
		events[i] = identity.Event{
			ID: identity.NewID(), At: now, Kind: identity.ClientDeleted, ClientID: id, Detail: "never used",
		}
	}
	if err := d.q(ctx).Where("client_id IN ?", ids).Delete(&grantRow{}).Error; err != nil {
		return 0, d.fail("delete grants", err)
	}
	return len(ids), d.addEvents(ctx, events)
}
