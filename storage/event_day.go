package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/sojourn-auth/sojourn/identity"
)

// eventDayRow is the Events of one kind on one day.
type eventDayRow struct {
	Day      identity.Day `gorm:"primaryKey;autoIncrement:false"`
	Kind     string       `gorm:"primaryKey"`
	Events   int
	Digest   []byte
	Released []byte
	Gone     bool
}

// TableName is the table's name for GORM.
func (eventDayRow) TableName() string { return "event_days" }

func (r eventDayRow) day() identity.EventDay {
	return identity.EventDay{
		Day: r.Day, Kind: identity.EventKind(r.Kind), Events: r.Events, Digest: r.Digest, Released: r.Released, Gone: r.Gone,
	}
}

// eventHeadRow is the head of one day.
type eventHeadRow struct {
	Day  identity.Day `gorm:"primaryKey;autoIncrement:false"`
	Head []byte
}

// TableName is the table's name for GORM.
func (eventHeadRow) TableName() string { return "event_heads" }

const (
	// sealAfter is how long after a day's end it is sealed: until then transactions of that day have committed, and what happened
	// again within the hour is counted.
	sealAfter = 2 * time.Hour
	// eventPage is how many Events are read at once.
	eventPage = 5000
)

// eventSealer makes the hashes of this installation.
func (d *DB) eventSealer(ctx context.Context) (identity.EventSealer, error) {
	key, err := d.installationSecret(ctx, eventSecret)
	return identity.EventSealer{Key: key}, err
}

// SealEvents seals each day that is over and is not sealed yet, the oldest first, each in a transaction of its own, and returns
// how many there were. It may be broken off; of several that seal at once one does it. The last day's head is told by an Event,
// so that it is known outside of the database too.
func (d *DB) SealEvents(ctx context.Context) (sealed int, err error) {
	sealer, err := d.eventSealer(ctx)
	if err != nil {
		return 0, err
	}
	for {
		last, found, err := d.lastHead(ctx)
		if err != nil {
			return sealed, err
		}
		if !found {
			first, err := d.firstEvent(ctx)
			if err != nil || first.IsZero() {
				return sealed, err
			}
			last.Day = identity.DayOf(first) - 1
		}
		day := last.Day + 1
		if !day.Ends().Add(sealAfter).Before(d.Now()) {
			return sealed, nil
		}
		alone := false
		err = d.InTx(ctx, func(ctx context.Context) error {
			if alone, err = d.closeDays(ctx); err != nil || !alone {
				return err
			}
			return d.sealDay(ctx, sealer, last, day)
		})
		if err != nil || !alone {
			return sealed, err
		}
		sealed++
	}
}

// closeDays keeps others from writing Events of days that are over, and from sealing one, until the transaction ends: what somebody has
// under way whose clock stood still is seen, or comes after the seal, and is of another day then (migration 37). It doesn't wait.
func (d *DB) closeDays(ctx context.Context) (alone bool, err error) {
	if d.kind == SQLite { // whose writers are alone
		return true, nil
	}
	_, err = d.one(ctx, []any{&alone}, "SELECT pg_try_advisory_xact_lock(1936023916)")
	return alone, d.fail("close days", err)
}

func (d *DB) lastHead(ctx context.Context) (last eventHeadRow, found bool, err error) {
	err = d.q(ctx).Order("day DESC").Limit(1).Take(&last).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return last, false, nil
	}
	return last, err == nil, d.fail("read the last sealed day", err)
}

func (d *DB) sealDay(ctx context.Context, sealer identity.EventSealer, before eventHeadRow, day identity.Day) error {
	tally, err := d.tallyEvents(ctx, sealer, day)
	if err != nil {
		return err
	}
	kinds := tally.Days(day)
	head := eventHeadRow{Day: day, Head: sealer.Head(before.Head, day, kinds)}
	rows := make([]eventDayRow, len(kinds))
	for i, k := range kinds {
		rows[i] = eventDayRow{Day: day, Kind: string(k.Kind), Events: k.Events, Digest: k.Digest, Released: []byte{}}
	}
	res := d.q(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&head)
	if res.Error != nil || res.RowsAffected == 0 { // another process was quicker
		return d.fail("seal a day", res.Error)
	}
	if len(rows) > 0 {
		if err := d.q(ctx).Create(&rows).Error; err != nil {
			return d.fail("seal a day", err)
		}
	}
	if (day + 1).Ends().Add(sealAfter).Before(d.Now()) { // others follow
		return nil
	}
	return d.AddEvent(ctx, identity.Event{
		ID: identity.NewID(), At: d.Now(), Kind: identity.EventsSealed, Detail: fmt.Sprintf("%s %x", day, head.Head),
	})
}

// tallyEvents reads a day.
func (d *DB) tallyEvents(ctx context.Context, sealer identity.EventSealer, day identity.Day) (*identity.EventTally, error) {
	tally := &identity.EventTally{Sealer: sealer}
	err := d.WalkEvents(ctx, identity.EventSpan{Since: day.Begins(), Until: day.Ends()}, func(events []identity.Event) error {
		for _, e := range events {
			tally.Add(e)
		}
		return nil
	})
	return tally, err
}

// WalkEvents hands on what happened in a span of time, the oldest first, some thousands at once, until there is no more or each
// says no. It returns each's error.
func (d *DB) WalkEvents(ctx context.Context, span identity.EventSpan, each func([]identity.Event) error) error {
	from := identity.EventPlace{At: span.Since}
	if span.After != uuid.Nil {
		var at micros
		found, err := d.one(ctx, []any{&at}, "SELECT at FROM events WHERE id = ?", span.After)
		if err != nil {
			return d.fail("read events", err)
		}
		if !found {
			return identity.Refuse(identity.NotFound, "There is no event of that id any more. Go on with a time that you had the last one at.")
		}
		from = identity.EventPlace{At: at.time(), ID: span.After}
	}
	for {
		events, err := d.EventsFrom(ctx, from, span.Until.Add(-time.Microsecond), eventPage)
		if err != nil || len(events) == 0 {
			return err
		}
		if err := each(events); err != nil {
			return err
		}
		from = placeOf(events)
	}
}

