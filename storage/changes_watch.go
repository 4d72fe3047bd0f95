package storage

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	// watchEvery is how often the database is asked what other processes committed, while somebody listens.
	watchEvery = 500 * time.Millisecond
	// lateCommit is how long after the time that a row carries it may be committed: no request runs longer than ten seconds.
	lateCommit = 12 * time.Second
	// idLead is how much older a Session's id may be than its row: a code lives for a minute, and clocks differ.
	idLead = identity.CodeTTL + time.Minute
	// maxChanged bounds what is read at once. When so much happened, everybody is woken.
	maxChanged = 5000
)

// changed is who changed lately, and by what.
const changed = `SELECT CAST(id AS text) AS mark, user_id FROM events
		WHERE at > ? AND user_id IS NOT NULL AND kind IN ('session.ended', 'profile.changed', 'user.locked', 'user.deleted')
	UNION ALL SELECT CAST(id AS text), user_id FROM sessions WHERE id >= ? AND created_at > ?
	UNION ALL SELECT client_id || ' ' || key || ' ' || CAST(version AS text), user_id FROM states WHERE updated_at > ?
	LIMIT ?`

// WatchChanges wakes subscribers for what other processes commit, until ctx ends. A database that is away is asked again:
// who listens looks for himself from time to time, too.
func (d *DB) WatchChanges(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	w := watcher{db: d, from: d.Now()}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if d.hub.empty() {
			w = watcher{db: d, from: d.Now()}
			continue
		}
		w.look(ctx)
	}
}

// watcher remembers what it woke somebody for: each look reads the last seconds again, for what was committed late.
type watcher struct {
	db    *DB
	from  time.Time // of the last look that worked
	known map[string]bool
}

func (w *watcher) look(ctx context.Context) {
	now := w.db.Now()
	from := fromTime(w.from.Add(-lateCommit))
	oldest := time.Now().Add(w.from.Sub(now) - lateCommit - idLead) // ids are made by the system's clock
	var rows []struct {
		Mark   string
		UserID uuid.UUID
	}
	if w.db.q(ctx).Raw(changed, from, firstID(oldest), from, from, maxChanged).Scan(&rows).Error != nil {
		return
	}
	known := make(map[string]bool, len(rows))
	for _, r := range rows {
		known[r.Mark] = true
		if !w.known[r.Mark] {
			w.db.hub.ring(r.UserID)
		}
	}
	if len(rows) == maxChanged {
		w.db.hub.ringAll()
	}
	w.known, w.from = known, now
}

// firstID is the smallest time-ordered id of a moment (RFC 9562 §5.7).
func firstID(at time.Time) (id uuid.UUID) {
	var millis [8]byte
	binary.BigEndian.PutUint64(millis[:], uint64(at.UnixMilli()))
	copy(id[:6], millis[2:])
	return id
}
