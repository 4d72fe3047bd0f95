package storage_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// bench is a clock with everything around it under the test's control.
type bench struct {
	clock   *storage.Clock
	started time.Time
	elapsed time.Duration // the process's own count
	ahead   time.Duration // how far the database is ahead of it
	there   time.Duration // how long a question takes to arrive
	back    time.Duration // and the answer
	err     error
}

func newBench() *bench {
	b := &bench{started: time.Date(2026, 1, 1, 12, 0, 0, 123456789, time.FixedZone("", 3600))}
	b.clock = storage.NewTestClock(b.started, func() time.Duration { return b.elapsed }, func(context.Context) (time.Time, error) {
		b.elapsed += b.there
		now := b.truth()
		b.elapsed += b.back
		return now, b.err
	})
	return b
}

func (b *bench) truth() time.Time { return b.started.Add(b.elapsed + b.ahead) }

// off is how far the clock is from the database's.
func (b *bench) off() time.Duration { return b.clock.Now().Sub(b.truth().Truncate(time.Microsecond)) }

func (b *bench) measure(t *testing.T) {
	t.Helper()
	if err := b.clock.Measure(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestClock_goesByTheDatabase(t *testing.T) {
	t.Parallel()
	for name, ahead := range map[string]time.Duration{"behind": -3 * time.Hour, "ahead": 47 * time.Hour, "right": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench()
			b.ahead, b.there, b.back = ahead, 20*time.Millisecond, 20*time.Millisecond
			b.measure(t)
			b.elapsed += time.Minute
			if got := b.off(); got != 0 {
				t.Errorf("off by %v", got)
			}
		})
	}
}

func TestClock_isWrongByHalfARoundTripAtMost(t *testing.T) {
	t.Parallel()
	b := newBench()
	b.ahead, b.there, b.back = time.Hour, 0, 100*time.Millisecond
	b.measure(t)
	if got := b.off().Abs(); got > 50*time.Millisecond {
		t.Errorf("off by %v", got)
	}
}

func TestClock_doesNotTrembleWithTheRoundTrip(t *testing.T) {
	t.Parallel()
	b := newBench()
	b.measure(t)
	b.there = 80 * time.Millisecond
	b.measure(t)
	if got := b.off(); got != 0 {
		t.Errorf("a slower question moved the clock by %v", got)
	}
	b.ahead = 81 * time.Millisecond // more than the round trip leaves open
	b.measure(t)
	if got := b.off().Abs(); got > 40*time.Millisecond {
		t.Errorf("still off by %v", got)
	}
}

func TestClock_distrustsASlowAnswer(t *testing.T) {
	t.Parallel()
	b := newBench()
	b.ahead, b.back = time.Hour, 3*time.Second
	if err := b.clock.Measure(t.Context()); err == nil || b.clock.Healthy() == nil {
		t.Errorf("trusted an answer that took 3 s: %v", err)
	}
}

func TestClock_unmeasuredIsUnhealthy(t *testing.T) {
	t.Parallel()
	b := newBench()
	if b.clock.Healthy() == nil {
		t.Error("healthy before the first measurement")
	}
	b.measure(t)
	b.elapsed += 30 * time.Second
	if err := b.clock.Healthy(); err != nil {
		t.Errorf("unhealthy after 30 s: %v", err)
	}
	b.err = errors.New("away")
	b.ahead = time.Hour
	if err := b.clock.Measure(t.Context()); !errors.Is(err, b.err) {
		t.Errorf("got %v, want %v", err, b.err)
	}
	b.elapsed += time.Millisecond
	if b.clock.Healthy() == nil {
		t.Error("healthy though the last good measurement is older than 30 s")
	}
	if got := b.off(); got != -time.Hour {
		t.Errorf("a measurement that failed moved the clock: off by %v", got)
	}
	b.err = nil
	b.measure(t)
	if err := b.clock.Healthy(); err != nil || b.off() != 0 {
		t.Errorf("not well again: %v, off by %v", err, b.off())
	}
}

func TestClock_readsInUTCMicroseconds(t *testing.T) {
	t.Parallel()
	now := newBench().clock.Now()
	if now.Location() != time.UTC || now.Nanosecond()%1000 != 0 || now != now.Round(0) {
		t.Errorf("%v is not UTC in whole microseconds without a monotonic part", now)
	}
}

func TestClock_measuresEitherDatabase(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		clock := storage.NewClock(db)
		if err := errors.Join(clock.Measure(t.Context()), clock.Healthy()); err != nil {
			t.Fatal(err)
		}
		if off := time.Since(clock.Now()).Abs(); off > 5*time.Second {
			t.Errorf("off by %v from this machine", off)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		clock.Run(ctx) // returns
	})
}

func TestClock_runMeasuresEveryFiveSecondsAndWaitsForNoOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		var asked atomic.Int64
		var hangs atomic.Bool
		clock := storage.NewTestClock(started, func() time.Duration { return time.Since(started) }, func(ctx context.Context) (time.Time, error) {
			asked.Add(1)
			if hangs.Load() {
				<-ctx.Done()
			}
			return time.Now().Add(time.Hour), ctx.Err()
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go clock.Run(ctx)
		time.Sleep(11 * time.Second)
		if off := time.Until(clock.Now()); asked.Load() != 2 || off.Round(time.Millisecond) != time.Hour {
			t.Errorf("asked %d times in 11 s, %v ahead; want 2 and 1h", asked.Load(), off)
		}
		hangs.Store(true)
		time.Sleep(31 * time.Second)
		if asked.Load() < 7 || clock.Healthy() == nil {
			t.Errorf("asked %d times, want it to go on asking; Healthy: %v", asked.Load(), clock.Healthy())
		}
	})
}
