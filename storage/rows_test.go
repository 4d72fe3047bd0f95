package storage_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// watch is a clock that stands still until the test moves it.
type watch struct{ micros atomic.Int64 }

func (w *watch) Now() time.Time        { return time.UnixMicro(w.micros.Load()).UTC() }
func (w *watch) pass(by time.Duration) { w.micros.Add(by.Microseconds()) }

// onWatch runs f on both databases under a clock of the test's own.
func onWatch(t *testing.T, f func(t *testing.T, db *storage.DB, w *watch)) {
	t.Helper()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := &watch{}
			w.micros.Store(time.Date(2026, 7, 1, 8, 0, 0, 123456000, time.UTC).UnixMicro())
			f(t, storagetest.OpenAt(t, kind, w.Now), w)
		})
	}
}

// patience is how long a test waits for what must happen, on the busiest of machines.
const patience = 4 * time.Minute

// heldUp runs f in another goroutine and returns once it waits for a lock that somebody holds. What is returned waits for
// its end.
func heldUp(t *testing.T, db *storage.DB, f func()) (over func()) {
	t.Helper()
	before, done := must[int64](t)(db.Waits(t.Context())), make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	for began := time.Now(); must[int64](t)(db.Waits(t.Context())) <= before; time.Sleep(time.Millisecond) {
		select {
		case <-done:
			t.Error("it did not wait")
			return func() {}
		default:
		}
		if time.Since(began) > patience {
			t.Fatal("it neither waits nor ends")
		}
	}
	return func() { <-done }
}

// race calls f from 16 goroutines that start together, and returns how many of them said yes.
func race(f func(i int) bool) int {
	var yes atomic.Int64
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range 16 {
		all.Go(func() {
			<-start
			if f(i) {
				yes.Add(1)
			}
		})
	}
	close(start)
	all.Wait()
	return int(yes.Load())
}

func must[T any](t testing.TB) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		ok(t, err)
		return v
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantKind(t *testing.T, err error, want identity.Kind) {
	t.Helper()
	if got := identity.KindOf(err); err == nil || got != want {
		t.Errorf("got %v (kind %d), want kind %d", err, got, want)
	}
}

// asJSON compares JSON by what it says: PostgreSQL keeps no white space.
var asJSON = cmp.Transformer("JSON", func(raw json.RawMessage) (v any) {
	_ = json.Unmarshal(raw, &v)
	return v
})

func same(t *testing.T, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, asJSON); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

// person is someone with an account who is signed in in a browser.
type person struct {
	user   identity.User
	signIn identity.SignIn
	code   identity.Secret // the SignIn's code secret
}

// someone makes a person, and the client "app" if it is not there yet.
func someone(t testing.TB, db *storage.DB) person {
	t.Helper()
	now := db.Now()
	p := person{code: identity.NewSecret(), user: identity.User{
		ID: identity.NewID(), Sub: identity.RandomText(16), Email: strings.ToLower(identity.RandomText(9)) + "@example.com",
		PasswordHash: "hash", CreatedAt: now, UpdatedAt: now, PasswordSetAt: now,
	}}
	p.signIn = identity.SignIn{
		ID: identity.NewID(), UserID: p.user.ID, SecretHash: identity.NewSecret().Hash(), CodeSecretHash: p.code.Hash(),
		AMR: identity.PWD, ProvedAt: now, CreatedAt: now, LastUsedAt: now, IdleEndsAt: now.Add(time.Hour),
		EndsAt: now.Add(24 * time.Hour), Address: "192.0.2.1", UserAgent: "Browser/1",
	}
	ok(t, db.CreateUser(t.Context(), p.user))
	ok(t, db.StartSignIn(t.Context(), p.signIn))
	if err := db.CreateClient(t.Context(), identity.Client{ID: "app", CreatedAt: now}); err != nil {
		wantConflict(t, err)
	}
	return p
}

func wantConflict(t testing.TB, err error) {
	t.Helper()
	if identity.KindOf(err) != identity.Conflict {
		t.Fatal(err)
	}
}

