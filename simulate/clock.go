package simulate

import (
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
