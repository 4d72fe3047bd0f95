package storage

import (
	"context"

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
}

// TableName is the table's name for GORM.
func (eventRow) TableName() string { return "events" }

func newEventRow(e identity.Event) eventRow {
	return eventRow{
		ID: e.ID, At: fromTime(e.At), Kind: string(e.Kind), UserID: idOrNull(e.UserID), SessionID: idOrNull(e.SessionID),
		ClientID: e.ClientID, Detail: e.Detail, Address: e.Address, Actor: e.Actor,
	}
}

func (r eventRow) event() identity.Event {
	return identity.Event{
		ID: r.ID, At: r.At.time(), Kind: identity.EventKind(r.Kind), UserID: idOrZero(r.UserID),
		SessionID: idOrZero(r.SessionID), ClientID: r.ClientID, Detail: r.Detail, Address: r.Address, Actor: r.Actor,
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
		events[i].Actor = identity.ActorOf(ctx)
		rows[i] = newEventRow(events[i])
	}
	if err := d.q(ctx).CreateInBatches(&rows, batch).Error; err != nil {
		return d.fail("add event", err)
	}
	d.afterCommit(ctx, func() { d.ringFor(events) })
	return d.queueEvents(ctx, events)
}

// EventsOf returns what happened to a user, newest first, at most limit of it.
func (d *DB) EventsOf(ctx context.Context, userID identity.ID, limit int) ([]identity.Event, error) {
	var rows []eventRow
	err := d.q(ctx).Where("user_id = ?", userID).Order("at DESC, id DESC").Limit(limit).Find(&rows).Error
	if err != nil {
		return nil, d.fail("read events", err)
	}
	events := make([]identity.Event, len(rows))
	for i, r := range rows {
		events[i] = r.event()
	}
	return events, nil
}

// Events returns what happened, the newest first. Of one Session it tells also after its row was swept.
func (d *DB) Events(ctx context.Context, q identity.EventQuery) ([]identity.Event, error) {
	c := conditions{where: "TRUE"}
	c.and(q.UserID != uuid.Nil, "user_id = ?", q.UserID)
	c.and(q.SessionID != uuid.Nil, "session_id = ?", q.SessionID)
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
	events := make([]identity.Event, len(rows))
	for i, r := range rows {
		events[i] = r.event()
	}
	return events, nil
}
