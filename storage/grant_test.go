package storage_test

import (
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func TestGrants_theLatestCounts(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		user := someone(t, db).user
		same(t, identity.Grant{}, must[identity.Grant](t)(db.GrantOf(t.Context(), user.ID, "app")))
		for i, scopes := range [][]string{{"openid"}, {"openid", "email"}, nil} {
			want := identity.Grant{
				UserID: user.ID, ClientID: "app", Scopes: scopes, UpdatedAt: db.Now().Add(time.Duration(i) * time.Hour),
			}
			ok(t, db.SaveGrant(t.Context(), want))
			same(t, want, must[identity.Grant](t)(db.GrantOf(t.Context(), user.ID, "app")))
		}
		same(t, identity.Grant{}, must[identity.Grant](t)(db.GrantOf(t.Context(), user.ID, "other")))
	})
}

func TestEvents_newestFirst(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		user, at := identity.NewID(), db.Now()
		full := identity.Event{
			ID: identity.NewID(), At: at.Add(time.Second), Kind: identity.SessionForked, UserID: user,
			SessionID: identity.NewID(), ClientID: "app", Detail: "détail", Address: "2001:db8::1",
		}
		bare := identity.Event{ID: identity.NewID(), At: at, Kind: identity.SignedIn, UserID: user}
		nobodys := identity.Event{ID: identity.NewID(), At: at, Kind: identity.KeysRotated, Detail: "ES256"}
		for _, e := range []identity.Event{full, bare, nobodys} {
			ok(t, db.AddEvent(t.Context(), e))
		}
		same(t, []identity.Event{full, bare}, must[[]identity.Event](t)(db.Events(t.Context(), identity.EventQuery{UserID: user, Limit: 10})))
		same(t, []identity.Event{full}, must[[]identity.Event](t)(db.Events(t.Context(), identity.EventQuery{UserID: user, Limit: 1})))
	})
}
