package storage

import (
	"context"
	"encoding/binary"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

// wakePause is at least between two wake-ups of a person's listeners: the first change is told at once, those that follow
// in a loop together, and all listeners are woken at once, so that one read serves them.
const wakePause = 250 * time.Millisecond

// hub wakes those who listen for changes about a user. A wake-up says only that there may be something to read, so one
// that comes for nothing does no harm. The zero value is empty.
type hub struct {
	mu      sync.Mutex
	waiting map[uuid.UUID]*audience
}

// audience are the listeners of one user.
type audience struct {
	bells  map[chan struct{}]identity.Feed
	paused bool          // they were woken a moment ago
	missed map[news]bool // what happened since
}

// news is what a change says of whom it concerns.
type news struct {
	client   string // whose Session or document it is; empty: every listener is concerned
	document bool   // which its client alone hears of
}

func (n news) concerns(f identity.Feed) bool {
	return n.client == "" || n.client == f.ClientID || !f.Own && !n.document
}

// Subscribe returns a channel that is written to when there may be changes that a Feed asks for: at once for what this
// process commits and, while Carry gets through, for what others do; else within half a second, as long as WatchChanges runs. Who stops listening calls cancel.
func (d *DB) Subscribe(f identity.Feed) (wake <-chan struct{}, cancel func()) {
	bell := make(chan struct{}, 1)
	h := &d.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting == nil {
		h.waiting = map[uuid.UUID]*audience{}
	}
	if h.waiting[f.UserID] == nil {
		h.waiting[f.UserID] = &audience{bells: map[chan struct{}]identity.Feed{}, missed: map[news]bool{}}
	}
	h.waiting[f.UserID].bells[bell] = f
	return bell, func() { h.leave(f.UserID, bell) }
}

func (h *hub) leave(userID uuid.UUID, bell chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.waiting[userID]
	if a == nil {
		return
	}
	if delete(a.bells, bell); len(a.bells) == 0 {
		delete(h.waiting, userID)
	}
}

// ring wakes those of a user's listeners whom news concerns, now or once the pause since the last time is over.
func (h *hub) ring(userID uuid.UUID, n news) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.waiting[userID]
	switch {
	case a == nil:
	case a.paused:
		a.missed[n] = true
	default:
		h.wake(a, map[news]bool{n: true})
	}
}

// wake wakes whom any of the news concerns, and begins the pause. A bell that rang already and was not heard yet says enough.
func (h *hub) wake(a *audience, all map[news]bool) {
	a.paused, a.missed = true, map[news]bool{}
	for bell, feed := range a.bells {
		for n := range all {
			if n.concerns(feed) {
				strike(bell)
			}
		}
	}
	time.AfterFunc(wakePause, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if a.paused = false; len(a.missed) > 0 {
			h.wake(a, a.missed)
		}
	})
}

func (h *hub) ringAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.waiting {
		for bell := range a.bells {
			strike(bell)
		}
	}
}

func strike(bell chan<- struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}

func (h *hub) empty() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.waiting) == 0
}

// ringFor wakes who listens for those whom Events are about, where apps hear of such.
func (d *DB) ringFor(events []identity.Event) {
	for _, e := range events {
		if e.UserID != uuid.Nil && heard[e.Kind] {
			n := news{}
			if e.Kind == identity.SessionEnded {
				n.client = e.ClientID
			}
			d.tellNews(e.UserID, n)
		}
	}
}

// heard are the Events that change something for a person's apps.
var heard = map[identity.EventKind]bool{
	identity.SessionEnded: true, identity.ProfileChanged: true, identity.UserLocked: true, identity.UserDeleted: true,
}

// feed is what one app hears of, read from the rows that changed: Events, Sessions and documents. Each part is bounded by
// itself, so that much of one kind, or of long ago, costs no more than the limit.
const feed = `SELECT * FROM (SELECT kind, at, id, session_id, client_id, detail,
		'' AS device_name, '' AS device_model, '' AS app_version, 0 AS version, FALSE AS deleted
	FROM events WHERE user_id = ? AND at > ? AND kind IN ('profile.changed', 'session.ended')
		AND (kind = 'profile.changed' OR ? OR client_id = ?)
	ORDER BY at DESC LIMIT ?) e
	UNION ALL
	SELECT * FROM (SELECT 'session.started', created_at, id, id AS session_id, client_id, '', device_name, device_model, app_version,
		0, FALSE
	FROM sessions WHERE user_id = ? AND id >= ? AND created_at > ? AND (? OR client_id = ?)
	ORDER BY id DESC LIMIT ?) s
	UNION ALL
	SELECT 'state.changed', updated_at, NULL, NULL, client_id, key, '', '', '', version, deleted
	FROM states WHERE user_id = ? AND client_id = ? AND updated_at > ?
	ORDER BY at DESC, id DESC LIMIT ?`

// changeRow is a row of feed.
type changeRow struct {
	Kind      string
	At        micros
	ID        *uuid.UUID
	SessionID *uuid.UUID
	ClientID  string
	Detail    string // the cause of an ending, the key of a document
	Version   int64
	Deleted   bool

	DeviceName, DeviceModel, AppVersion string
}

