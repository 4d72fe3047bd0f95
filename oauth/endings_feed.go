package oauth

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	// lookEvery is between two looks for marks while somebody follows: what other processes end is told about so soon.
	lookEvery = 40 * time.Millisecond
	// lookWithin bounds a look.
	lookWithin = 5 * time.Second
	// lingering is how long the looks go on when nobody follows any more: who polls comes again.
	lingering = 10 * time.Second
	// batchOf is how many marks one message holds at most.
	batchOf = 500
	// queued is how many messages wait for one follower. Who lags farther behind is cut off, and resumes by its cursor.
	queued = 256
	// windowMargin is added to the longest life of an access token: for clocks, and for what is committed late.
	windowMargin = time.Minute
)

// markStore keeps the marks of the feed of endings.
type markStore interface {
	Marked() <-chan struct{}
	MarkEnd(ctx context.Context, since time.Time) (identity.MarkPlace, error)
	HasMark(ctx context.Context, at identity.MarkPlace) (bool, error)
	MarksFrom(ctx context.Context, since time.Time, end identity.MarkPlace) (int64, error)
	MarksBetween(ctx context.Context, from, to int64, limit int) ([]identity.PlacedMark, error)
}

// endingsFeed tells all who follow in this process what ended. It looks for marks only while somebody does, and signs each
// message once for all of them.
type endingsFeed struct {
	e        *Endpoints
	born     time.Time
	starting sync.Mutex
	pages    singleflight.Group

	mu        sync.Mutex
	running   bool
	followers map[*follower]bool
	byClient  map[string]int
	end       identity.MarkPlace // up to which they were told
	looked    time.Duration      // since born, when the last look that worked began
	next      chan struct{}      // closed after the next look that works
	refused   int
	dropped   int
	signed    int
}

// follower is one API that follows, for one stream or one poll.
type follower struct {
	clientID string
	batches  chan batch
	over     chan struct{} // closed: it must begin anew
}

// batch is a signed message, and the place that it leads to.
type batch struct {
	text string
	to   identity.MarkPlace
}

func newEndingsFeed(e *Endpoints) *endingsFeed {
	born := time.Now() //nolint:forbidigo // only how much later matters
	return &endingsFeed{e: e, born: born, next: make(chan struct{}), followers: map[*follower]bool{}, byClient: map[string]int{}}
}

// elapsed is how the feed counts time.
func (f *endingsFeed) elapsed() time.Duration { return time.Since(f.born) }

// window is how long a mark matters: as long as the access tokens of any resource last, or ever did.
func (f *endingsFeed) window(ctx context.Context) time.Duration {
	longest := f.e.o.AccessTTL
	all, err := f.e.store.Resources(ctx)
	if err != nil {
		longest = max(longest, identity.MaxResourceTTL)
	}
	for _, r := range all {
		longest = max(longest, r.Lifetime(0), r.Longest)
	}
	return longest + windowMargin
}

// since is from when on marks matter.
func (f *endingsFeed) since(ctx context.Context) time.Time { return f.e.o.Now().Add(-f.window(ctx)) }

// join adds a follower, who hears all that is behind the place that is returned. It refuses one too many: of a client as
// Throttled, of this process as Busy.
func (f *endingsFeed) join(ctx context.Context, clientID string) (*follower, identity.MarkPlace, error) {
	if err := f.start(ctx); err != nil {
		return nil, identity.MarkPlace{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case !f.running: // it stopped this very moment
		return nil, identity.MarkPlace{}, errFollowers
	case f.byClient[clientID] >= maxPerFollower:
		f.refused++
		return nil, identity.MarkPlace{}, errPerFollower
	case len(f.followers) >= maxFollowers:
		f.refused++
		return nil, identity.MarkPlace{}, errFollowers
	}
	one := &follower{clientID, make(chan batch, queued), make(chan struct{})}
	f.followers[one] = true
	f.byClient[clientID]++
	return one, f.end, nil
}

func (f *endingsFeed) leave(one *follower) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop(one)
}

// drop forgets a follower, once. The caller holds the lock.
func (f *endingsFeed) drop(one *follower) {
	if !f.followers[one] {
		return
	}
	delete(f.followers, one)
	close(one.over)
	if f.byClient[one.clientID]--; f.byClient[one.clientID] == 0 {
		delete(f.byClient, one.clientID)
	}
}

// start has the looks begin where they don't go on, with a first one. It waits for that no longer than ctx.
func (f *endingsFeed) start(ctx context.Context) error {
	f.starting.Lock()
	defer f.starting.Unlock()
	f.mu.Lock()
	running := f.running
	f.mu.Unlock()
	if running {
		return nil
	}
	first, stop := context.WithTimeout(ctx, lookWithin)
	defer stop()
	began := f.elapsed()
	end, err := f.e.store.MarkEnd(first, f.since(first))
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.running, f.end, f.looked = true, end, began
	f.mu.Unlock()
	go f.run(context.WithoutCancel(ctx))
	return nil
}

// run looks until nobody has followed for a while, or the process stops.
func (f *endingsFeed) run(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	followed := f.elapsed()
	for {
		marked := f.e.store.Marked()
		f.look(ctx)
		select {
		case <-f.e.streams.leaving:
			f.stop(true, 0)
			return
		case <-marked: // at once, unless the last look was just now
		case <-tick.C:
		}
		if f.count() > 0 {
			followed = f.elapsed()
		} else if f.stop(false, followed) {
			return
		}
		f.rest()
	}
}

