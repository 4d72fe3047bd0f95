package identity_test

import (
	"crypto/sha256"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// world is a server's domain on a real database, with one person, one public client, and a clock that tests move.
type world struct {
	*testing.T
	db       *storage.DB
	keys     *identity.Keyring
	clock    *clock
	client   identity.Client
	user     identity.User
	signIns  identity.SignIns
	sessions identity.Sessions
	users    identity.Users
}

const password = "correct horse battery"

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// inWorld runs f on both databases.
func inWorld(t *testing.T, f func(w *world)) {
	t.Helper()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f(newWorld(t, kind))
		})
	}
}

func newWorld(t *testing.T, kind string) *world {
	t.Helper()
	c := &clock{at: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)}
	db := storagetest.OpenAt(t, kind, c.now)
	w := &world{T: t, db: db, keys: storagetest.Keys(t), clock: c}
	passwords := identity.NewPasswords(storagetest.CheapHash)
	w.users = identity.Users{Store: db, Passwords: passwords, Now: c.now}
	w.signIns = identity.SignIns{
		Store: db, Keys: w.keys, Passwords: passwords, Now: c.now,
		Lives: identity.Lifetimes{Idle: 12 * time.Hour, Absolute: 14 * 24 * time.Hour},
	}
	w.sessions = identity.Sessions{
		Store: db, Keys: w.keys, Now: c.now, Policy: identity.MFAOptional,
		Lives: identity.Lifetimes{Idle: 30 * 24 * time.Hour, Absolute: 180 * 24 * time.Hour},
	}
	w.client = identity.Client{ID: "notes", CreatedAt: c.now(), Metadata: identity.Metadata{
		AuthMethod: "none", GrantTypes: []string{"authorization_code", "refresh_token"},
		RedirectURIs: []string{"com.example.notes:/cb"}, Scope: "openid offline_access",
	}}
	var err error
	if err = db.CreateClient(t.Context(), w.client); err != nil {
		t.Fatal(err)
	}
	w.user, err = w.users.Add(t.Context(), identity.NewUser{Email: "ada@example.com", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// signIn types the password into a fresh browser.
func (w *world) signIn() (cookie string) {
	w.Helper()
	cookie, err := w.signIns.Begin(w.Context(), identity.Attempt{Email: w.user.Email, Password: password})
	if err != nil {
		w.Fatal(err)
	}
	return cookie
}

func (w *world) standing(cookie string) identity.Standing {
	w.Helper()
	standing, err := w.signIns.Current(w.Context(), cookie)
	if err != nil {
		w.Fatal(err)
	}
	return standing
}

// promise is the code that authorize would make for the browser behind cookie.
func (w *world) promise(cookie string, scopes ...string) identity.Promise {
	w.Helper()
	standing := w.standing(cookie)
	if !standing.SignedIn() {
		w.Fatal("nobody is signed in")
	}
	return identity.Promise{
		SessionID: identity.NewID(), SessionSecret: identity.NewSecret(),
		SignInID: standing.SignIn.ID, SignInSecret: standing.Pointer.CodeSecret, Epoch: standing.SignIn.Epoch,
		Binding:  identity.NewBinding(w.client.ID, "com.example.notes:/cb", sha256.Sum256([]byte("verifier"))),
		AuthTime: standing.SignIn.ProvedAt, IssuedAt: w.clock.now(), AMR: standing.SignIn.AMR, Scopes: scopes,
	}
}

// start signs in and redeems a code for an offline Session.
func (w *world) start() identity.RefreshToken {
	w.Helper()
	_, token, err := w.sessions.Start(w.Context(), w.promise(w.signIn(), "openid", "offline_access"), identity.Holder{Client: w.client})
	if err != nil {
		w.Fatal(err)
	}
	return token
}

func (w *world) refresh(token identity.RefreshToken) (identity.RefreshToken, error) {
	_, next, err := w.sessions.Refresh(w.Context(), token, identity.Holder{Client: w.client})
	return next, err
}

func (w *world) mustRefresh(token identity.RefreshToken) identity.RefreshToken {
	w.Helper()
	next, err := w.refresh(token)
	if err != nil {
		w.Fatal(err)
	}
	return next
}

func (w *world) row(id identity.ID) identity.Session {
	w.Helper()
	row, err := w.db.SessionByID(w.Context(), id)
	if err != nil {
		w.Fatal(err)
	}
	return row
}

func (w *world) wantRefused(err error, what string) {
	w.Helper()
	if identity.KindOf(err) != identity.SignInAgain {
		w.Errorf("%s: %v, want a refusal that says to sign in again", what, err)
	}
}

// events counts the person's events of a kind.
func (w *world) events(kind identity.EventKind) (n int) {
	w.Helper()
	events, err := w.db.Events(w.Context(), identity.EventQuery{UserID: w.user.ID, Limit: 1000})
	if err != nil {
		w.Fatal(err)
	}
	for _, e := range events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// race runs f in n goroutines at once and returns their errors.
func race(n int, f func(i int) error) []error {
	var wg sync.WaitGroup
	gate, errs := make(chan struct{}), make([]error, n)
	for i := range n {
		wg.Go(func() {
			<-gate
			errs[i] = f(i)
		})
	}
	close(gate)
	wg.Wait()
	return errs
}
