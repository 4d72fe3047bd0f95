package app

import (
	"cmp"
	"context"
	"time"

	"github.com/sojourn-auth/sojourn/sdk/go/internal/clock"
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

// How long things may take, by the elapsed clock.
const (
	patience  = 20 * time.Second // of whoever asks for a token
	codeLife  = 20 * time.Second // of a code without an answer
	firstWait = time.Second      // before the second try; each later wait is twice as long
	longWait  = time.Minute      // at most, between two tries
	stopWait  = 5 * time.Minute  // after the server said that asking again is no use
	longStop  = time.Hour        // at most, after that, and between two tries to tell of a sign-out
)

// insist calls attempt until it brings a verdict, with growing waits between the attempts.
// When the next wait would end after until, it gives up: Offline. failed is
// called after each attempt without a verdict.
func (a *App) insist(ctx context.Context, until time.Duration, failed func(), attempt func(context.Context) error) error {
	ctx, stop := a.whileOpen(ctx)
	defer stop()
	for n := 0; ; n++ {
		err := attempt(ctx)
		lost, ok := err.(*again) //nolint:errorlint // attempts return it bare
		if !ok {
			return err
		}
		failed()
		wait := max(clock.Backoff(n, firstWait, longWait), lost.after)
		if a.clock.Elapsed()+wait > until {
			a.holdOff(lost.after)
			return &Error{Kind: Offline, Wait: lost.after, Err: lost.err}
		}
		if err := a.clock.Wait(ctx, wait); err != nil {
			return cmp.Or(a.open(), error(&Error{Kind: Offline, Err: err}))
		}
	}
}