// rest keeps looks apart: a bell that rings and rings is answered as often as the clock is.
func (f *endingsFeed) rest() {
	f.mu.Lock()
	since := f.elapsed() - f.looked
	f.mu.Unlock()
	if left := lookEvery/2 - since; left > 0 {
		time.Sleep(left)
	}
}

// stop ends the looks: now, or where nobody has followed since long before.
func (f *endingsFeed) stop(now bool, followed time.Duration) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !now && (len(f.followers) > 0 || f.elapsed()-followed < lingering) {
		return false
	}
	for one := range f.followers {
		f.drop(one)
	}
	f.running = false
	return true
}

// look tells followers what was marked since the last look. While the database is away it tells nothing, and soon nobody
// vouches for anything.
func (f *endingsFeed) look(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, lookWithin)
	defer stop()
	began := f.elapsed()
	end, err := f.e.store.MarkEnd(ctx, f.since(ctx))
	if err != nil {
		return
	}
	f.mu.Lock()
	from := f.end
	f.mu.Unlock()
	if end != from {
		goesOn, err := f.e.store.HasMark(ctx, from)
		if err != nil {
			return
		}
		if !goesOn || end.Position <= from.Position { // the database was put back
			f.restart(end)
		}
		for goesOn && from.Position < end.Position {
			next, err := f.page(ctx, stretch{from.Position, from.Position, end})
			if err != nil {
				return
			}
			f.tell(next)
			from = next.to
		}
	}
	f.vouch(began)
}

// tell hands a message to every follower.
func (f *endingsFeed) tell(next batch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end = next.to
	for one := range f.followers {
		select {
		case one.batches <- next:
		default:
			f.dropped++
			f.drop(one)
		}
	}
}

// restart goes on at another place, for which everybody must begin anew.
func (f *endingsFeed) restart(at identity.MarkPlace) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end = at
	for one := range f.followers {
		f.drop(one)
	}
}

// seen waits for a look that began after a moment (elapsed), and returns the place that it led to: all that was committed
// before the moment has been handed to every follower. While the database is away there is none.
func (f *endingsFeed) seen(ctx context.Context, one *follower, moment time.Duration) (identity.MarkPlace, error) {
	for {
		f.mu.Lock()
		looked, end, next := f.looked, f.end, f.next
		f.mu.Unlock()
		if looked >= moment {
			return end, nil
		}
		select {
		case <-next:
		case <-one.over:
			return end, errFollowerLost
		case <-ctx.Done():
			return end, fmt.Errorf("no look for endings: %w", identity.ErrUnavailable)
		}
	}
}

// vouch notes a look that worked.
func (f *endingsFeed) vouch(began time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looked = began
	close(f.next)
	f.next = make(chan struct{})
}

// stretch is the part of the feed behind one position, that a message calls from, up to a place.
type stretch struct {
	after, from int64
	to          identity.MarkPlace
}

// endings is a message of marks.
type endingsMessage struct {
	Issuer   string  `json:"iss"`
	IssuedAt int64   `json:"iat"`
	From     int64   `json:"from"` // 0: a whole snapshot begins
	To       int64   `json:"to"`
	Tag      string  `json:"tag"`
	Marks    [][]any `json:"marks"`
}

// page signs the next message of a stretch, for all who ask for it at the same time.
func (f *endingsFeed) page(ctx context.Context, s stretch) (batch, error) {
	all, err, _ := f.pages.Do(fmt.Sprint(s), func() (any, error) {
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), lookWithin) // the others go on when this one leaves
		defer stop()
		marks, err := f.e.store.MarksBetween(ctx, s.after, s.to.Position, batchOf)
		if err != nil {
			return batch{}, err
		}
		return f.sign(s, marks)
	})
	if err != nil {
		return batch{}, err
	}
	return all.(batch), nil
}

func (f *endingsFeed) sign(s stretch, marks []identity.PlacedMark) (next batch, err error) {
	next.to = s.to
	if len(marks) > 0 {
		next.to = marks[len(marks)-1].MarkPlace
	}
	said := endingsMessage{
		Issuer: f.e.o.Issuer, IssuedAt: f.e.o.Now().Unix(), From: s.from, To: next.to.Position, Tag: next.to.Tag,
		Marks: make([][]any, 0, len(marks)),
	}
	for _, m := range marks {
		if m.Kind != identity.MarkProfile { // nothing ended
			said.Marks = append(said.Marks, spell(m.Mark))
		}
	}
	f.mu.Lock()
	f.signed++
	f.mu.Unlock()
	next.text, err = f.e.signEndings(said)
	return next, err
}

// spell writes a mark as the feed does.
func spell(m identity.Mark) []any {
	switch m.Kind {
	case identity.MarkPerson:
		keep := make([]string, len(m.Keep))
		for i, sid := range m.Keep {
			keep[i] = sid.String()
		}
		return []any{m.Kind, m.Subject, m.Epoch, keep}
	case identity.MarkClient:
		return []any{m.Kind, m.Subject, m.Epoch}
	case identity.MarkSession, identity.MarkToken, identity.MarkProfile:
	}
	return []any{m.Kind, m.Subject}
}

func (e *Endpoints) signEndings(said any) (string, error) {
	key, err := e.keys.signer(accessAlg)
	if err != nil {
		return "", err
	}
	return key.endings.sign(said)
}

func (f *endingsFeed) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.followers)
}

// Following counts what the feed of endings does in this process.
type Following struct{ Followers, Refused, Dropped, Signed int }

// Following returns that.
func (e *Endpoints) Following() Following {
	f := e.followed
	f.mu.Lock()
	defer f.mu.Unlock()
	return Following{len(f.followers), f.refused, f.dropped, f.signed}
}
