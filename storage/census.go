package storage

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// censusPage is how many Sessions one statement reads.
const censusPage = 5000

// censusColumns are those of a Session that a census reads, in its order.
var censusColumns = sessionColumns.only("id", "client_id", "user_id", "created_at", "last_used_at", "idle_ends_at", "ends_at",
	"ended_at", "end_cause", "app_version", "install_id", "platform", "active_day", "active_days", "told_at", "told_why", "refused_at")

// censusStretch reads a stretch of all Sessions, person by person, by the index of sessions on user_id. What it reads of people and
// clients is looked up: joined, PostgreSQL would read all of them for each stretch.
var censusStretch = "SELECT " + censusColumns.names("s") + `, COALESCE((SELECT NOT c.self_registered FROM clients c WHERE c.id = s.client_id), FALSE),
	(SELECT u.created_at FROM users u WHERE u.id = s.user_id), ` + strings.ReplaceAll(factorsOfUser, "u.id", "s.user_id") + `
	FROM sessions s WHERE s.user_id >= ? AND (s.user_id > ? OR s.id > ?) ORDER BY s.user_id, s.id LIMIT ?`

// census counts all Sessions for some days. It reads them in stretches, each on its own: what happens meanwhile is of a day that
// is not settled.
func (d *DB) census(ctx context.Context, days []identity.Day) (map[identity.Day][]identity.Number, error) {
	c := identity.NewCensus(d.calendar, days, d.Now())
	var last identity.Session
	for {
		began, n := time.Now(), 0
		from := []any{last.UserID.String(), last.UserID.String(), last.ID.String(), censusPage}
		err := d.unhurriedly(ctx, func(ctx context.Context) error {
			return d.each(ctx, func(rows *sql.Rows) error {
				n++
				row, err := scanCounted(rows)
				last = row.Session
				c.Add(row)
				return err
			}, censusStretch, from...)
		})
		switch {
		case err != nil:
			return nil, d.fail("count sessions", err)
		case n < censusPage:
			return c.Numbers(), nil
		}
		rest(ctx, time.Since(began)/4)
	}
}

func scanCounted(rows *sql.Rows) (row identity.Counted, err error) {
	var user *micros
	var factors factorSet
	err = rows.Scan(censusColumns.in(&row.Session, &row.Own, &user, &factors)...)
	row.UserCreatedAt, row.Factors = user.timeOrZero(), factors
	return row, err
}

// ownClients are those that operators added: their names are told apart before others'.
func (d *DB) ownClients(ctx context.Context) (map[string]bool, error) {
	own := map[string]bool{}
	err := d.each(ctx, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		own[id] = true
		return err
	}, "SELECT id FROM clients WHERE NOT self_registered ORDER BY id LIMIT ?", identity.MaxOwnClients)
	return own, d.fail("read own clients", err)
}

// rollHours rolls up the hours of some days that have begun and are not settled: of all of them where done is nil.
func (d *DB) rollHours(ctx context.Context, done rolled, from, to identity.Day) error {
	first, err := d.firstEvent(ctx)
	if err != nil || first.IsZero() {
		return err
	}
	own, err := d.ownClients(ctx)
	if err != nil {
		return err
	}
	for day := from; day <= to; day++ {
		for hour := range d.calendar.HoursOf(day) {
			part := int16(partHours + hour)
			begins := d.calendar.Begins(day).Add(time.Duration(hour) * time.Hour)
			ends := begins.Add(time.Hour)
			if next := d.calendar.Begins(day + 1); next.Before(ends) {
				ends = next
			}
			if done[rolledPart{day, part}].Settled || !ends.After(first) || begins.After(d.Now()) {
				continue
			}
			at := d.Now()
			r := rolling{day: day, part: part, at: at, settled: !at.Before(ends.Add(settleAfter)), anew: done == nil}
			if r.numbers, err = d.hour(ctx, day, own, identity.EventSpan{Since: begins, Until: ends}); err != nil {
				return err
			}
			if err := d.write(ctx, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// eventsOfHour counts what happened by kind and client, by the index on time.
const eventsOfHour = `SELECT kind, client_id, count(*) + sum(repeats) FROM events WHERE at >= ? AND at < ?
	GROUP BY kind, client_id ORDER BY kind, client_id`

// hour counts the Events of an hour. However many there are, it takes as long as it does: it is nobody's request.
func (d *DB) hour(ctx context.Context, day identity.Day, own map[string]bool, of identity.EventSpan) (numbers []identity.Number, err error) {
	counts := identity.NewEventCount(own)
	err = d.unhurriedly(ctx, func(ctx context.Context) error {
		return d.each(ctx, func(rows *sql.Rows) error {
			var kind, client string
			var n int64
			err := rows.Scan(&kind, &client, &n)
			counts.Add(identity.EventKind(kind), client, n)
			return err
		}, eventsOfHour, fromTime(of.Since), fromTime(of.Until))
	})
	return counts.Numbers(day), d.fail("count events", err)
}