// promise is a code of the person for the client "app".
func (p person) promise(scopes ...string) identity.Promise {
	return identity.Promise{
		SessionID: identity.NewID(), SessionSecret: identity.NewSecret(), SignInID: p.signIn.ID, SignInSecret: p.code, Epoch: p.signIn.Epoch,
		AuthTime: p.signIn.ProvedAt, IssuedAt: p.signIn.ProvedAt, AMR: p.signIn.AMR, Scopes: scopes,
	}
}

// planned is the Session that a promise starts when its SignIn does not shorten it.
func planned(db *storage.DB, p identity.Promise) identity.Session {
	now := db.Now()
	return identity.Session{
		ID: p.SessionID, ClientID: "app", SignInID: p.SignInID, SecretHash: p.SessionSecret.Hash(), Scopes: p.Scopes,
		AMR: p.AMR, AuthTime: p.AuthTime, CreatedAt: now, LastUsedAt: now, IdleEndsAt: now.Add(30 * 24 * time.Hour),
		EndsAt: now.Add(180 * 24 * time.Hour), Address: "192.0.2.2", UserAgent: "App/1",
	}
}

// begin redeems a code of the person.
func (p person) begin(t testing.TB, db *storage.DB, scopes ...string) identity.Session {
	t.Helper()
	promise := p.promise(scopes...)
	promise.ClientEpoch = must[identity.Client](t)(db.RegisteredClient(t.Context(), "app")).Epoch
	s, won, err := db.RedeemCode(t.Context(), promise, planned(db, promise))
	if err != nil || !won {
		t.Fatalf("the code was not redeemed: %v", err)
	}
	return s
}

// struck ends something and returns how many Sessions that struck.
func struck(t testing.TB, db *storage.DB, e identity.Ending) int {
	t.Helper()
	got, err := db.End(t.Context(), e)
	ok(t, err)
	return len(got.Sessions)
}

// living counts the person's Sessions that were not ended.
func (p person) living(t *testing.T, db *storage.DB) (n int64) {
	t.Helper()
	ok(t, db.Q(t.Context()).Raw("SELECT count(*) FROM sessions WHERE user_id = ? AND ended_at IS NULL", p.user.ID).Scan(&n).Error)
	return n
}

// signedIn counts the person's SignIns but one that were not ended.
func (p person) signedIn(t *testing.T, db *storage.DB, but identity.ID) (n int64) {
	t.Helper()
	ok(t, db.Q(t.Context()).Raw("SELECT count(*) FROM sign_ins WHERE user_id = ? AND id <> ? AND ended_at IS NULL", p.user.ID, but).Scan(&n).Error)
	return n
}

// told counts the person's Events of a kind that tell of a detail.
func (p person) told(t *testing.T, db *storage.DB, kind identity.EventKind, detail identity.EndCause) (n int) {
	t.Helper()
	for _, e := range must[[]identity.Event](t)(db.Events(t.Context(), identity.EventQuery{UserID: p.user.ID, Limit: 10_000})) {
		if e.Kind == kind && e.Detail == string(detail) {
			n++
		}
	}
	return n
}

func TestTransactions_whatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		s := p.begin(t, db, "openid", "offline_access")
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			ok(t, storagetest.SetPassword(ctx, db, p.user.ID, "other"))
			ok(t, db.DenyToken(ctx, "jti", db.Now()))
			return db.CreateUser(ctx, p.user)
		})
		wantKind(t, err, identity.Conflict)
		same(t, s, must[identity.Session](t)(db.SessionByID(t.Context(), s.ID)))
		same(t, p.user, must[identity.User](t)(db.UserByID(t.Context(), p.user.ID)))
		if must[bool](t)(db.TokenDenied(t.Context(), "jti")) {
			t.Error("a token stayed denied")
		}
		same(t, []identity.Event{}, must[[]identity.Event](t)(db.Events(t.Context(), identity.EventQuery{UserID: p.user.ID, Limit: 10})))
	})
}

