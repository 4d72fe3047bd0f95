package storage_test

import (
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

// another is one more browser that the person signs in with.
func (p person) another(t *testing.T, db *storage.DB) person {
	t.Helper()
	now := db.Now()
	p.signIn.ID, p.code = identity.NewID(), identity.NewSecret()
	p.signIn.CodeSecretHash = p.code.Hash()
	p.signIn.ProvedAt, p.signIn.CreatedAt, p.signIn.LastUsedAt = now, now, now
	p.signIn.IdleEndsAt, p.signIn.EndsAt = now.Add(time.Hour), now.Add(24*time.Hour)
	ok(t, db.StartSignIn(t.Context(), p.signIn))
	return p
}

func TestBareSignIns_areThoseThatLiveWithoutASession(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		idle := someone(t, db)
		w.pass(2 * time.Hour)
		used, ended, first := idle.another(t, db), idle.another(t, db), idle.another(t, db)
		w.pass(time.Second)
		second := idle.another(t, db)
		session := used.begin(t, db, "offline_access")
		someone(t, db) // somebody else's
		must[identity.Struck](t)(db.End(t.Context(), identity.Ending{SignIn: ended.signIn.ID, Cause: identity.EndDevice}))
		list := func(limit int) []identity.SignIn {
			return must[[]identity.SignIn](t)(db.BareSignIns(t.Context(), idle.user.ID, limit))
		}
		same(t, []identity.SignIn{second.signIn, first.signIn}, list(10))
		same(t, []identity.SignIn{second.signIn}, list(1))
		must[identity.Struck](t)(db.End(t.Context(), identity.Ending{Session: session.ID, Cause: identity.EndRevoked}))
		if got := list(10); len(got) != 3 {
			t.Errorf("%d browsers once no app lives that one opened, want 3", len(got))
		}
		must[identity.Struck](t)(db.End(t.Context(), identity.Ending{User: idle.user.ID, Cause: identity.EndPassword}))
		if got := list(10); len(got) != 0 {
			t.Errorf("%d browsers after the password changed", len(got))
		}
	})
}

func TestSessionsPast_theLastThatWasOverComesFirst(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		p := someone(t, db)
		idle := p.begin(t, db, "offline_access") // over after 30 days
		w.pass(29 * 24 * time.Hour)
		p = p.another(t, db)
		ended, lives := p.begin(t, db, "offline_access"), p.begin(t, db, "offline_access")
		must[identity.Struck](t)(db.End(t.Context(), identity.Ending{Session: ended.ID, Cause: identity.EndDevice}))
		since := db.Now().Add(-24 * time.Hour)
		past := func(limit int) (ids []identity.ID) {
			for _, s := range must[[]identity.Session](t)(db.SessionsPast(t.Context(), p.user.ID, since, limit)) {
				ids = append(ids, s.ID)
			}
			return ids
		}
		same(t, []identity.ID{ended.ID}, past(10))
		w.pass(24 * time.Hour)
		same(t, []identity.ID{idle.ID, ended.ID}, past(10))
		same(t, []identity.ID{idle.ID}, past(1))
		since = db.Now()
		same(t, []identity.ID{idle.ID}, past(10)) // at this very moment
		since = db.Now().Add(time.Second)
		if got := past(10); len(got) != 0 || !must[identity.Session](t)(db.SessionByID(t.Context(), lives.ID)).Alive(db.Now()) {
			t.Errorf("%v are past", got)
		}
	})
}

func TestGrantsOf_theLastAllowedComesFirst(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		p, other := someone(t, db), someone(t, db)
		var want []identity.Grant
		for _, id := range []string{"b", "a", "c"} {
			w.pass(time.Second)
			g := identity.Grant{UserID: p.user.ID, ClientID: id, Scopes: []string{"openid", "email"}, UpdatedAt: db.Now()}
			ok(t, failed(db.SaveGrant(t.Context(), g, identity.MaxGrants)))
			want = append([]identity.Grant{g}, want...)
		}
		ok(t, failed(db.SaveGrant(t.Context(), identity.Grant{UserID: other.user.ID, ClientID: "a", UpdatedAt: db.Now()}, identity.MaxGrants)))
		same(t, want, must[[]identity.Grant](t)(db.GrantsOf(t.Context(), p.user.ID, 10)))
		same(t, want[:1], must[[]identity.Grant](t)(db.GrantsOf(t.Context(), p.user.ID, 1)))
	})
}
