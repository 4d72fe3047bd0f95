package anomaly

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

type store interface {
	// InTx commits when fn returns nil.
	InTx(ctx context.Context, fn func(context.Context) error) error
	// AddEvent writes what happened, in the transaction that did it.
	AddEvent(ctx context.Context, e identity.Event) error
	// End ends what an Ending names.
	End(ctx context.Context, e identity.Ending) (identity.Struck, error)
	// HoldLease gives a task to the caller for a while, or for longer where was is until when they had it.
	HoldLease(ctx context.Context, name string, was time.Time, lasts time.Duration) (until time.Time, mine bool, err error)
	// EventsFrom returns the Events after a place and up to a time, the oldest first, at most limit of them.
	EventsFrom(ctx context.Context, from identity.EventPlace, until time.Time, limit int) ([]identity.Event, error)
	// Habits returns from where people sign in, of those of whom that is kept.
	Habits(ctx context.Context, people []identity.ID) (map[identity.ID]identity.Habit, error)
	WriteHabit(ctx context.Context, h identity.Habit) error
	// Acts is what a person's Events of some kinds come to: how many, and of how many kinds.
	Acts(ctx context.Context, userID identity.ID, kinds []identity.EventKind, span identity.EventSpan) (times, different int, err error)
	// LastActive returns when a person, or an app of theirs, was last active before a time; zero for nobody.
	LastActive(ctx context.Context, userID identity.ID, before time.Time) (time.Time, error)
	// FactorsOf are the kinds of second factors that a person has.
	FactorsOf(ctx context.Context, userID identity.ID) ([]identity.Factor, error)
	// AskFactor has a person show a second factor once more, in every browser.
	AskFactor(ctx context.Context, userID identity.ID) error
	// Decide notes a decision, unless the rule has decided about the subject within its window: of all at once, one is first.
	Decide(ctx context.Context, by identity.Decision, window time.Duration) (first bool, err error)
	CountDecisions(ctx context.Context, rule string, since time.Time, most int) (int, error)
	// WriteHour and Hours keep how often something happened within an hour.
	WriteHour(ctx context.Context, series string, hour time.Time, n int) error
	Hours(ctx context.Context, series string, since time.Time) (map[time.Time]int, error)
}

// Place is where an address is, as far as anybody knows.
type Place struct {
	Country  string // ISO 3166-1; empty: nobody knows
	Lat, Lon float64
	Located  bool // Lat and Lon are known
}

// Options are what a Watch needs.
type Options struct {
	Store  store
	Now    func() time.Time
	Rules  []Rule
	Locate func(address string) Place // nil: nobody knows where anything is
	Log    *slog.Logger
}

// Watch looks for what the rules say is unusual. A nil Watch looks for nothing.
type Watch struct {
	o     Options
	rules map[Signal][]Rule
	live  *live

	mu     sync.Mutex // one looks at a time
	lease  time.Time  // until when the cursor is this process's
	began  time.Time  // what happened before this was not read; zero: nothing was read yet
	until  time.Time  // up to when Events were read
	seen   map[identity.ID]taken
	failed int // looks in a row that could not judge a page
	crowds map[Signal]*crowd
	season season
}

// taken is an Event that was taken in.
type taken struct {
	at      time.Time
	repeats int
}

// New returns a Watch over the rules. Without any it returns nil.
func New(o Options) *Watch {
	if len(o.Rules) == 0 {
		return nil
	}
	if o.Locate == nil {
		o.Locate = func(string) Place { return Place{} }
	}
	w := &Watch{o: o, rules: map[Signal][]Rule{}}
	for _, r := range o.Rules {
		w.rules[r.Signal] = append(w.rules[r.Signal], r)
	}
	w.live = newLive(w.rules)
	w.forgetAll()
	return w
}

// LocateBy has another one say where addresses are, unless it is nil. It must be called before anybody looks.
func (w *Watch) LocateBy(locate func(address string) Place) {
	if w != nil && locate != nil {
		w.o.Locate = locate
	}
}

// forgetAll begins anew: what is needed of before is read again.
func (w *Watch) forgetAll() {
	w.began, w.until = time.Time{}, time.Time{}
	w.seen, w.season = map[identity.ID]taken{}, newSeason()
	w.crowds = map[Signal]*crowd{}
	for s, t := range traits {
		if t.counted(s) {
			w.crowds[s] = &crowd{}
		}
	}
}

