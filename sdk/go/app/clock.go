package app

import (
	"context"
	"math/rand/v2"
	"time"
)

// Clock is the two clocks of a device, and waiting. The usual one is the system's; tests bring their own.
type Clock interface {
	// Wall is the time of day, which people set.
	Wall() time.Time
	// Elapsed counts from any moment, and nobody sets it. It may or may not count the time that the device sleeps.
	Elapsed() time.Duration
	// Wait returns after d of Elapsed, or with the error of a ctx that ends before.
	Wait(ctx context.Context, d time.Duration) error
}

// systemClock is the operating system's.
type systemClock struct{ started time.Time }

func newSystemClock() Clock { return systemClock{time.Now()} }

// Wall is the time of day, without Go's monotonic reading, which would hide that somebody set it.
func (c systemClock) Wall() time.Time { return time.Now().Round(0) }

// Elapsed is the monotonic time since the process asked first.
func (c systemClock) Elapsed() time.Duration { return time.Since(c.started) }

// Wait waits.
func (c systemClock) Wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// How long things may take, by the elapsed clock.
const (
	patience  = 20 * time.Second // of whoever asks for a token
	codeLife  = 20 * time.Second // of a code without an answer
	firstWait = time.Second
	longWait  = time.Minute
	stopWait  = 5 * time.Minute
	longStop  = time.Hour
)

// backoff is how long to wait before try n+1, n counting from 0: between half and the whole of a wait that doubles.
func backoff(n int, first, most time.Duration) time.Duration {
	whole := most
	if n < 12 {
		whole = min(first<<n, most)
	}
	return whole/2 + rand.N(whole/2+1) //nolint:gosec // so that apps don't come all at once; nobody gains by guessing it
}

// insist calls attempt until it brings a verdict. When the next wait would end after until, it gives up: Offline. failed is
// called after each attempt without a verdict.
func (a *App) insist(ctx context.Context, until time.Duration, failed func(), attempt func(context.Context) error) error {
	for n := 0; ; n++ {
		err := attempt(ctx)
		lost, ok := err.(*again) //nolint:errorlint // attempts return it bare
		if !ok {
			return err
		}
		failed()
		wait := max(backoff(n, firstWait, longWait), lost.after)
		if a.clock.Elapsed()+wait > until {
			a.holdOff(lost.after)
			return &Error{Kind: Offline, Wait: lost.after, Err: lost.err}
		}
		if err := a.clock.Wait(ctx, wait); err != nil {
			return &Error{Kind: Offline, Err: err}
		}
	}
}
