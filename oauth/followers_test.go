package oauth

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// followed is a feed that nobody looks for, with one follower.
func followed() (*endingsFeed, *follower) {
	f := newEndingsFeed(&Endpoints{})
	one := &follower{"api", make(chan batch, queued), make(chan struct{})}
	f.followers[one], f.byClient["api"] = true, 1
	return f, one
}

func TestFollower_whoReadsTooSlowlyIsCutOffAndNobodyWaits(t *testing.T) {
	t.Parallel()
	f, slow := followed()
	for i := range queued + 1 {
		f.tell(batch{to: identity.MarkPlace{Position: int64(i)}})
	}
	select {
	case <-slow.over:
	default:
		t.Error("it was not cut off")
	}
	f.leave(slow) // it leaves too, which is once too often
	if f.dropped != 1 || len(f.followers) != 0 || len(f.byClient) != 0 || f.end.Position != queued {
		t.Errorf("%d were cut off, %d follow, %v; told up to %d", f.dropped, len(f.followers), f.byClient, f.end.Position)
	}
}

// A look that began before a beat was asked for may have missed what was committed in between.
func TestFollower_onlyALaterLookVouches(t *testing.T) {
	t.Parallel()
	f, one := followed()
	asked := time.Second
	f.vouch(asked - 1)
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	if _, err := f.seen(ctx, one, asked); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("an earlier look is taken: %v", err)
	}
	f.end = identity.MarkPlace{Position: 7}
	f.vouch(asked)
	if at, err := f.seen(t.Context(), one, asked); err != nil || at.Position != 7 {
		t.Errorf("a later look is not taken: %v, %v", at, err)
	}
	f.restart(identity.MarkPlace{Position: 1})
	if _, err := f.seen(t.Context(), one, 2*asked); !errors.Is(err, errFollowerLost) {
		t.Errorf("who must begin anew is told %v", err)
	}
}