func TestAccounts_tellWhatLivesAndWhatProves(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		first, second := someone(t, db), someone(t, db)
		first.begin(t, db, "offline_access")
		over := first.begin(t, db, "offline_access")
		must[identity.Struck](t)(db.End(t.Context(), identity.Ending{Session: over.ID, Cause: identity.EndOperator}))
		factor := mfa.Authenticator{UserID: first.user.ID, Secret: totpSecret, ConfirmedAt: db.Now()}
		ok(t, db.CreateTOTP(t.Context(), factor))
		ok(t, db.ReplaceRecoveryCodes(t.Context(), first.user.ID, [][]byte{{1}, {2}, {3}}))
		must[bool](t)(db.UseRecoveryCode(t.Context(), first.user.ID, [][]byte{{1}}))

		want := identity.Account{User: first.user, Factors: []identity.Factor{identity.TOTP}, CodesLeft: 2, Sessions: 1}
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
		must[identity.Struck](t)(db.End(t.Context(), identity.Ending{Session: over.ID, Cause: identity.EndOperator}))
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
			must[identity.Struck](t)(db.End(ctx, identity.Ending{Session: id, Cause: identity.EndOperator}))
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

func TestCount_knowsEveryTableAndItsRows(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		c := identity.Client{ID: "notes", CreatedAt: time.UnixMicro(1).UTC(), Metadata: identity.Metadata{AuthMethod: "none"}}
		if err := db.CreateClient(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		rows, err := db.Count(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if rows["clients"] != 1 || rows["users"] != 0 {
			t.Errorf("counted %v, want one client and no user", rows)
		}
		for table := range migrated(t, db) {
			// The rows of these are the same in every installation: they say nothing of what has happened here.
			same := table == "mark_log" || table == "installation"
			if _, counted := rows[table]; counted == same {
				t.Errorf("the table %s: counted is %t", table, counted)
			}
		}
	})
}

func TestOpen_aVolatileDatabaseWaitsForNoDisk(t *testing.T) {
	t.Parallel()
	for volatile, want := range map[bool]int{true: 0, false: 2} { // PRAGMA synchronous: OFF and FULL
		db, err := storage.Open(t.Context(), "sqlite:"+t.TempDir()+"/a.db", storage.Options{Volatile: volatile})
		if err != nil {
			t.Fatal(err)
		}
		var got int
		if err := db.Q(t.Context()).Raw("PRAGMA synchronous").Scan(&got).Error; err != nil || got != want {
			t.Errorf("volatile %t: synchronous is %d, want %d (%v)", volatile, got, want, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What somebody does again and again is one Event with a count, and the newest time: a loop fills nothing.
func TestAddRepeat_countsTheSameWithinAnHour(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		p, other := someone(t, db), someone(t, db)
		again := func(e identity.Event) {
			e.ID, e.At = identity.NewID(), w.Now()
			ok(t, db.AddRepeat(t.Context(), e))
		}
		renamed := identity.Event{Kind: identity.ProfileChanged, UserID: p.user.ID, Detail: "name"}
		updated := identity.Event{Kind: identity.ClientUpdated, ClientID: "app"}
		const often = 1000
		for range often {
			w.pass(time.Second)
			again(renamed)
			again(updated)
		}
		again(identity.Event{Kind: identity.ProfileChanged, UserID: other.user.ID, Detail: "name"})
		again(identity.Event{Kind: identity.ClientUpdated, ClientID: "other"})
		last := w.Now()
		w.pass(time.Hour)
		again(renamed)
		told := map[string][]int{}
		for _, e := range must[[]identity.Event](t)(db.Events(t.Context(), identity.EventQuery{Limit: 100})) {
			if e.Repeats > 0 {
				same(t, last, e.At)
			}
			told[string(e.Kind)+e.UserID.String()+e.ClientID] = append(told[string(e.Kind)+e.UserID.String()+e.ClientID], e.Repeats)
		}
		none := identity.ID{}.String()
		same(t, map[string][]int{
			"profile.changed" + p.user.ID.String():     {0, often - 1},
			"profile.changed" + other.user.ID.String(): {0},
			"client.updated" + none + "app":            {often - 1}, "client.updated" + none + "other": {0},
		}, told)
	})
}

// An app hears of each of several changes that one Event tells of.
func TestAddRepeat_isHeardEachTime(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		p, began := someone(t, db), w.Now()
		heard := map[identity.ID]bool{}
		for range 3 {
			w.pass(time.Second)
			ok(t, db.AddRepeat(t.Context(), profileChanged(db, p)))
			for _, c := range p.changes(t, db, began) {
				heard[c.ID] = true
			}
		}
		same(t, 3, len(heard))
	})
}
