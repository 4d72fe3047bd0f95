package storage

import (
	"context"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

// Events returns what happened, the newest first.
func (d *DB) Events(ctx context.Context, q identity.EventQuery) ([]identity.Event, error) {
	q, err := d.ownerOf(ctx, q)
	if err != nil {
		return nil, err
	}
	c := conditions{where: "TRUE"}
	c.and(q.UserID != uuid.Nil, "user_id = ?", q.UserID)
	c.and(q.SessionID != uuid.Nil, "session_id = ?", q.SessionID)
	c.and(q.After != uuid.Nil, "id < ?", q.After)
	var rows []eventRow
	if err := d.q(ctx).Where(c.where, c.args...).Order("id DESC").Limit(q.Limit).Find(&rows).Error; err != nil {
		return nil, d.fail("list events", err)
	}
	events := make([]identity.Event, len(rows))
	for i, r := range rows {
		events[i] = r.event()
	}
	return events, nil
}

// ownerOf adds whose Session is asked about, as long as its row is there: Events are found by their user.
func (d *DB) ownerOf(ctx context.Context, q identity.EventQuery) (identity.EventQuery, error) {
	if q.SessionID == uuid.Nil || q.UserID != uuid.Nil {
		return q, nil
	}
	s, err := d.SessionByID(ctx, q.SessionID)
	if err != nil && identity.KindOf(err) != identity.NotFound {
		return q, err
	}
	q.UserID = s.UserID
	return q, nil
}
