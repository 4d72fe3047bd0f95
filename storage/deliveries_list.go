package storage

import (
	"context"
	"encoding/json"

	"github.com/sojourn-auth/sojourn/identity"
)

// Deliveries returns what the outbox holds, oldest first.
func (d *DB) Deliveries(ctx context.Context, f identity.DeliveryFilter) ([]identity.ListedDelivery, error) {
	q := d.q(ctx).Order("id").Limit(f.Limit)
	if f.Dead {
		q = q.Where("dead_at IS NOT NULL")
	}
	if f.After != (identity.ID{}) {
		q = q.Where("id > ?", f.After)
	}
	var rows []deliveryRow
	if err := q.Find(&rows).Error; err != nil {
		return nil, d.fail("read deliveries", err)
	}
	list := make([]identity.ListedDelivery, len(rows))
	for i, r := range rows {
		list[i] = d.listed(r)
	}
	return list, nil
}

// listed is a row as operators see it. Of a body only names are taken, and of one that can't be opened nothing.
func (d *DB) listed(r deliveryRow) identity.ListedDelivery {
	l := identity.ListedDelivery{Delivery: r.delivery()}
	body, err := d.openDelivery(r)
	if err != nil {
		return l
	}
	switch l.Kind {
	case identity.LogoutDelivery:
		var n identity.LogoutNotice
		_ = json.Unmarshal(body, &n) // an unreadable one is listed without
		l.ClientID, l.SessionID = n.ClientID, n.SessionID
	case identity.MailDelivery:
		var letter identity.Letter
		_ = json.Unmarshal(body, &letter)
		l.Letter = letter.Kind
	}
	return l
}

// RetryDelivery makes a Delivery due at once, with all its tries again, dead or not; NotFound when there is none.
func (d *DB) RetryDelivery(ctx context.Context, id identity.ID) error {
	n, err := d.retry(ctx, "id = ?", id)
	if err == nil && n == 0 {
		return notFound("delivery")
	}
	return err
}

// RetryDead makes all dead Deliveries due at once, with all their tries again, and returns how many those were.
func (d *DB) RetryDead(ctx context.Context) (int, error) { return d.retry(ctx, "dead_at IS NOT NULL") }

func (d *DB) retry(ctx context.Context, where string, args ...any) (int, error) {
	res := d.q(ctx).Exec("UPDATE deliveries SET tries = 0, next_try_at = ?, dead_at = NULL WHERE "+where,
		append([]any{fromTime(d.Now())}, args...)...)
	if res.Error == nil {
		d.afterCommit(ctx, d.queued.tell)
	}
	return int(res.RowsAffected), d.fail("retry delivery", res.Error)
}

// CountDeliveries returns how many Deliveries of each kind wait, and how many are dead.
func (d *DB) CountDeliveries(ctx context.Context) ([]identity.DeliveryCount, error) {
	var counts []identity.DeliveryCount
	err := d.q(ctx).Raw(`SELECT kind, count(*) - count(dead_at) AS waiting, count(dead_at) AS dead FROM deliveries
		GROUP BY kind`).Scan(&counts).Error
	return counts, d.fail("count deliveries", err)
}
