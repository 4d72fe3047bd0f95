package oauth

import (
	"context"
	"errors"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	documentsAtOnce = 32            // looked at in one turn
	lookAgain       = time.Hour     // after a document that could not be read
	lookAtGone      = 6 * time.Hour // after one that was not there
)

// Check reads those documents again that were not read for a day, of clients that somebody uses, and reports whether more
// wait. A client whose document was not there for seven days, each time its host was asked and answered, is over with its
// Sessions; one that nobody uses is forgotten until somebody signs in with it. A host that cannot be reached ends nothing.
func (d *ClientDocuments) Check(ctx context.Context) (more bool, err error) {
	if !d.On() {
		return false, nil
	}
	again := d.o.Now().Add(lookAgain).Truncate(time.Microsecond)
	due, err := d.o.Store.DocumentsDue(ctx, documentsAtOnce, again)
	for _, c := range due {
		err = errors.Join(err, d.check(ctx, c, again))
	}
	return len(due) == documentsAtOnce, err
}

func (d *ClientDocuments) check(ctx context.Context, c identity.Client, again time.Time) error {
	if dropped, err := d.o.Store.DropIdleDocument(ctx, c.ID, again); dropped || err != nil {
		return err
	}
	if d.o.Rules.Takes(c.ID) != nil {
		return nil // it is refused here, and may be taken again
	}
	got, err := d.fetch(ctx, c.ID)
	switch {
	case errors.Is(err, errUnpublished):
		return d.gone(ctx, c)
	case err != nil:
		d.o.Log.DebugContext(ctx, "a client's document cannot be read", "client", c.ID, "error", err)
		return nil
	}
	d.tried(c.ID, got, nil)
	c.Metadata, c.Published = got.metadata, got.published
	_, err = d.o.Store.KeepDocument(ctx, c)
	return err
}

// gone notes that a document is not there, and ends its client where it was not for long.
func (d *ClientDocuments) gone(ctx context.Context, c identity.Client) error {
	since, err := d.o.Store.DocumentGone(ctx, c.ID, d.o.Now().Add(lookAtGone))
	if err != nil || d.o.Now().Sub(since) < goneDocument {
		return err
	}
	d.o.Log.InfoContext(ctx, "a client is over: its document was not there for seven days", "client", c.ID)
	return d.o.Store.InTx(ctx, func(ctx context.Context) error {
		if err := d.o.Store.DeleteClient(ctx, c.ID); err != nil {
			return err
		}
		return d.o.Store.AddEvent(ctx, identity.Event{
			ID: identity.NewID(), At: d.o.Now(), Kind: identity.ClientDeleted, ClientID: c.ID, Detail: "its document is gone",
		})
	})
}
