package resource

import (
	"context"
	"math/rand/v2"
	"time"
)

// Clock is the two clocks of a machine, and waiting. The usual one is the system's; tests bring their own.
type Clock interface {
	// Wall is the time of day, which people set: tokens and proofs are judged by it.
	Wall() time.Time
	// Elapsed counts from any moment, and nobody sets it: how fresh the feed is goes by that alone.
	Elapsed() time.Duration
	// Wait returns after d of Elapsed, or with the error of a ctx that ends before.
	Wait(ctx context.Context, d time.Duration) error
}

// systemClock is the operating system's.
type systemClock struct{ started time.Time }

// Wall is the time of day, without Go's monotonic reading, which would hide that somebody set it.
func (systemClock) Wall() time.Time { return time.Now().Round(0) }

// Elapsed is the monotonic time since the guard was made.
func (c systemClock) Elapsed() time.Duration { return time.Since(c.started) }

// Wait waits.
func (systemClock) Wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// within is a context that ends after d of the clock, or when stop is called.
func within(ctx context.Context, clock Clock, d time.Duration) (limited context.Context, stop context.CancelFunc) {
	limited, stop = context.WithCancel(ctx)
	go func() {
		if clock.Wait(limited, d) == nil {
			stop()
		}
	}()
	return limited, stop
}

// backoff is how long to wait before trying again: between half and the whole of a wait that doubles from 0.1 to 5 seconds.
func backoff(failures int) time.Duration {
	whole := min(100*time.Millisecond<<min(failures, 6), 5*time.Second)
	return whole/2 + rand.N(whole/2+1) //nolint:gosec // so that APIs don't come all at once; nobody gains by guessing it
}
