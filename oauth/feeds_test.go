package oauth

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// Whoever joins a read may have been woken by what was committed after it began.
func TestFeeds_whoJoinsAReadMissesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var committed, reads atomic.Int32
		first, goOn := true, make(chan struct{})
		f := &feeds{read: func(context.Context, identity.Feed) ([]identity.Change, error) {
			reads.Add(1)
			seen := make([]identity.Change, committed.Load())
			if first {
				first = false
				<-goOn
			}
			time.Sleep(time.Millisecond)
			return seen, nil
		}}
		feed := identity.Feed{UserID: identity.NewID()}
		go func() { _, _ = f.since(t.Context(), feed) }()
		synctest.Wait()
		committed.Store(1)
		const many = 16
		var heard atomic.Int32
		for range many {
			go func() {
				if changes, err := f.since(t.Context(), feed); err == nil && len(changes) == 1 {
					heard.Add(1)
				}
			}()
		}
		synctest.Wait()
		close(goOn)
		time.Sleep(time.Second)
		if heard.Load() != many {
			t.Errorf("%d of %d heard what was committed while they waited", heard.Load(), many)
		}
		if reads.Load() > 3 {
			t.Errorf("%d reads for %d who asked at once", reads.Load(), many)
		}
	})
}
