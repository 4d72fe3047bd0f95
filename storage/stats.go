package storage

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/sojourn-auth/sojourn/identity"
)

// scopeNumbers reads the numbers of one Scope, by the primary key.
const scopeNumbers = `SELECT day, measure, label, sum(n) FROM rollups
	WHERE client_id = ? AND platform = ? AND app_version = ? AND day BETWEEN ? AND ? GROUP BY day, measure, label`

// Stats tells the numbers of some days. It refuses what there are none of.
func (d *DB) Stats(ctx context.Context, q identity.StatsQuery) (identity.Stats, error) {
	q = d.lately(q)
	if err := q.Check(); err != nil {
		return identity.Stats{}, err
	}
	numbers, err := d.numbers(ctx, q, scopeNumbers)
	if err != nil {
		return identity.Stats{}, err
	}
	s := identity.NewStats(q, numbers)
	s.Zone = d.calendar.Zone()
	if s.Settled, err = d.settledUntil(ctx); err != nil {
		return s, err
	}
	s.Uncounted, err = d.uncounted(ctx, q)
	return s, err
}

// uncounted are the days of which no roll-up has counted anything yet.
func (d *DB) uncounted(ctx context.Context, q identity.StatsQuery) (days []identity.Day, err error) {
	counted := map[identity.Day]bool{}
	err = d.each(ctx, func(rows *sql.Rows) error {
		var day identity.Day
		err := rows.Scan((*dayNumber)(&day))
		counted[day] = true
		return err
	}, "SELECT day FROM rolled_days WHERE part = ? AND day BETWEEN ? AND ?", partSessions, int(q.From), int(q.To))
	for day := q.From; day <= q.To; day++ {
		if !counted[day] {
			days = append(days, day)
		}
	}
	return days, d.fail("find the days that were counted", err)
}

// lately has a question without days be for the 30 days up to today.
func (d *DB) lately(q identity.StatsQuery) identity.StatsQuery {
	q.To = cmp.Or(q.To, d.calendar.DayOf(d.Now()))
	q.From = cmp.Or(q.From, q.To-29)
	return q
}

func (d *DB) numbers(ctx context.Context, q identity.StatsQuery, query string) (all []identity.Number, err error) {
	if !keepable(q.ClientID + q.Platform + q.Version) {
		return nil, nil
	}
	err = d.each(ctx, func(rows *sql.Rows) error {
		n := identity.Number{Cell: identity.Cell{Scope: q.Scope}}
		err := rows.Scan((*dayNumber)(&n.Day), &n.Measure, &n.Label, &n.N)
		all = append(all, n)
		return err
	}, query, q.ClientID, q.Platform, q.Version, int(q.From), int(q.To))
	return all, d.fail("read numbers", err)
}

// settledUntil is the last day whose numbers are final; 0 where there is none.
func (d *DB) settledUntil(ctx context.Context) (day identity.Day, err error) {
	_, err = d.one(ctx, []any{(*dayNumber)(&day)}, `SELECT day FROM rolled_days WHERE part = 0 AND settled AND day <= ?
		ORDER BY day DESC LIMIT 1`, int(d.calendar.DayOf(d.Now())))
	return day, d.fail("find the last settled day", err)
}

// groupColumns say of each way to divide which column names the parts, and which others are empty.
var groupColumns = map[identity.GroupBy]struct{ column, where string }{
	identity.ByClient:   {"client_id", "client_id <> '' AND platform = '' AND app_version = '' AND ? = ''"},
	identity.ByPlatform: {"platform", "platform <> '' AND app_version = '' AND client_id = ?"},
	identity.ByVersion:  {"app_version", "app_version <> '' AND platform = '' AND client_id = ?"},
}

// StatGroups divides all, or what a client has, into parts.
func (d *DB) StatGroups(ctx context.Context, q identity.StatsQuery, by identity.GroupBy) (groups identity.Groups, err error) {
	q = d.lately(q)
	if err := q.Divide(by); err != nil {
		return groups, err
	}
	parts, err := d.parts(ctx, q, by)
	if err != nil {
		return groups, err
	}
	told := identity.Tellable(parts)
	groups.Groups, groups.Small = []identity.Group{}, len(parts)-told
	for _, p := range parts[:told] {
		of := q.Part(by, p.Name)
		numbers, err := d.numbers(ctx, of, scopeNumbers)
		if err != nil {
			return groups, err
		}
		groups.Groups = append(groups.Groups, identity.NewGroup(p.Name, p.Devices, of, numbers))
	}
	return groups, nil
}

// maxParts is more than a day tells apart (identity.MaxOwnClients and its kin).
const maxParts = 500

// parts are those of the last day that was rolled up, by their devices: they are the rows of one day and measure.
func (d *DB) parts(ctx context.Context, q identity.StatsQuery, by identity.GroupBy) (all []identity.Part, err error) {
	columns := groupColumns[by]
	var day identity.Day
	_, err = d.one(ctx, []any{(*dayNumber)(&day)},
		"SELECT day FROM rolled_days WHERE part = 0 AND day BETWEEN ? AND ? ORDER BY day DESC LIMIT 1", int(q.From), int(q.To))
	if err != nil {
		return nil, d.fail("find the last day", err)
	}
	query := fmt.Sprintf(`SELECT %s, n FROM rollups WHERE day = ? AND part = 0 AND measure = ? AND %s ORDER BY n DESC, 1 LIMIT ?`,
		columns.column, columns.where)
	err = d.each(ctx, func(rows *sql.Rows) error {
		var p identity.Part
		err := rows.Scan(&p.Name, &p.Devices)
		all = append(all, p)
		return err
	}, query, int(day), string(identity.MeasureDevices30), strings.ToValidUTF8(q.ClientID, ""), maxParts)
	return all, d.fail("list parts", err)
}
