// Package clock is the operating system's clocks and how long to wait before trying again, for the library that apps use and
// for the one that APIs use: each has an interface of its own, Clock, that System fits.
//
// Its one rule: it judges nothing. It imports nothing of ours.
package clock

import (
	"context"
	"math/rand/v2"
	"time"
)

// System is the operating system's clocks.
type System struct{ started time.Time }

// New is a System whose Elapsed counts from now.
func New() System { return System{time.Now()} }

// Wall is the time of day, without Go's monotonic reading, which would hide that somebody set it.
func (System) Wall() time.Time { return time.Now().Round(0) }

// Elapsed is the monotonic time since New.
func (s System) Elapsed() time.Duration { return time.Since(s.started) }

// Wait returns after d, or with the error of a ctx that ends before.
func (System) Wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Backoff is how long to wait before try n+1, n counting from 0: between half and the whole of a wait that doubles from first
// up to most.
func Backoff(n int, first, most time.Duration) time.Duration {
	whole := most
	if n < 12 {
		whole = min(first<<n, most)
	}
	return whole/2 + rand.N(whole/2+1) //nolint:gosec // so that not all come at once; nobody gains by guessing it
}

// Within is a context that ends after d of a clock, which is who waits, or when stop is called.
func Within(ctx context.Context, who interface {
	Wait(ctx context.Context, d time.Duration) error
}, d time.Duration,
) (limited context.Context, stop context.CancelFunc) {
	limited, stop = context.WithCancel(ctx)
	go func() {
		if who.Wait(limited, d) == nil {
			stop()
		}
	}()
	return limited, stop
}
