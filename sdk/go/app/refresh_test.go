package app

import (
	"sync"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/sdk/go/internal/clock"
)

func TestToken_manyAtOnceRefreshOnce(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	a := f.signedIn(t)
	before := f.tokens
	err := a.change(t.Context(), func(r *record) error {
		r.Tokens.Got = r.Tokens.Got.Add(-time.Hour)
		return a.save(r)
	})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := a.Token(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if f.tokens != before+1 {
		t.Errorf("%d refreshes", f.tokens-before)
	}
}

func TestBackoff_growsWithSomeChanceInIt(t *testing.T) {
	t.Parallel()
	for n, whole := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		whole *= time.Second
		for range 100 {
			if wait := clock.Backoff(n, firstWait, longWait); wait < whole/2 || wait > whole {
				t.Fatalf("wait %d is %v, of %v", n, wait, whole)
			}
		}
	}
	if wait := clock.Backoff(1<<30, firstWait, longWait); wait < longWait/2 || wait > longWait {
		t.Errorf("after a day of waits: %v", wait)
	}
}
