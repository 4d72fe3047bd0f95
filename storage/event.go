package storage

import (
	"cmp"
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

type eventRow struct {
	ID        uuid.UUID `gorm:"primaryKey"`
	At        micros
	Kind      string
	UserID    *uuid.UUID
	SessionID *uuid.UUID
	ClientID  string
	Detail    string
	Address   string
	Actor     string
	Browser   string
	Repeats   int // how often it happened again within the hour
	Erased    []byte
}

// TableName is the table's name for GORM.
func (eventRow) TableName() string { return "events" }

func eventsOf(rows []eventRow) []identity.Event {
	events := make([]identity.Event, len(rows))
	for i, r := range rows {
		events[i] = r.event()
	}
	return events
}

func newEventRow(e identity.Event) eventRow {
	return eventRow{
		ID: e.ID, At: fromTime(e.At), Kind: string(e.Kind), UserID: idOrNull(e.UserID), SessionID: idOrNull(e.SessionID),
		ClientID: e.ClientID, Detail: e.Detail, Address: e.Address, Actor: e.Actor, Browser: e.Browser, Repeats: e.Repeats, Erased: []byte{}, // erasing is eraseEvents' alone
	}
}

func (r eventRow) event() identity.Event {
	return identity.Event{
		ID: r.ID, At: r.At.time(), Kind: identity.EventKind(r.Kind), UserID: idOrZero(r.UserID),
		SessionID: idOrZero(r.SessionID), ClientID: r.ClientID, Detail: r.Detail, Address: r.Address, Actor: r.Actor,
		Browser: r.Browser, Repeats: r.Repeats, Erased: r.Erased,
	}
}

// AddEvent writes an Event, and puts the mail that it asks for into the outbox. It belongs in the transaction of what it
// tells.
func (d *DB) AddEvent(ctx context.Context, e identity.Event) error {
	return d.addEvents(ctx, []identity.Event{e})
}

func (d *DB) addEvents(ctx context.Context, events []identity.Event) error {
	if len(events) == 0 {
		return nil
	}
	rows := make([]eventRow, len(events))
	for i := range events {
		events[i] = caused(ctx, events[i])
		rows[i] = newEventRow(events[i])
	}
	if err := d.q(ctx).CreateInBatches(&rows, batch).Error; err != nil {
		return d.fail("add event", err)
	}
	d.afterCommit(ctx, func() { d.ringFor(events); d.countEnded(events) })
	if err := d.openCases(ctx, events); err != nil {
		return err
	}
	return d.queueEvents(ctx, events)
}

func (d *DB) countEnded(events []identity.Event) {
	for _, e := range events {
		if e.Kind == identity.SessionEnded {
			d.ended.add(e.Detail)
		}
	}
}

// EndedSessions is how many Sessions' endings this process has told since it started, by cause. Those that nobody used for
// too long or that reached their absolute end are none of them: nothing is written when that happens.
func (d *DB) EndedSessions() map[string]int {
	return d.ended.all()
}

// caused adds who of the operators did it, or in which browser the person was. What an ending left to Tidy says it already.
func caused(ctx context.Context, e identity.Event) identity.Event {
	e.Actor, e.Browser = cmp.Or(e.Actor, identity.ActorOf(ctx)), cmp.Or(e.Browser, identity.BrowserOf(ctx))
	return e
}

// repeatWithin is how long after an act the same again is only counted.
const repeatWithin = time.Hour

// openDay is that the day of an Event is not sealed.
const openDay = "at >= (SELECT COALESCE(max(day) + 1, 0) * 86400000000 FROM event_heads)"

// AddRepeat writes an Event of what somebody may do again and again: where the same happened to the same within the hour,
// that one is counted once more and carries the newest time, address and browser. It belongs in the transaction of what it tells.
func (d *DB) AddRepeat(ctx context.Context, e identity.Event) error {
	e = caused(ctx, e)
	c := conditions{where: openDay + " AND at > ? AND kind = ? AND client_id = ? AND detail = ? AND actor = ? AND length(erased) = 0", args: []any{
		fromTime(e.At.Add(-repeatWithin)), string(e.Kind), e.ClientID, e.Detail, e.Actor,
	}}
	c.and(e.UserID == uuid.Nil, "user_id IS NULL")
	c.and(e.UserID != uuid.Nil, "user_id = ?", e.UserID)
	c.and(e.SessionID == uuid.Nil, "session_id IS NULL")
	c.and(e.SessionID != uuid.Nil, "session_id = ?", e.SessionID)
	res := d.q(ctx).Exec("UPDATE events SET repeats = repeats + 1, at = ?, address = ?, browser = ? WHERE id = (SELECT id FROM events WHERE "+
		c.where+" ORDER BY at DESC LIMIT 1)", append([]any{fromTime(e.At), e.Address, e.Browser}, c.args...)...)
	if res.Error != nil {
		return d.fail("count event", res.Error)
	}
	if res.RowsAffected == 0 {
		return d.AddEvent(ctx, e)
	}
	d.afterCommit(ctx, func() { d.ringFor([]identity.Event{e}) })
	return nil
}

// recentActs are the newest things that happened to a person; what bad networks do all day would hide the rest. What happened
// from several addresses or browsers says none.
const recentActs = `SELECT max(CAST(id AS text)) AS id, max(at) AS at, kind, client_id, detail, actor, sum(repeats + 1) - 1 AS repeats,
		CASE WHEN min(address) = max(address) THEN max(address) ELSE '' END AS address,
		CASE WHEN min(browser) = max(browser) THEN max(browser) ELSE '' END AS browser
	FROM (SELECT * FROM events WHERE user_id = ? AND kind <> 'session.forked' ORDER BY at DESC LIMIT ?) e
	GROUP BY kind, client_id, detail, actor, at / ? ORDER BY max(at) DESC, 1 DESC LIMIT ?`

// maxActs is how many Events are read to tell of a person's newest acts.
const maxActs = 2000

// Activity returns what happened to a user, newest first, at most limit of it. The same within an hour is one, with a count.
func (d *DB) Activity(ctx context.Context, userID identity.ID, limit int) ([]identity.Event, error) {
	var rows []eventRow
	err := d.q(ctx).Raw(recentActs, userID, maxActs, repeatWithin.Microseconds(), limit).Scan(&rows).Error
	if err != nil {
		return nil, d.fail("read activity", err)
	}
	events := eventsOf(rows)
	for i := range events {
		events[i].UserID = userID
	}
	return events, nil
}

// Unusual returns what rules found unusual, the newest first, at most limit of it. The kind is in the text: so its index is found.
func (d *DB) Unusual(ctx context.Context, limit int) ([]identity.Event, error) {
	var rows []eventRow
	err := d.q(ctx).Raw("SELECT * FROM events WHERE kind = 'anomaly.found' ORDER BY at DESC, id DESC LIMIT ?", limit).Scan(&rows).Error
	return eventsOf(rows), d.fail("list what is unusual", err)
}

// Events returns what happened, the newest first. Of one Session it tells also after its row was swept.
func (d *DB) Events(ctx context.Context, q identity.EventQuery) ([]identity.Event, error) {
	c := conditions{where: "TRUE"}
	c.and(q.UserID != uuid.Nil, "user_id = ?", q.UserID)
	c.and(q.SessionID != uuid.Nil, "session_id = ?", q.SessionID)
	c.and(q.ClientID != "", "client_id = ?", q.ClientID)
	c.and(q.Kind != "", "kind = ?", q.Kind)
	c.and(!q.Since.IsZero(), "at >= ?", fromTime(q.Since))
	c.and(!q.Before.IsZero(), "at < ?", fromTime(q.Before))
	if q.After != uuid.Nil {
		var at micros
		found, err := d.one(ctx, []any{&at}, "SELECT at FROM events WHERE id = ?", q.After)
		if err != nil || !found { // it was swept, as what came before it
			return nil, d.fail("list events", err)
		}
		c.and(true, "at <= ? AND (at < ? OR id < ?)", at, at, q.After)
	}
	var rows []eventRow
	if err := d.q(ctx).Where(c.where, c.args...).Order("at DESC, id DESC").Limit(q.Limit).Find(&rows).Error; err != nil {
		return nil, d.fail("list events", err)
	}
	return eventsOf(rows), nil
}

// EventsFrom returns the Events after a place and up to a time, the oldest first, at most limit of them.
func (d *DB) EventsFrom(ctx context.Context, from identity.EventPlace, until time.Time, limit int) ([]identity.Event, error) {
	var rows []eventRow
	err := d.q(ctx).Raw("SELECT * FROM events WHERE at >= ? AND (at > ? OR id > ?) AND at <= ? ORDER BY at, id LIMIT ?",
		fromTime(from.At), fromTime(from.At), from.ID, fromTime(until), limit).Scan(&rows).Error
	return eventsOf(rows), d.fail("read events", err)
}

// firstEvent is when the oldest Event was; zero where there is none.
func (d *DB) firstEvent(ctx context.Context) (time.Time, error) {
	var at micros
	found, err := d.one(ctx, []any{&at}, "SELECT at FROM events ORDER BY at LIMIT 1")
	if err != nil || !found {
		return time.Time{}, d.fail("find the first event", err)
	}
	return at.time(), nil
}
