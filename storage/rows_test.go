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
		SessionID: identity.NewID(), SessionSecret: identity.NewSecret(), SignInID: p.signIn.ID, SignInSecret: p.code,
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
	s, won, err := db.RedeemCode(t.Context(), promise, planned(db, promise))
	if err != nil || !won {
		t.Fatalf("the code was not redeemed: %v", err)
	}
	return s
}

// living counts the person's Sessions that were not ended.
func (p person) living(t *testing.T, db *storage.DB) (n int64) {
	t.Helper()
	ok(t, db.Q(t.Context()).Raw("SELECT count(*) FROM sessions WHERE user_id = ? AND ended_at IS NULL", p.user.ID).Scan(&n).Error)
	return n
}

// told counts the person's Events of a kind that tell of a detail.
func (p person) told(t *testing.T, db *storage.DB, kind identity.EventKind, detail identity.EndCause) (n int) {
	t.Helper()
	for _, e := range must[[]identity.Event](t)(db.EventsOf(t.Context(), p.user.ID, 10_000)) {
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
		same(t, []identity.Event{}, must[[]identity.Event](t)(db.EventsOf(t.Context(), p.user.ID, 10)))
	})
}