// placeOf is where one goes on who has read these.
func placeOf(events []identity.Event) identity.EventPlace {
	last := events[len(events)-1]
	return identity.EventPlace{At: last.At, ID: last.ID}
}

// VerifyEvents compares every sealed day since a day, and every head, with what the database holds now, and fills in the check.
func (d *DB) VerifyEvents(ctx context.Context, check identity.EventCheck, since identity.Day) (identity.EventCheck, error) {
	sealer, err := d.eventSealer(ctx)
	if err != nil {
		return check, err
	}
	check.Sealer, check.Now = sealer, d.Now()
	if err := d.firstHead(ctx, &check, since); err != nil {
		return check, err
	}
	var heads []eventHeadRow
	if err := d.q(ctx).Where("day >= ?", since).Order("day").Find(&heads).Error; err != nil {
		return check, d.fail("read sealed days", err)
	}
	for _, h := range heads {
		var rows []eventDayRow
		if err := d.q(ctx).Where("day = ?", h.Day).Find(&rows).Error; err != nil {
			return check, d.fail("read a sealed day", err)
		}
		sealed := make([]identity.EventDay, len(rows))
		for i, r := range rows {
			sealed[i] = r.day()
		}
		tally, err := d.tallyEvents(ctx, sealer, h.Day)
		if err != nil {
			return check, err
		}
		check.Day(h.Day, h.Head, sealed, tally)
	}
	check.End(sealAfter)
	return check, nil
}

// firstHead puts the head of the day before those that are looked at in its place.
func (d *DB) firstHead(ctx context.Context, check *identity.EventCheck, since identity.Day) error {
	var before eventHeadRow
	err := d.q(ctx).Where("day < ?", since).Order("day DESC").Limit(1).Take(&before).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil
	}
	check.Last, check.Head = before.Day, before.Head
	return d.fail("read sealed days", err)
}

// sweepEvents deletes the Events of each sealed day and kind that have been kept for long enough, in bounded statements, each of
// which goes on where the last one was.
func (d *DB) sweepEvents(ctx context.Context) (swept int, err error) {
	var rows []eventDayRow
	if err := d.q(ctx).Where("NOT gone").Order("day").Find(&rows).Error; err != nil {
		return 0, d.fail("read sealed days", err)
	}
	now := d.Now()
	for _, r := range rows {
		if len(r.Released) == 0 && !r.Day.Ends().Add(d.kept.Of(identity.EventKind(r.Kind))).Before(now) {
			continue
		}
		n, err := d.sweepDay(ctx, r)
		if swept += n; err != nil {
			return swept, err
		}
	}
	return swept, nil
}

func (d *DB) sweepDay(ctx context.Context, r eventDayRow) (swept int, err error) {
	day := d.q(ctx).Model(&eventDayRow{}).Where("day = ? AND kind = ?", r.Day, r.Kind)
	if len(r.Released) == 0 {
		sealer, err := d.eventSealer(ctx)
		if err != nil {
			return 0, err
		}
		if err := day.Session(&gorm.Session{}).Update("released", sealer.Release(r.day(), d.Now())).Error; err != nil {
			return 0, d.fail("release events", err)
		}
	}
	from, until := fromTime(r.Day.Begins()), fromTime(r.Day.Ends())
	doomed := d.doomed("events", "kind = ? AND at >= ? AND at < ?", "at")
	for {
		began := time.Now()
		var gone []micros
		err := d.q(ctx).Raw("DELETE FROM events WHERE "+doomed+" RETURNING at", r.Kind, from, until).Scan(&gone).Error
		if err != nil {
			return swept, d.fail("sweep events", err)
		}
		swept += len(gone)
		if len(gone) < batch {
			break
		}
		for _, at := range gone {
			from = max(from, at)
		}
		rest(ctx, time.Since(began))
	}
	return swept, d.fail("sweep events", day.Session(&gorm.Session{}).Update("gone", true).Error)
}

// eraseEvents takes out of Events what they say of people, who are gone: where picks at most limit of them. That they happened
// stays, and hashes of what is erased, for VerifyEvents. It returns how many there were.
func (d *DB) eraseEvents(ctx context.Context, limit int, where string, args ...any) (int, error) {
	var rows []eventRow
	if err := d.q(ctx).Where(where, args...).Limit(limit).Find(&rows).Error; err != nil || len(rows) == 0 {
		return 0, d.fail("erase events", err)
	}
	sealer, err := d.eventSealer(ctx)
	if err != nil {
		return 0, err
	}
	for some := range slices.Chunk(rows, batch) {
		args := make([]any, 0, 2*len(some))
		for _, r := range some {
			args = append(args, r.ID, sealer.Private(r.event()))
		}
		value := "(?, ?)"
		if d.kind == Postgres {
			value = "(?::uuid, ?::bytea)"
		}
		err := d.q(ctx).Exec("WITH gone (id, private) AS (VALUES "+strings.Repeat(value+", ", len(some)-1)+value+`) UPDATE events
			SET user_id = NULL, session_id = NULL, detail = '', address = '', browser = '', erased = (SELECT g.private FROM gone g WHERE g.id = events.id)
			WHERE id IN (SELECT id FROM gone)`, args...).Error
		if err != nil {
			return 0, d.fail("erase events", err)
		}
	}
	return len(rows), nil
}
