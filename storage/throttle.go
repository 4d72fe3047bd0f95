package storage

import (
	"context"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

type throttleRow struct {
	Key          string `gorm:"primaryKey"`
	Misses       int
	BlockedUntil micros
	LastTryAt    micros
}

// TableName is the table's name for GORM.
func (throttleRow) TableName() string { return "throttles" }

// tally counts what happened since the process started, by words of ours. The zero value has counted nothing.
type tally struct {
	mu sync.Mutex
	of map[string]int
}

func (t *tally) add(word string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil {
		t.of = map[string]int{}
	}
	t.of[word]++
}

func (t *tally) all() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.of)
}

// RefusedTries is how many tries this process refused since it started, by the kind of what they were counted against.
func (d *DB) RefusedTries() map[string]int {
	return d.refused.all()
}

// countTry counts unless the key is blocked; either way it holds the row until the transaction ends, so that parallel
// tries come one by one.
const countTry = `INSERT INTO throttles (key, misses, blocked_until, last_try_at) VALUES (?, 1, 0, ?)
	ON CONFLICT (key) DO UPDATE SET last_try_at = excluded.last_try_at,
		misses = CASE WHEN throttles.last_try_at < ? THEN 1 ELSE throttles.misses + 1 END
	WHERE throttles.blocked_until <= excluded.last_try_at
	RETURNING misses`

// CountTry counts a try against key as a miss before it is judged. While the key is blocked it counts nothing and
// returns how long that lasts. The try whose miss begins a block still goes through itself.
func (d *DB) CountTry(ctx context.Context, key string, t identity.Throttle) (wait time.Duration, err error) {
	now := d.Now()
	err = d.InTx(ctx, func(ctx context.Context) error {
		var misses int
		counted, err := d.one(ctx, []any{&misses}, countTry, key, fromTime(now), fromTime(now.Add(-t.Forget)))
		if err != nil {
			return d.fail("count try", err)
		}
		if !counted {
			wait, err = d.blockedFor(ctx, key, now)
			return err
		}
		if block := t.Wait(misses); block > 0 {
			return d.block(ctx, key, now.Add(block))
		}
		return nil
	})
	if wait > 0 {
		kind, _, _ := strings.Cut(key, ":") // identity.ThrottleKey
		d.refused.add(kind)
	}
	return wait, err
}

func (d *DB) block(ctx context.Context, key string, until time.Time) error {
	return d.fail("block tries",
		d.q(ctx).Exec("UPDATE throttles SET blocked_until = ? WHERE key = ?", fromTime(until), key).Error)
}

func (d *DB) blockedFor(ctx context.Context, key string, now time.Time) (time.Duration, error) {
	var until micros
	_, err := d.one(ctx, []any{&until}, "SELECT blocked_until FROM throttles WHERE key = ?", key)
	return until.time().Sub(now), d.fail("read throttle", err)
}

// ForgiveTry takes one counted try back, and the block with it that it may have begun: while a key is blocked no other
// try gets as far as this.
func (d *DB) ForgiveTry(ctx context.Context, key string) error {
	return d.fail("forgive try", d.q(ctx).Exec(
		"UPDATE throttles SET misses = misses - 1, blocked_until = 0 WHERE key = ? AND misses > 0", key).Error)
}

// ClearTries forgets all misses of key.
func (d *DB) ClearTries(ctx context.Context, key string) error {
	return d.fail("clear tries", d.q(ctx).Exec("DELETE FROM throttles WHERE key = ?", key).Error)
}
