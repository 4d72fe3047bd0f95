package storage

import (
	"container/list"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	// trustFor is how long after a look began what is remembered may be told: a second, less what an answer takes.
	trustFor = 900 * time.Millisecond
	// recallFor is how long a Session is remembered at most, however often it is asked for.
	recallFor = 10 * time.Minute
	// maxRecent bounds the Sessions that are remembered: some 70 MB, and as many times that as GOGC lets garbage grow.
	maxRecent = 50_000
	// maxStruck bounds the marks that are remembered. With more, all Sessions are forgotten instead.
	maxStruck = 100_000
	// outOfSight is after how long without a look that worked everything is forgotten.
	outOfSight = 10 * time.Second

	lookWithin = 5 * time.Second        // bounds one look
	lookOften  = 40 * time.Millisecond  // between two looks, while each of them saves many statements
	lookSeldom = 250 * time.Millisecond // while it saves few
	worthwhile = 10                     // questions between two looks are many
	marksAPage = 500
)

// RecentSession is LiveSession for whoever only tells what a Session is and writes nothing: it answers from memory while
// everything that was committed up to a second ago is known not to concern it, and else from the row. What the memory says
// is always of a Session that lives; its line and its last use may be older. The caller must not change what it gets.
func (d *DB) RecentSession(ctx context.Context, id identity.ID, jti string) (identity.Live, error) {
	if d.carried(ctx) != nil {
		return d.LiveSession(ctx, id, jti)
	}
	held, began := identity.Held{SessionID: id, JTI: jti}, time.Now()
	live, read, ok := d.recent.get(held, began)
	if ok && lives(live, d.Now()) {
		d.recent.hits.Add(1)
		return live, nil
	}
	d.recent.misses.Add(1)
	live, err := d.LiveSession(ctx, id, jti)
	if err == nil && lives(live, d.Now()) {
		d.recent.put(held, recentSession{live: live, began: began, read: read})
	}
	return live, err
}

// lives reports whether there is something to remember: what is over, denied or locked is asked for each time.
func lives(l identity.Live, now time.Time) bool {
	return l.Session.Alive(now) && !l.Denied && l.User.DisabledAt.IsZero()
}

// WatchMarks has RecentSession remember, until ctx ends: it looks for marks while anyone asks. Without it everything is
// asked of the row. Where a process has it run twice, one does.
func (d *DB) WatchMarks(ctx context.Context) {
	r := &d.recent
	select {
	case <-ctx.Done():
		return
	case r.only <- struct{}{}:
		defer func() { <-r.only }()
	}
	wait := time.NewTimer(0)
	defer wait.Stop()
	var marked <-chan struct{} // rings for wake-ups of other processes, too
	for {
		select {
		case <-ctx.Done():
			return
		case <-marked: // who rings and rings is answered as often as half of the clock is
			marked = nil
			wait.Reset(r.rest(time.Now()))
			continue
		case <-wait.C:
		}
		if !r.wanted(ctx) {
			return
		}
		marked = d.marked.listen()
		_ = d.lookForMarks(ctx) // what fails shows in the age of the last look, and has every question asked of the row
		wait.Reset(r.pace(d.Carried()))
	}
}

// lookForMarks strikes what was marked since the last look.
func (d *DB) lookForMarks(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, lookWithin)
	defer stop()
	began := time.Now()
	end, err := d.MarkEnd(ctx, time.Unix(0, 0)) // whatever the clocks of those who ended said
	if err != nil {
		return err
	}
	from, goesOn := d.recent.from(began)
	if goesOn && end != from {
		if goesOn = end.Position > from.Position; goesOn {
			goesOn, err = d.HasMark(ctx, from)
		}
		if err != nil {
			return err
		}
	}
	if !goesOn { // the first look, the first one after a while, or the database was put back
		d.recent.forget(end)
	}
	for goesOn && from.Position < end.Position {
		marks, err := d.MarksBetween(ctx, from.Position, end.Position, marksAPage)
		if err != nil {
			return err
		}
		if len(marks) == 0 { // they were swept this very moment
			d.recent.forget(end)
			break
		}
		from = marks[len(marks)-1].MarkPlace
		d.recent.follow(marks)
	}
	d.recent.vouch(began)
	return nil
}

// recentSession is what a row said.
type recentSession struct {
	held  identity.Held
	live  identity.Live
	began time.Time // when it was asked
	read  uint64    // how many marks had been struck by then
}

// recent remembers Sessions that lived when they were read, and what was marked since. A Session counts only while no mark
// that concerns it was struck after its row was asked for, and the last look for marks is fresh by the steady clock and by
// the wall's: no clock of another machine takes part, and a process that was stopped knows nothing when it goes on.
type recent struct {
	mu      sync.Mutex
	all     map[identity.Held]*list.Element
	order   list.List // the one that was asked for last comes first
	struck  map[markName]uint64
	older   map[markName]uint64 // those of a while before
	turned  time.Time           // when struck began
	count   uint64              // of marks that were struck
	floor   uint64              // what was read before is worth nothing
	place   identity.MarkPlace  // up to which marks were struck
	looked  time.Time           // when the last look that worked began
	asked   int                 // since the last pace
	lastAsk time.Time
	rung    bell          // somebody asks
	only    chan struct{} // holds whoever looks, one at a time

	hits, misses atomic.Int64
}

// markName is what a mark is about.
type markName struct {
	kind    identity.MarkKind
	subject string
}

