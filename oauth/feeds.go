package oauth

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/sojourn-auth/sojourn/identity"
)

// feedWithin bounds one read for all who wait for it.
const feedWithin = 5 * time.Second

// feeds reads what happened to a person once for all streams that ask at the same time: what wakes one of them wakes all.
type feeds struct {
	read  func(context.Context, identity.Feed) ([]identity.Change, error)
	under singleflight.Group
}

// since returns what happened since a little before a time, the oldest first; others read the same slice. Whoever joins a
// read that was under way asks once more: it may have begun before that was committed which woke him.
func (f *feeds) since(ctx context.Context, feed identity.Feed) ([]identity.Change, error) {
	feed.After = feed.After.Truncate(time.Second) // so that those who were woken together ask the same
	changes, led, err := f.once(ctx, feed)
	if err != nil || led {
		return changes, err
	}
	changes, _, err = f.once(ctx, feed)
	return changes, err
}

// once reads, or joins whoever reads the same.
func (f *feeds) once(ctx context.Context, feed identity.Feed) (changes []identity.Change, led bool, err error) {
	key := fmt.Sprint(feed.UserID, feed.ClientID, feed.Own, feed.After.Unix())
	all, err, _ := f.under.Do(key, func() (any, error) {
		led = true
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), feedWithin) // the others go on when this one leaves
		defer stop()
		return f.read(ctx, feed)
	})
	if err != nil {
		return nil, led, err
	}
	return all.([]identity.Change), led, nil
}
