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

// A person's streams are woken together, and judged by one read of all of them.
func TestVerdicts_oneReadJudgesAllStreamsOfAPerson(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, user := newStreams(), identity.NewID()
		var reads, asked, judged atomic.Int32
		v := &verdicts{read: func(_ context.Context, all []identity.Held) (map[identity.Held]identity.Live, error) {
			reads.Add(1)
			asked.Store(int32(len(all)))
			time.Sleep(time.Millisecond)
			live := map[identity.Held]identity.Live{}
			for _, h := range all {
				live[h] = identity.Live{Session: identity.Session{ID: h.SessionID}}
			}
			return live, nil
		}}
		for range maxPerPerson {
			added, err := s.add(user, heldBy(identity.NewID()), "")
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				live, err := v.of(t.Context(), user, added.held, func() []identity.Held { return s.held(user) })
				if err == nil && live.Session.ID == added.held.SessionID {
					judged.Add(1)
				}
			}()
		}
		time.Sleep(time.Second)
		if judged.Load() != maxPerPerson || asked.Load() != maxPerPerson || reads.Load() > 2 {
			t.Errorf("%d of %d judged by %d reads of %d", judged.Load(), maxPerPerson, reads.Load(), asked.Load())
		}
		_, err := v.of(t.Context(), user, heldBy(identity.NewID()), func() []identity.Held { return s.held(user) })
		if identity.KindOf(err) != identity.NotFound {
			t.Errorf("a session that is gone: %v", err)
		}
	})
}
