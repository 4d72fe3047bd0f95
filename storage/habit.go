package storage

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

// habitRow is from where a person signs in.
type habitRow struct {
	UserID uuid.UUID `gorm:"primaryKey"`
	Places string    // JSON
	SeenAt micros
}

// TableName is the table's name for GORM.
func (habitRow) TableName() string { return "habits" }

// Habits returns from where people sign in, of those of whom that is kept.
func (d *DB) Habits(ctx context.Context, people []identity.ID) (map[identity.ID]identity.Habit, error) {
	all := make(map[identity.ID]identity.Habit, len(people))
	if len(people) == 0 {
		return all, nil
	}
	var rows []habitRow
	if err := d.q(ctx).Where("user_id IN ?", people).Find(&rows).Error; err != nil {
		return nil, d.fail("read habits", err)
	}
	for _, r := range rows {
		h := identity.Habit{UserID: r.UserID}
		_ = json.Unmarshal([]byte(r.Places), &h.Places) // what cannot be read is learnt anew
		all[r.UserID] = h
	}
	return all, nil
}

// WriteHabit keeps from where a person signs in; nothing of one who is gone, nor what another process has learnt more of since.
func (d *DB) WriteHabit(ctx context.Context, h identity.Habit) error {
	if h.Places == nil {
		h.Places = []identity.Spot{}
	}
	places, err := json.Marshal(h.Places)
	if err != nil {
		return err
	}
	var seen time.Time
	for _, p := range h.Places {
		if p.Last.After(seen) {
			seen = p.Last
		}
	}
	return d.fail("write habit", d.q(ctx).Exec(`INSERT INTO habits (user_id, places, seen_at) SELECT u.id, CAST(? AS text), CAST(? AS bigint)
		FROM users u WHERE u.id = ?
		ON CONFLICT (user_id) DO UPDATE SET places = excluded.places, seen_at = excluded.seen_at
			WHERE habits.seen_at <= excluded.seen_at`, string(places), fromTime(seen), h.UserID).Error)
}
