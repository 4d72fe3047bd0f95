package storage_test

import (
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func TestAccounts_tellWhatLivesAndWhatProves(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		first, second := someone(t, db), someone(t, db)
		first.begin(t, db, "offline_access")
		over := first.begin(t, db, "offline_access")
		must[bool](t)(db.EndSession(t.Context(), over.ID, identity.EndOperator))
		factor := mfa.Factor{UserID: first.user.ID, Secret: totpSecret, ConfirmedAt: db.Now()}
		ok(t, db.CreateTOTP(t.Context(), factor, [][]byte{{1}, {2}, {3}}))
		must[bool](t)(db.UseRecoveryCode(t.Context(), first.user.ID, []byte{1}))

		want := identity.Account{User: first.user, TOTP: true, CodesLeft: 2, Sessions: 1}
		same(t, want, must[identity.Account](t)(db.AccountByID(t.Context(), first.user.ID)))
		all := must[[]identity.Account](t)(db.Accounts(t.Context(), identity.AccountQuery{Limit: 10}))
		same(t, []identity.Account{{User: second.user}, want}, all)
		_, err := db.AccountByID(t.Context(), identity.NewID())
		wantKind(t, err, identity.NotFound)
	})
}

func TestAccounts_pageByPage(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		people := []person{someone(t, db), someone(t, db), someone(t, db)}
		asked := identity.AccountQuery{Limit: 1}
		for _, i := range []int{2, 1, 0} {
			page := must[[]identity.Account](t)(db.Accounts(t.Context(), asked))
			same(t, []identity.Account{{User: people[i].user}}, page)
			asked.After = page[0].ID
		}
		same(t, 0, len(must[[]identity.Account](t)(db.Accounts(t.Context(), asked))))
		for email, found := range map[string]int{people[1].user.Email: 1, "nobody@example.com": 0, "nul\x00@example.com": 0} {
			same(t, found, len(must[[]identity.Account](t)(db.Accounts(t.Context(), identity.AccountQuery{Email: email, Limit: 9}))))
		}
	})
}

func TestFindSessions_ofAPersonAndOfAClient(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		ada, bob := someone(t, db), someone(t, db)
		first, second, third := ada.begin(t, db, "openid"), bob.begin(t, db, "openid"), ada.begin(t, db, "openid")
		over := ada.begin(t, db, "openid")
		must[bool](t)(db.EndSession(t.Context(), over.ID, identity.EndOperator))
		for _, c := range []struct {
			asked identity.SessionQuery
			want  []identity.ID
		}{
			{identity.SessionQuery{Limit: 9}, []identity.ID{third.ID, second.ID, first.ID}},
			{identity.SessionQuery{Limit: 2}, []identity.ID{third.ID, second.ID}},
			{identity.SessionQuery{Limit: 2, After: second.ID}, []identity.ID{first.ID}},
			{identity.SessionQuery{Limit: 9, UserID: ada.user.ID}, []identity.ID{third.ID, first.ID}},
			{identity.SessionQuery{Limit: 9, ClientID: "app", UserID: bob.user.ID}, []identity.ID{second.ID}},
			{identity.SessionQuery{Limit: 9, ClientID: "other"}, []identity.ID{}},
			{identity.SessionQuery{Limit: 9, ClientID: "\x00"}, []identity.ID{}},
		} {
			got := []identity.ID{}
			for _, l := range must[[]identity.Live](t)(db.FindSessions(t.Context(), c.asked)) {
				got = append(got, l.Session.ID)
			}
			same(t, c.want, got)
		}
	})
}

// A disabled client is nothing to requests, and all there to operators.
func TestClients_listsDisabledOnesToo(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		for _, id := range []string{"a", "b", "c"} {
			ok(t, db.CreateClient(t.Context(), identity.Client{ID: id, CreatedAt: db.Now()}))
		}
		at := db.Now()
		must[bool](t)(db.SetClientDisabled(t.Context(), "b", at))
		list := func(q identity.ClientQuery) (ids []string) {
			for _, c := range must[[]identity.Client](t)(db.Clients(t.Context(), q)) {
				ids = append(ids, c.ID)
			}
			return ids
		}
		same(t, []string{"a", "b"}, list(identity.ClientQuery{Limit: 2}))
		same(t, []string{"c"}, list(identity.ClientQuery{Limit: 2, After: "b"}))
		_, err := db.ClientByID(t.Context(), "b")
		wantKind(t, err, identity.NotFound)
		same(t, at, must[identity.Client](t)(db.RegisteredClient(t.Context(), "b")).DisabledAt)
		for _, id := range []string{"d", "", "nul\x00"} {
			_, err := db.RegisteredClient(t.Context(), id)
			wantKind(t, err, identity.NotFound)
		}
	})
}

func TestEvents_ofAPersonOfASessionAndPageByPage(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		ada, bob := someone(t, db), someone(t, db)
		one, other := ada.begin(t, db, "openid"), ada.begin(t, db, "openid")
		ctx := identity.WithActor(t.Context(), "cli:ada")
		for _, id := range []identity.ID{one.ID, other.ID, bob.begin(t, db, "openid").ID} {
			must[bool](t)(db.EndSession(ctx, id, identity.EndOperator))
		}
		sessions := func(q identity.EventQuery) (ids []identity.ID) {
			for _, e := range must[[]identity.Event](t)(db.Events(t.Context(), q)) {
				if e.Kind == identity.SessionEnded {
					same(t, "cli:ada", e.Actor)
					ids = append(ids, e.SessionID)
				}
			}
			return ids
		}
		same(t, 3, len(sessions(identity.EventQuery{Limit: 100})))
		same(t, []identity.ID{other.ID, one.ID}, sessions(identity.EventQuery{UserID: ada.user.ID, Limit: 100}))
		same(t, []identity.ID{one.ID}, sessions(identity.EventQuery{SessionID: one.ID, Limit: 100}))
		newest := must[[]identity.Event](t)(db.Events(t.Context(), identity.EventQuery{UserID: ada.user.ID, Limit: 1}))[0]
		same(t, []identity.ID{one.ID}, sessions(identity.EventQuery{UserID: ada.user.ID, After: newest.ID, Limit: 1}))
		// Events outlive the row of their Session.
		ok(t, db.Q(t.Context()).Exec("DELETE FROM sessions WHERE id = ?", one.ID).Error)
		same(t, []identity.ID{one.ID}, sessions(identity.EventQuery{SessionID: one.ID, Limit: 100}))
	})
}
