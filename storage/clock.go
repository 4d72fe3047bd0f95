package storage

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	clockEvery   = 5 * time.Second  // how often Run measures
	clockTrusted = 30 * time.Second // how long a measurement vouches for the clock
	clockBlur    = 2 * time.Second  // a round trip that takes longer says nothing
)

// Clock is the one clock of a process: monotonic, corrected to the database's, so that replicas agree and a wall clock that
// is stepped or wrong changes nothing.
type Clock struct {
	started  time.Time            // wall time when the process's own count began
	elapsed  func() time.Duration // monotonic, since started
	database func(context.Context) (time.Time, error)
	told     func(offset time.Duration) // of each measurement; nil: no one is
	offset   atomic.Int64               // nanoseconds that the database is ahead of started + elapsed
	measured atomic.Int64               // elapsed at the last good measurement, in nanoseconds; negative: none yet
}

// NewClock returns a clock that goes by the process until it is measured against db.
func NewClock(db *DB) *Clock {
	started := time.Now()
	c := &Clock{
		started: started, elapsed: func() time.Duration { return time.Since(started) }, database: db.readClock, told: identity.CorrectIDs,
	}
	c.measured.Store(-1)
	return c
}

// Now returns the database's time as far as we know it: UTC, microseconds.
func (c *Clock) Now() time.Time {
	return c.at(c.elapsed()).Add(time.Duration(c.offset.Load())).UTC().Truncate(time.Microsecond)
}

// at is the process's own reading, without its monotonic part.
func (c *Clock) at(elapsed time.Duration) time.Time { return c.started.Round(0).Add(elapsed) }

// stepped is how far the system's wall clock was moved since started, which ids go by and the process's own count doesn't.
func (c *Clock) stepped() time.Duration { return time.Now().Round(0).Sub(c.at(c.elapsed())) }

// Measure asks the database for its time once, supposing that it answered half-way through the round trip. As long as the
// present correction lies within what the round trip leaves open it stays, so that Now does not tremble.
func (c *Clock) Measure(ctx context.Context) error {
	asked := c.elapsed()
	there, err := c.database(ctx)
	answered := c.elapsed()
	if err != nil {
		return fmt.Errorf("measure clock: %w", err)
	}
	trip := answered - asked
	if trip > clockBlur {
		return fmt.Errorf("measure clock: the database took %v to tell the time", trip.Round(time.Millisecond))
	}
	ahead := there.Sub(c.at(asked + trip/2))
	if off := ahead - time.Duration(c.offset.Load()); off.Abs() > trip/2 || c.measured.Load() < 0 {
		c.offset.Store(int64(ahead))
	}
	if c.told != nil {
		c.told(c.Skew())
	}
	c.measured.Store(int64(answered))
	return nil
}

// Skew is how far the database's time is ahead of this machine's wall clock, as far as that was measured.
func (c *Clock) Skew() time.Duration { return time.Duration(c.offset.Load()) - c.stepped() }

// Run measures every five seconds until ctx ends. A measurement that fails shows in Healthy.
func (c *Clock) Run(ctx context.Context) {
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.measureBriefly(ctx)
		}
	}
}

func (c *Clock) measureBriefly(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, clockBlur)
	defer cancel()
	_ = c.Measure(ctx)
}

// Healthy returns an error while the last good measurement is older than 30 seconds, or there was none.
func (c *Clock) Healthy() error {
	last := time.Duration(c.measured.Load())
	if last < 0 {
		return errors.New("the clock was never measured against the database")
	}
	if age := c.elapsed() - last; age > clockTrusted {
		return fmt.Errorf("the clock was last measured against the database %v ago", age.Round(time.Second))
	}
	return nil
}

// readClock asks for the database's time. SQLite's is this machine's wall clock, which other processes on the file go by too.
func (d *DB) readClock(ctx context.Context) (time.Time, error) {
	if d.kind == SQLite {
		return time.Now(), nil
	}
	var now micros
	err := d.q(ctx).Raw("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").Scan(&now).Error
	return now.time(), d.fail("ask database for the time", err)
}
