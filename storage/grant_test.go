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
			ok(t, failed(db.SaveGrant(t.Context(), want, identity.MaxGrants)))
			same(t, want, must[identity.Grant](t)(db.GrantOf(t.Context(), user.ID, "app")))
		}
		same(t, identity.Grant{}, must[identity.Grant](t)(db.GrantOf(t.Context(), user.ID, "other")))
	})
}

// Of as many clients as a person may allow something the oldest one gives way that nothing rests on: neither a Session that lives, nor a
// document, nor the very consent that is given anew.
func TestGrants_theOldestOneInNoUseGivesWay(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		p := someone(t, db)
		const most = 5
		give := func(client string) bool {
			t.Helper()
			w.pass(time.Second)
			return must[bool](t)(db.SaveGrant(t.Context(), identity.Grant{UserID: p.user.ID, ClientID: client, UpdatedAt: w.Now()}, most))
		}
		kept := func() (ids []string) {
			for _, g := range must[[]identity.Grant](t)(db.GrantsOf(t.Context(), p.user.ID, 100)) {
				ids = append(ids, g.ClientID)
			}
			return ids
		}
		writes := func(client string) {
			at := identity.DocumentKey{UserID: p.user.ID, ClientID: client, Key: "k"}
			_, _, err := identity.Documents{Store: db}.Put(t.Context(), at, "1", identity.Condition{})
			ok(t, err)
		}
		p.begin(t, db, "openid") // a Session of "app", which lives
		for _, client := range []string{"app", "notes", "old", "older", "new"} {
			same(t, true, give(client))
		}
		writes("notes")
		same(t, true, give("old")) // again: it is none more, and the newest now
		same(t, true, give("one more"))
		same(t, []string{"one more", "old", "new", "notes", "app"}, kept())
		for _, client := range []string{"one more", "old", "new"} {
			writes(client)
		}
		same(t, false, give("too many"))
		same(t, true, give("app"))
		same(t, []string{"app", "one more", "old", "new", "notes"}, kept())
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
