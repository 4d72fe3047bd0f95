package simulate

import (
	"container/heap"
	"context"
	"sync/atomic"
	"time"
)

// epoch is when every simulation begins. Any time would do; a fixed one makes runs comparable.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// clock is the simulated time of one shard: it stands still until the next event is due.
type clock struct{ since atomic.Int64 } // microseconds

// now is what the server and its database go by.
func (c *clock) now() time.Time { return epoch.Add(c.elapsed()) }

func (c *clock) elapsed() time.Duration { return time.Duration(c.since.Load()) * time.Microsecond }

func (c *clock) set(since time.Duration) { c.since.Store(since.Microseconds()) }

// timeline is a shard's future.
type timeline struct {
	clock   clock
	events  events
	planned uint64
}

// after plans something for a while from now.
func (t *timeline) after(wait time.Duration, do func(context.Context) error) {
	t.planned++
	heap.Push(&t.events, event{t.clock.elapsed() + wait, t.planned, do})
}

// until lets everything happen that is due before end, and sets the clock to end.
func (t *timeline) until(ctx context.Context, end time.Duration) error {
	for len(t.events) > 0 && t.events[0].at < end {
		if err := ctx.Err(); err != nil {
			return err
		}
		next := heap.Pop(&t.events).(event)
		t.clock.set(next.at)
		if err := next.do(ctx); err != nil {
			return err
		}
	}
	t.clock.set(end)
	return nil
}

// event is something that happens at a simulated time.
type event struct {
	at    time.Duration // since epoch
	order uint64        // of two at one time, the one that was planned first goes first
	do    func(context.Context) error
}

// events are a heap: the next one is on top.
type events []event

// Len is for container/heap, as are the other four.
func (e events) Len() int { return len(e) }

// Less orders by time.
func (e events) Less(i, j int) bool {
	if e[i].at != e[j].at {
		return e[i].at < e[j].at
	}
	return e[i].order < e[j].order
}

// Swap swaps.
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

// Push appends.
func (e *events) Push(x any) { *e = append(*e, x.(event)) }

// Pop removes the last.
func (e *events) Pop() any {
	last := len(*e) - 1
	next := (*e)[last]
	(*e)[last] = event{} // what it holds may be collected
	*e = (*e)[:last]
	return next
}
