package storage

import (
	"cmp"
	"context"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

// caseRow is what somebody is to look at, by the Event that tells of it.
type caseRow struct {
	EventID   uuid.UUID `gorm:"primaryKey"`
	At        micros
	ClosingID *uuid.UUID
}

// TableName is the table's name for GORM.
func (caseRow) TableName() string { return "cases" }

// openCases has somebody look at what rules found, in the transaction of the Events that tell of it.
func (d *DB) openCases(ctx context.Context, events []identity.Event) error {
	for _, e := range events {
		if !e.OpensCase() {
			continue
		}
		row := caseRow{EventID: e.ID, At: fromTime(e.At)}
		if err := d.q(ctx).Create(&row).Error; err != nil {
			return d.fail("open a case", err)
		}
	}
	return nil
}

// Cases returns cases, the newest first. One whose Event is kept no longer is none.
func (d *DB) Cases(ctx context.Context, q identity.CaseQuery) ([]identity.Case, error) {
	c := conditions{where: "TRUE"}
	c.and(q.State == identity.CaseOpen, "closing_id IS NULL")
	c.and(q.State == identity.CaseClosed, "closing_id IS NOT NULL")
	c.and(q.After != uuid.Nil, "event_id < ?", q.After)
	var rows []caseRow
	if err := d.q(ctx).Where(c.where, c.args...).Order("event_id DESC").Limit(q.Limit).Find(&rows).Error; err != nil {
		return nil, d.fail("list cases", err)
	}
	return d.casesOf(ctx, rows)
}

// casesOf reads what the Events of cases say.
func (d *DB) casesOf(ctx context.Context, rows []caseRow) ([]identity.Case, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	ids := make([]uuid.UUID, 0, 2*len(rows))
	for _, r := range rows {
		ids = append(ids, r.EventID)
		if r.ClosingID != nil {
			ids = append(ids, *r.ClosingID)
		}
	}
	var told []eventRow
	if err := d.q(ctx).Where("id IN ?", ids).Limit(len(ids)).Find(&told).Error; err != nil {
		return nil, d.fail("read the events of cases", err)
	}
	events := make(map[uuid.UUID]identity.Event, len(told))
	for _, e := range eventsOf(told) {
		events[e.ID] = e
	}
	cases := make([]identity.Case, 0, len(rows))
	for _, r := range rows {
		found, kept := events[r.EventID]
		if !kept {
			continue
		}
		one := identity.Case{Found: found}
		if r.ClosingID != nil {
			one.Closed = events[*r.ClosingID]
			one.Closed.ID = *r.ClosingID
		}
		cases = append(cases, one)
	}
	return cases, nil
}

// CaseByID returns a case by the id of the Event that opened it, or NotFound.
func (d *DB) CaseByID(ctx context.Context, id identity.ID) (identity.Case, error) {
	var rows []caseRow
	if err := d.q(ctx).Where("event_id = ?", id).Find(&rows).Error; err != nil {
		return identity.Case{}, d.fail("read case", err)
	}
	cases, err := d.casesOf(ctx, rows)
	if err != nil || len(cases) == 0 {
		return identity.Case{}, cmp.Or(err, notFound("case"))
	}
	return cases[0], nil
}

// CloseCase notes which Event closes a case that is open; false where it is closed already.
func (d *DB) CloseCase(ctx context.Context, id, closing identity.ID) (bool, error) {
	res := d.q(ctx).Exec("UPDATE cases SET closing_id = ? WHERE event_id = ? AND closing_id IS NULL", closing, id)
	return res.RowsAffected == 1, d.fail("close a case", res.Error)
}
