package identity_test

import (
	"context"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

// swept is a database whose unused clients are swept at the worst moment: once a code was redeemed, or just before its client
// is marked as used.
type swept struct {
	*storage.DB
	redeemed bool
}

func (d swept) sweep(ctx context.Context) error {
	_, err := d.SweepClients(ctx, d.Now().Add(time.Hour))
	return err
}

func (d swept) RedeemCode(ctx context.Context, p identity.Promise, s identity.Session) (identity.Session, bool, error) {
	row, won, err := d.DB.RedeemCode(ctx, p, s)
	if err == nil && d.redeemed {
		err = d.sweep(ctx)
	}
	return row, won, err
}

func (d swept) MarkClientUsed(ctx context.Context, id string) error {
	if !d.redeemed {
		if err := d.sweep(ctx); err != nil {
			return err
		}
	}
	return d.DB.MarkClientUsed(ctx, id)
}

// A client that signs somebody in while the unused ones are swept is used, or signs nobody in: no Session is left that nobody
// can go on with.
func TestStart_theSweepOfUnusedClientsTakesNoneThatSignsIn(t *testing.T) {
	t.Parallel()
	for name, redeemed := range map[string]bool{"once a code was redeemed": true, "before the client is marked": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				w.client.ID, w.client.SelfRegistered = "young", true
				if err := w.db.CreateClient(w.Context(), w.client); err != nil {
					w.Fatal(err)
				}
				sessions := w.sessions
				sessions.Store = swept{w.db, redeemed}
				p := w.promise(w.signIn(), "openid", "offline_access")
				_, token, err := sessions.Start(w.Context(), p, identity.Holder{Client: w.client})
				if err != nil && !redeemed {
					return // it was swept first
				}
				if err != nil {
					w.Fatal(err)
				}
				if _, err := w.db.ClientByID(w.Context(), "young"); err != nil {
					w.Errorf("its client: %v", err)
				}
				w.mustRefresh(token)
			})
		})
	}
}