const (
	leaseName = "anomalies"
	leaseFor  = 30 * time.Second
	lookFirst = time.Minute // after the start, when the rush is over
	lookEvery = 5 * time.Second
	// overlap is how far back each look begins: an Event is seen late where its transaction took long, or its process's clock is behind.
	overlap = 30 * time.Second
	page    = 1000
	pages   = 20 // in one look, then the lease is held anew
	maxSeen = 200_000
	tries   = 3 // at the same page of Events
)

// Run looks every few seconds, until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	if w == nil {
		return
	}
	wait := time.NewTimer(lookFirst)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
		}
		more, err := w.Look(ctx)
		if err != nil && ctx.Err() == nil {
			w.o.Log.ErrorContext(ctx, "look for anomalies", "error", err)
		}
		rest := lookEvery
		if more && err == nil {
			rest = 0
		}
		wait.Reset(rest)
	}
}

// Look takes in what happened since the last look, and answers it; more says that there is more to take in at once. What this process
// alone knows it judges each time; Events are read by the one process that has the lease.
func (w *Watch) Look(ctx context.Context) (more bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.judgeLive(ctx); err != nil {
		return false, err
	}
	until, mine, err := w.o.Store.HoldLease(ctx, leaseName, w.lease, leaseFor)
	if err != nil {
		return false, err
	}
	if !mine {
		w.lease = time.Time{}
		w.forgetAll()
		return false, nil
	}
	w.lease = until
	return w.takeIn(ctx)
}

// takeIn reads on. What fails is read again with the next look; decisions are made once all the same.
func (w *Watch) takeIn(ctx context.Context) (more bool, err error) {
	now := w.o.Now()
	if w.until.IsZero() {
		w.began = now.Add(-w.longest()).Truncate(time.Hour)
		w.until = w.began
	}
	from := identity.EventPlace{At: w.until.Add(-overlap)}
	for range pages {
		events, err := w.o.Store.EventsFrom(ctx, from, now, page)
		if err != nil {
			return false, err
		}
		if err := w.judge(ctx, w.fresh(events)); err != nil && !w.passesOver(ctx, err) {
			return false, err
		}
		w.failed = 0
		w.keep(events)
		if len(events) < page {
			w.until = now
			w.forget(now)
			return false, w.closeHours(ctx, now)
		}
		last := events[len(events)-1]
		from = identity.EventPlace{At: last.At, ID: last.ID}
		w.until = latest(w.until, last.At)
	}
	w.forget(w.until)
	return true, nil
}

// passesOver reports whether what could not be judged is left: nothing that is wrong with one Event may keep all that come after it from
// being looked at. While the database is away nothing is left.
func (w *Watch) passesOver(ctx context.Context, err error) bool {
	if identity.KindOf(err) == identity.Unavailable || ctx.Err() != nil {
		return false
	}
	if w.failed++; w.failed < tries {
		return false
	}
	w.o.Log.ErrorContext(ctx, "events were passed over in the look for anomalies", "error", err)
	return true
}

// longest is how far back the rules look at what is kept in memory.
func (w *Watch) longest() time.Duration {
	most := 2 * time.Hour // what repeats within an hour moves
	for _, r := range w.o.Rules {
		if traits[r.Signal].about == aboutMany {
			most = max(most, r.Window)
		}
	}
	return most
}

// fresh are the Events that were not taken in yet, or that happened once more since.
func (w *Watch) fresh(events []identity.Event) []identity.Event {
	all := make([]identity.Event, 0, len(events))
	for _, e := range events {
		before, known := w.seen[e.ID]
		if !known || before.repeats != e.Repeats {
			all = append(all, e)
		}
	}
	return all
}

func (w *Watch) keep(events []identity.Event) {
	for _, e := range events {
		w.seen[e.ID] = taken{e.At, e.Repeats}
	}
}

// forget drops what no look needs any more.
func (w *Watch) forget(at time.Time) {
	if len(w.seen) > maxSeen { // what comes once more is decided once all the same
		clear(w.seen)
	}
	before := w.until.Add(-2 * overlap)
	for id, r := range w.seen {
		if r.at.Before(before) {
			delete(w.seen, id)
		}
	}
	for _, c := range w.crowds {
		c.forget(at.Add(-w.longest()))
	}
}

// judge takes Events in: first of many, then of each person.
func (w *Watch) judge(ctx context.Context, events []identity.Event) error {
	for _, e := range events {
		if err := w.ofMany(ctx, e); err != nil {
			return err
		}
	}
	return w.ofPeople(ctx, events)
}
