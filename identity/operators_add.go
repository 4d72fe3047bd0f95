package identity

import (
	"context"
	"fmt"
	"time"
)

// AddClient adds a client; Conflict when its id is taken.
func (o Operators) AddClient(ctx context.Context, c Client) error {
	return o.Store.InTx(ctx, func(ctx context.Context) error {
		if err := o.Store.CreateClient(ctx, c); err != nil {
			return err
		}
		return o.tell(ctx, Event{Kind: ClientRegistered, ClientID: c.ID})
	})
}

// AddRegistrationToken makes an initial access token (RFC 7591 §3) that is good for so many registrations until it
// expires, and returns its text, which is told this once.
func (o Operators) AddRegistrationToken(ctx context.Context, uses int, expires time.Time) (text string, err error) {
	text, hash := NewInitialToken()
	return text, o.Store.InTx(ctx, func(ctx context.Context) error {
		if err := o.Store.CreateRegistrationToken(ctx, hash, uses, expires); err != nil {
			return err
		}
		return o.tell(ctx, Event{Kind: RegistrationTokenAdded, Detail: fmt.Sprintf("good for %d", uses)})
	})
}

// RetryDelivery makes a Delivery due at once, with all its tries again, dead or not; NotFound when there is none.
func (o Operators) RetryDelivery(ctx context.Context, id ID) error {
	return o.Store.InTx(ctx, func(ctx context.Context) error {
		if err := o.Store.RetryDelivery(ctx, id); err != nil {
			return err
		}
		return o.tell(ctx, Event{Kind: DeliveryRetried, Detail: id.String()})
	})
}

// RetryDead makes every dead Delivery due at once, with all its tries again, and returns how many those were.
func (o Operators) RetryDead(ctx context.Context) (n int, err error) {
	err = o.Store.InTx(ctx, func(ctx context.Context) error {
		if n, err = o.Store.RetryDead(ctx); err != nil || n == 0 {
			return err
		}
		return o.tell(ctx, Event{Kind: DeliveryRetried, Detail: fmt.Sprintf("%d that were given up", n)})
	})
	return n, err
}
