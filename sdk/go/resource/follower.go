package resource

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/sojourn-auth/sojourn/sdk/go/internal/clock"
)

const (
	freshness   = 5 * time.Second // without a sign of life
	pollingTime = 10 * time.Minute
	refusedWait = 30 * time.Second // after the server said that this client may not
)

// follower follows the feed of endings: its marks, and whether they are all.
type follower struct {
	guard *Guard
	clock Clock

	mu       sync.Mutex
	position int64
	tag      string
	cursor   bool // position is worth something to the server
	beat     *beat
	beatAt   moment // from when its age counts
	problem  string

	failures  int
	gaps      int
	pollUntil time.Duration
}

// moment is one by both clocks.
type moment struct {
	elapsed time.Duration
	wall    time.Time
}

func momentOf(c Clock) moment { return moment{c.Elapsed(), c.Wall()} }

// age is how long ago that was, by the clock that says more: the elapsed one, which nobody sets, stands still while the machine sleeps.
func (m moment) age(c Clock) time.Duration {
	return max(c.Elapsed()-m.elapsed, c.Wall().Round(0).Sub(m.wall.Round(0)))
}

func newFollower(g *Guard) *follower { return &follower{guard: g, clock: g.cfg.Clock} }

// current reports whether all is known that was ended up to a moment ago.
func (f *follower) current() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.isCurrent()
}

func (f *follower) isCurrent() bool {
	return f.beat != nil && f.position >= f.beat.at && f.beatAt.age(f.clock) <= freshness && f.guard.marks.whole()
}

// acr is how everybody must have signed in; empty where it is up to them.
func (f *follower) acr() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.beat == nil {
		return ""
	}
	return f.beat.acr
}

func (f *follower) status() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := Status{Current: f.isCurrent(), Position: f.position, Tag: f.tag}
	switch {
	case s.Current:
	case !f.guard.marks.whole():
		s.Problem = "there are more endings than are held in memory"
	default:
		s.Problem = f.problem
	}
	return s
}

// errRestored is a server whose log of endings is another than it was: its database was restored, or it is a different one.
var errRestored = errors.New("the server's endings are others than they were")

// errGap is a message that is not the next one.
var errGap = errors.New("the feed left endings out")

// run follows until ctx ends.
func (f *follower) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := f.follow(ctx); err != nil && ctx.Err() == nil {
			wait := f.failed(err)
			_ = f.clock.Wait(ctx, wait) // the loop looks at ctx
		}
	}
}

// follow listens once, in the way that works here.
func (f *follower) follow(ctx context.Context) error {
	d, err := f.guard.server.where(ctx)
	if err != nil {
		return err
	}
	if d.Endings == "" {
		return &refusedError{status: http.StatusNotFound}
	}
	if f.clock.Elapsed() < f.pollUntil {
		return f.poll(ctx, d.Endings)
	}
	err = f.stream(ctx, d.Endings)
	if errors.Is(err, errBuffered) {
		f.pollUntil = f.clock.Elapsed() + pollingTime
		f.guard.cfg.Log.Info("the feed of endings can't be streamed here, it is polled", "reason", err)
		return nil
	}
	return err
}

// good notes that the feed works.
func (f *follower) good() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failures = 0
}

// failed notes why the feed is away, and returns how long to wait.
func (f *follower) failed(err error) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if errors.Is(err, errGap) {
		f.gaps++
	}
	if errors.Is(err, errRestored) || f.gaps >= 2 {
		f.gaps, f.cursor = 0, false
	}
	if text := err.Error(); text != f.problem {
		f.problem = text
		f.guard.cfg.Log.Warn("the feed of endings is away", "reason", err)
	}
	wait := clock.Backoff(f.failures, 100*time.Millisecond, 5*time.Second)
	f.failures++
	refused, ok := errors.AsType[*refusedError](err)
	if !ok {
		return wait
	}
	switch refused.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		f.problem += ": may this client follow the feed of endings? (a confidential one that the operator added)"
		wait = max(wait, refusedWait)
	case http.StatusBadRequest:
		f.cursor = false
	}
	return max(wait, refused.after)
}

// cursorText is where to go on; empty: a snapshot is needed.
func (f *follower) cursorText() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.cursor {
		return ""
	}
	return strconv.FormatInt(f.position, 10) + "." + f.tag
}

// takeBatch adds marks and moves on.
func (f *follower) takeBatch(b batch) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case b.from == 0:
		f.guard.marks.add(b.marks)
		f.position, f.tag, f.cursor = b.to, b.tag, true
	case !f.cursor || b.from > f.position:
		return errGap
	default:
		f.guard.marks.add(b.marks)
		if b.to > f.position {
			f.position, f.tag = b.to, b.tag
		}
	}
	f.gaps = 0
	return nil
}

// takeBeat notes a sign of life, whose age counts from at.
func (f *follower) takeBeat(b beat, at moment) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if b.at < f.position || b.at == f.position && b.tag != f.tag {
		f.beat = nil
		return errRestored
	}
	f.guard.marks.keepFor(b.window)
	f.beat, f.beatAt = &b, at
	if f.isCurrent() && f.problem != "" {
		f.problem = ""
		f.guard.cfg.Log.Info("the feed of endings is followed again")
	}
	return nil
}