func (r changeRow) change(userID identity.ID) identity.Change {
	c := identity.Change{
		Kind: identity.ChangeKind(r.Kind), At: r.At.time(), ID: idOrZero(r.ID), SessionID: idOrZero(r.SessionID),
		ClientID: r.ClientID, Device: identity.Device{Name: r.DeviceName, Model: r.DeviceModel, AppVersion: r.AppVersion},
	}
	switch c.Kind {
	case identity.ChangeEnded:
		c.Cause = identity.EndCause(r.Detail)
	case identity.ChangeDocument:
		c.Document = identity.Document{
			DocumentKey: identity.DocumentKey{UserID: userID, ClientID: r.ClientID, Key: r.Detail},
			Version:     r.Version, UpdatedAt: c.At, Deleted: r.Deleted,
		}
		c.ID = uuid.NewSHA1(userID, []byte(r.ClientID+" "+r.Detail+" "+strconv.FormatInt(r.Version, 36)))
	case identity.ChangeProfile: // one Event may tell of several, each at its time
		c.ID = uuid.NewSHA1(c.ID, []byte(strconv.FormatInt(int64(r.At), 36)))
	case identity.ChangeStarted:
	}
	return c
}

// ChangesSince returns the changes that a Feed asks for, the oldest first; where there are more than its Limit, the newest
// of them. It begins a little before the time that was
// asked for, since what carries an earlier time may have been committed later: some of them were heard before.
func (d *DB) ChangesSince(ctx context.Context, f identity.Feed) ([]identity.Change, error) {
	after, all := fromTime(f.After.Add(-lateCommit)), !f.Own
	oldest := firstID(d.idTime(f.After.Add(-lateCommit)))
	var rows []changeRow
	err := d.q(ctx).Raw(feed, f.UserID, after, all, f.ClientID, f.Limit, f.UserID, oldest, after, all, f.ClientID, f.Limit,
		f.UserID, f.ClientID, after, f.Limit).Scan(&rows).Error
	if err != nil {
		return nil, d.fail("read changes", err)
	}
	changes := make([]identity.Change, len(rows))
	for i, r := range rows {
		changes[len(rows)-1-i] = r.change(f.UserID)
	}
	return changes, nil
}

const (
	// watchEvery is how often the database is asked what other processes committed, while somebody listens; half as often
	// while they say it themselves.
	watchEvery = 500 * time.Millisecond
	// lateCommit is how long after the time that a row carries it may be committed: no request runs longer than ten seconds.
	lateCommit = 12 * time.Second
	// idLead is how much older a Session's id may be than its row: a code lives for a minute, and clocks differ.
	idLead = identity.CodeTTL + time.Minute
	// maxChanged bounds what is read at once. When so much happened, everybody is woken.
	maxChanged = 5000
)

// changed is who changed lately, and by what.
const changed = `SELECT CAST(id AS text) || ' ' || CAST(at AS text) AS mark, user_id, CASE kind WHEN 'session.ended' THEN client_id ELSE '' END AS client,
		FALSE AS document FROM events
		WHERE at > ? AND user_id IS NOT NULL AND kind IN ('session.ended', 'profile.changed', 'user.locked', 'user.deleted')
	UNION ALL SELECT CAST(id AS text), user_id, client_id, FALSE FROM sessions WHERE id >= ? AND created_at > ?
	UNION ALL SELECT client_id || ' ' || key || ' ' || CAST(version AS text), user_id, client_id, TRUE FROM states WHERE updated_at > ?
	LIMIT ?`

// WatchChanges wakes subscribers for what other processes commit, until ctx ends. A database that is away is asked again:
// who listens looks for himself from time to time, too.
func (d *DB) WatchChanges(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	w := watcher{db: d, from: d.Now()}
	for skipped := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-d.lookNow:
		case <-tick.C:
			if skipped = !skipped && d.Carried(); skipped {
				continue
			}
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
	oldest := w.db.idTime(w.from.Add(-lateCommit))
	var rows []struct {
		Mark     string
		UserID   uuid.UUID
		Client   string
		Document bool
	}
	if w.db.q(ctx).Raw(changed, from, firstID(oldest), from, from, maxChanged).Scan(&rows).Error != nil {
		return
	}
	known := make(map[string]bool, len(rows))
	for _, r := range rows {
		known[r.Mark] = true
		if !w.known[r.Mark] {
			w.db.hub.ring(r.UserID, news{r.Client, r.Document})
		}
	}
	if len(rows) == maxChanged {
		w.db.hub.ringAll()
	}
	w.known, w.from = known, now
}

// idTime is a time before which no Session got its id whose row was written after at: ids are made by the database's time,
// whatever d.Now says.
func (d *DB) idTime(at time.Time) time.Time { return d.clock.Now().Add(at.Sub(d.Now()) - idLead) }

// firstID is the smallest time-ordered id of a moment (RFC 9562 §5.7).
func firstID(at time.Time) (id uuid.UUID) {
	var millis [8]byte
	binary.BigEndian.PutUint64(millis[:], uint64(at.UnixMilli()))
	copy(id[:6], millis[2:])
	return id
}
