package storage

import (
	"cmp"
	"context"
	"database/sql"
	"time"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

// rollupRow is a number of a day.
type rollupRow struct {
	ClientID   string `gorm:"primaryKey"`
	Platform   string `gorm:"primaryKey"`
	AppVersion string `gorm:"primaryKey"`
	Day        int    `gorm:"primaryKey"`
	Measure    string `gorm:"primaryKey"`
	Label      string `gorm:"primaryKey"`
	Part       int16  `gorm:"primaryKey"`
	N          int64
}

// TableName is the table's name for GORM.
func (rollupRow) TableName() string { return "rollups" }

// rolledDayRow is that a day or an hour was rolled up.
type rolledDayRow struct {
	Day      int   `gorm:"primaryKey"`
	Part     int16 `gorm:"primaryKey"`
	RolledAt micros
	Settled  bool
}

// TableName is the table's name for GORM.
func (rolledDayRow) TableName() string { return "rolled_days" }

// counterRow is how much of what a process counted was added.
type counterRow struct {
	Process uuid.UUID `gorm:"primaryKey"`
	Added   int64
	At      micros
}

// TableName is the table's name for GORM.
func (counterRow) TableName() string { return "counters" }

// The parts of a day: what is counted as it happens, what the rows of Sessions say, and from then on what its hours' Events say.
const (
	partCounted  = -1
	partSessions = 0
	partHours    = 1
)

const rollupColumns = "client_id, platform, app_version, day, measure, label, part, n"

func rollupValues(part int16, n identity.Number) []any {
	return []any{n.ClientID, n.Platform, n.Version, int(n.Day), string(n.Measure), n.Label, part, n.N}
}

// AddNumbers adds what a process counted, all of it or nothing. A batch that was added before is left alone.
func (d *DB) AddNumbers(ctx context.Context, b identity.Batch) error {
	adding := insertion{
		table: "rollups", columns: rollupColumns,
		rest: " ON CONFLICT (client_id, platform, app_version, day, measure, label, part) DO UPDATE SET n = rollups.n + excluded.n",
	}
	for _, n := range b.Numbers {
		adding.rows = append(adding.rows, rollupValues(partCounted, n))
	}
	return d.InTx(ctx, func(ctx context.Context) error {
		res := d.q(ctx).Exec(`INSERT INTO counters (process, added, at) VALUES (?, ?, ?) ON CONFLICT (process)
			DO UPDATE SET added = excluded.added, at = excluded.at WHERE counters.added < excluded.added`,
			b.Process.String(), b.Number, fromTime(d.Now()))
		if res.Error != nil || res.RowsAffected == 0 {
			return d.fail("count batch", res.Error)
		}
		return d.fail("add numbers", d.insertMany(ctx, adding))
	})
}

// SweepNumbers deletes what is kept no longer: numbers of versions after 100 days, of hours after 400, as Events are, and all
// others after five years; and it forgets processes that added nothing for a month.
func (d *DB) SweepNumbers(ctx context.Context) (total int, err error) {
	today := int(d.calendar.DayOf(d.Now()))
	for _, r := range []struct {
		table, where, age string
		before            any
	}{
		{"rollups", "app_version <> ''", "day", today - 100},
		{"rollups", "part > 0", "day", today - 400},
		{"rollups", "TRUE", "day", today - 5*365},
		{"rolled_days", "part > 0", "day", today - 400},
		{"counters", "TRUE", "at", fromTime(d.Now().Add(-keepEnded))},
	} {
		query := "DELETE FROM " + r.table + " WHERE " + d.doomed(r.table, r.where+" AND "+r.age+" < ?", r.age)
		for {
			res := d.q(ctx).Exec(query, r.before)
			if res.Error != nil {
				return total, d.fail("sweep "+r.table, res.Error)
			}
			if total += int(res.RowsAffected); res.RowsAffected < batch {
				break
			}
		}
	}
	return total, nil
}

// rolling is a day or an hour that is rolled up.
type rolling struct {
	day     identity.Day
	part    int16
	at      time.Time // when reading for it began
	settled bool      // for good
	anew    bool      // although it was settled
	numbers []identity.Number
}

// write puts what was made of a day or an hour in the place of what stood there, in one transaction. What was settled stays,
// unless it is made anew, and so does what was read later: whoever read may have stood still since. Of two processes at once one waits
// for the other, at the row that claims it.
func (d *DB) write(ctx context.Context, r rolling) error {
	inserting := insertion{table: "rollups", columns: rollupColumns}
	for _, n := range r.numbers {
		inserting.rows = append(inserting.rows, rollupValues(r.part, n))
	}
	return d.InTx(ctx, func(ctx context.Context) error {
		claim := d.q(ctx).Exec(`INSERT INTO rolled_days (day, part, rolled_at, settled) VALUES (?, ?, ?, ?) ON CONFLICT (day, part)
			DO UPDATE SET rolled_at = excluded.rolled_at, settled = excluded.settled
			WHERE NOT rolled_days.settled AND rolled_days.rolled_at <= excluded.rolled_at OR ?`,
			int(r.day), r.part, fromTime(r.at), r.settled, r.anew)
		if claim.Error != nil || claim.RowsAffected == 0 {
			return d.fail("claim a day", claim.Error)
		}
		if err := d.q(ctx).Exec("DELETE FROM rollups WHERE day = ? AND part = ?", int(r.day), r.part).Error; err != nil {
			return d.fail("clear a day", err)
		}
		return d.fail("write a day", d.insertMany(ctx, inserting))
	})
}

// Rolled is which parts of which days were rolled up.
type rolled map[rolledPart]rolledDayRow

type rolledPart struct {
	day  identity.Day
	part int16
}

func (d *DB) rolled(ctx context.Context, from, to identity.Day) (rolled, error) {
	all := rolled{}
	err := d.each(ctx, func(rows *sql.Rows) error {
		var r rolledDayRow
		err := rows.Scan(&r.Day, &r.Part, &r.RolledAt, &r.Settled)
		all[rolledPart{identity.Day(r.Day), r.Part}] = r
		return err
	}, "SELECT day, part, rolled_at, settled FROM rolled_days WHERE day BETWEEN ? AND ?", int(from), int(to))
	return all, d.fail("read rolled days", err)
}

const (
	// settleAfter is how long after its end a day or an hour is rolled up for good: whatever was under way at its end is
	// committed, and no Event of it can be repeated any more (repeatWithin).
	settleAfter = 2 * time.Hour
	// rollBack is how many days are rolled up that nobody rolled up in time. Rows of what is over are kept no longer.
	rollBack = 30
	// rollOften is how often the running day is counted: it reads every Session.
	rollOften = time.Hour
	// rollDays is how many days one reading of all Sessions is for.
	rollDays = 8
)

// RollUp rolls up what is due: the hours that Events tell of, and the days that the rows of Sessions do. It can be killed
// anywhere: each hour and each day is written whole, and what was not is due still. Several processes may do it at once; Lease
// has one of them do it.
func (d *DB) RollUp(ctx context.Context) error {
	today := d.calendar.DayOf(d.Now())
	done, err := d.rolled(ctx, today-rollBack, today)
	if err != nil {
		return err
	}
	if err := d.rollHours(ctx, done, today-rollBack, today); err != nil {
		return err
	}
	var due []identity.Day
	for day := today - rollBack; day <= today; day++ {
		last, known := done[rolledPart{day, partSessions}]
		fresh := d.Now().Sub(last.RolledAt.time()) < rollOften && !d.settles(day, d.Now())
		if !known || !last.Settled && !fresh {
			due = append(due, day)
		}
	}
	for len(due) > 0 {
		n := min(len(due), rollDays)
		if err := d.rollDays(ctx, due[:n], false); err != nil {
			return err
		}
		due = due[n:]
	}
	return nil
}

// settles reports whether what is read of a day from a time on is for good.
func (d *DB) settles(day identity.Day, at time.Time) bool {
	return !at.Before(d.calendar.Begins(day + 1).Add(settleAfter))
}

// Recompute rolls days up anew, settled or not, from what rows and Events say now, and returns which; a last day of 0 is today.
// What is counted as it happens stays as it is. It refuses days of whose Sessions some may have been swept.
func (d *DB) Recompute(ctx context.Context, from, to identity.Day) (first, last identity.Day, err error) {
	today := d.calendar.DayOf(d.Now())
	if to = min(cmp.Or(to, today), today); to < from {
		return 0, 0, identity.RefuseField("to", "The last day is before the first, or the first has not begun.")
	}
	if from < today-rollBack {
		return 0, 0, identity.RefuseField("from", "Of days before "+(today-rollBack).String()+
			" some sessions are deleted already: their numbers stay as they are.")
	}
	return from, to, d.recompute(ctx, from, to)
}

func (d *DB) recompute(ctx context.Context, from, to identity.Day) error {
	if err := d.rollHours(ctx, nil, from, to); err != nil {
		return err
	}
	for day := from; day <= to; day += rollDays {
		var days []identity.Day
		for i := day; i <= min(to, day+rollDays-1); i++ {
			days = append(days, i)
		}
		if err := d.rollDays(ctx, days, true); err != nil {
			return err
		}
	}
	return nil
}

// rollDays counts all Sessions for some days.
func (d *DB) rollDays(ctx context.Context, days []identity.Day, anew bool) error {
	at := d.Now()
	numbers, err := d.census(ctx, days)
	if err != nil {
		return err
	}
	for _, day := range days {
		r := rolling{day: day, part: partSessions, at: at, settled: d.settles(day, at), anew: anew, numbers: numbers[day]}
		if err := d.write(ctx, r); err != nil {
			return err
		}
	}
	return nil
}
