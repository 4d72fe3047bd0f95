package web

import (
	"cmp"
	"context"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// accountStore is what the pages of the account show.
type accountStore interface {
	FindSessions(ctx context.Context, q identity.SessionQuery) ([]identity.Live, error)
	SessionsPast(ctx context.Context, userID identity.ID, since time.Time, limit int) ([]identity.Session, error)
	BareSignIns(ctx context.Context, userID identity.ID, limit int) ([]identity.SignIn, error)
	GrantsOf(ctx context.Context, userID identity.ID, limit int) ([]identity.Grant, error)
	EventsOf(ctx context.Context, userID identity.ID, limit int) ([]identity.Event, error)
	RecoveryCodesLeft(ctx context.Context, userID identity.ID) (int, error)
}

// clients reads clients by their ids, each once: a page names one app many times.
type clients map[string]identity.Client

// client returns a client, or one that says only its id when it is gone.
func (p *Pages) client(ctx context.Context, known clients, id string) (identity.Client, error) {
	if c, ok := known[id]; ok {
		return c, nil
	}
	c, err := p.Store.ClientByID(ctx, id)
	if err != nil && identity.KindOf(err) != identity.NotFound {
		return identity.Client{}, err
	}
	c.ID = id
	known[id] = c
	return c, nil
}

// called is the app's name. One without is better known by its id than mistaken for another.
func called(c identity.Client) string { return cmp.Or(c.Name, c.ID) }