// get returns what is remembered of an access token's Session, if that may be told, and what to remember with a read that
// begins now.
func (r *recent) get(held identity.Held, now time.Time) (live identity.Live, read uint64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	r.lastAsk = now
	r.rung.tell()
	item, known := r.all[held]
	if !known || !r.trusted(now) {
		return identity.Live{}, r.count, false
	}
	one := of(item)
	if now.Sub(one.began) >= recallFor || one.read < r.lastStruck(one) {
		r.drop(item)
		return identity.Live{}, r.count, false
	}
	r.order.MoveToFront(item)
	return one.live, r.count, true
}

// trusted reports whether the last look is fresh.
func (r *recent) trusted(now time.Time) bool {
	return !r.looked.IsZero() && within(now, r.looked, trustFor)
}

// within reports whether a moment was less than d ago by either clock: the steady one stands while the machine sleeps, and
// the wall's can be set.
func within(now, then time.Time, d time.Duration) bool {
	return now.Sub(then) < d && now.Round(0).Sub(then.Round(0)).Abs() < d
}

// lastStruck returns when a mark that concerns a Session was struck last.
func (r *recent) lastStruck(one *recentSession) uint64 {
	s, last := &one.live.Session, r.floor
	for _, name := range [...]markName{
		{identity.MarkSession, s.ID.String()},
		{identity.MarkToken, one.held.JTI},
		{identity.MarkPerson, s.Sub},
		{identity.MarkProfile, s.UserID.String()},
		{identity.MarkClient, s.ClientID},
	} {
		last = max(last, r.struck[name], r.older[name])
	}
	return last
}

// put remembers a Session, in the place of the one that was asked for longest ago where there are too many.
func (r *recent) put(held identity.Held, one recentSession) {
	one.held = held
	r.mu.Lock()
	defer r.mu.Unlock()
	if item, known := r.all[held]; known {
		if of(item).read <= one.read {
			item.Value = &one
		}
		return
	}
	if r.all == nil {
		r.all = map[identity.Held]*list.Element{}
	}
	r.all[held] = r.order.PushFront(&one)
	if len(r.all) > maxRecent {
		r.drop(r.order.Back())
	}
}

func (r *recent) drop(item *list.Element) {
	delete(r.all, of(item).held)
	r.order.Remove(item)
}

// strike has nothing count any more that was read before and that a mark concerns, be it that it ended or that it reads
// otherwise now.
func (r *recent) strike(all ...identity.Mark) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range all {
		r.strikeOne(m)
	}
}

func (r *recent) strikeOne(m identity.Mark) {
	r.count++
	switch m.Kind {
	case identity.MarkSession, identity.MarkToken, identity.MarkPerson, identity.MarkProfile, identity.MarkClient:
	default: // of a newer program: who knows whom it concerns
		r.floor = r.count
		return
	}
	if now := time.Now(); r.struck == nil || now.Sub(r.turned) >= recallFor {
		r.older, r.struck, r.turned = r.struck, map[markName]uint64{}, now
	}
	if len(r.struck) >= maxStruck {
		r.clear()
		return
	}
	r.struck[markName{m.Kind, m.Subject}] = r.count
}

// follow strikes marks of the feed, and goes on behind them.
func (r *recent) follow(marks []identity.PlacedMark) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range marks {
		r.strikeOne(m.Mark)
	}
	r.place = marks[len(marks)-1].MarkPlace
}

// forget begins anew at a place: whatever was read before is worth nothing.
func (r *recent) forget(at identity.MarkPlace) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.place = at
	r.clear()
}

func (r *recent) clear() {
	r.count++
	r.floor = r.count
	r.all, r.struck, r.older = nil, nil, nil
	r.order.Init()
}

// from returns the place up to which marks were struck; false where that is so long ago that it is better to begin anew.
func (r *recent) from(now time.Time) (identity.MarkPlace, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.place, !r.looked.IsZero() && within(now, r.looked, outOfSight)
}

// vouch notes a look that worked.
func (r *recent) vouch(began time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looked = began
}

// rest is how long to wait where there is something to look for.
func (r *recent) rest(now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(0, lookOften/2-now.Sub(r.looked))
}

// pace is how long to wait before the next look: it costs a statement, as a question to a row does. While wake-ups tell of
// what others commit, the clock only makes up for one that was lost.
func (r *recent) pace(carried bool) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := r.asked
	r.asked = 0
	if asked >= worthwhile && !carried {
		return lookOften
	}
	return lookSeldom
}

// wanted waits until somebody has asked lately; false when ctx ends.
func (r *recent) wanted(ctx context.Context) bool {
	rung := r.rung.listen()
	r.mu.Lock()
	idle := time.Since(r.lastAsk) > outOfSight
	r.mu.Unlock()
	if !idle {
		return true
	}
	select {
	case <-ctx.Done():
		return false
	case <-rung:
		return true
	}
}

// Recall counts what RecentSession does in this process.
type Recall struct {
	Hits, Misses int64
	Kept         int
	Age          time.Duration // of the last look for marks that worked; 0 while there was none
}

// Recall returns that.
func (d *DB) Recall() Recall {
	r := &d.recent
	r.mu.Lock()
	defer r.mu.Unlock()
	said := Recall{Hits: r.hits.Load(), Misses: r.misses.Load(), Kept: len(r.all)}
	if !r.looked.IsZero() {
		said.Age = time.Since(r.looked)
	}
	return said
}

// of is what an element of the order holds.
func of(item *list.Element) *recentSession {
	one, _ := item.Value.(*recentSession)
	return one
}
