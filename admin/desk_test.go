package admin_test

import (
	"bytes"
	gocmp "cmp"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/mux"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// desk is the API on a server of its own, before a database whose clock the test moves, and a token that opens it.
type desk struct {
	*testing.T
	db     *storage.DB
	router *mux.Router
	tokens identity.AdminTokens
	token  string
	url    string
	log    bytes.Buffer
	phone  string // what devices are called; empty: Ada's phone

	mu sync.Mutex
	at time.Time
}

// atDesk runs f on both databases.
func atDesk(t *testing.T, f func(d *desk)) {
	t.Helper()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, kind)
			d.token = d.add("deploy")
			f(d)
		})
	}
}

func newDesk(t *testing.T, kind string) *desk {
	t.Helper()
	router := mux.NewRouter().UseEncodedPath().SkipClean(true)
	d := &desk{T: t, router: router, at: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)}
	d.db = storagetest.OpenAt(t, kind, d.now)
	d.tokens = identity.AdminTokens{Store: d.db, Now: d.now}
	admin.New(d.options()).Routes(d.router)
	server := httptest.NewServer(d.router)
	t.Cleanup(server.Close)
	d.url = server.URL
	return d
}

// options are what API and desk are made of.
func (d *desk) options() admin.Options {
	return admin.Options{
		Store: d.db, Lists: d.db.Lists(), Tokens: d.tokens, Operators: identity.Operators{Store: d.db, Now: d.now, MailOn: true},
		Offices: identity.Offices{Store: d.db, Now: d.now}, SigningKeys: identity.SigningKeys{Store: d.db, Now: d.now},
		Links: identity.MailLinks{Store: d.db, Keys: storagetest.Keys(d.T), Now: d.now}, Issuer: "https://id.example",
		Webhooks: identity.Webhooks{Store: d.db, Now: d.now},
		Keys:     storagetest.Keys(d.T),
		TOTP:     mfa.TOTP{Store: d.db, Keys: storagetest.Keys(d.T), Now: d.now}, Log: slog.New(slog.NewTextHandler(&d.log, nil)),
	}
}

func (d *desk) now() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.at
}

func (d *desk) pass(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = d.at.Add(by)
}

func (d *desk) add(name string) string {
	d.Helper()
	token, err := d.tokens.Add(d.Context(), name, identity.RoleOperator)
	d.ok(err)
	return token
}

func (d *desk) ok(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

// reply is an answer.
type reply struct {
	status int
	header http.Header
	body   string
}

// ask sends "METHOD /api/…" with the desk's token.
func (d *desk) ask(what string) reply {
	d.Helper()
	return d.askWith("Bearer "+d.token, what)
}

// askWith sends "METHOD /api/…", and what follows another space as the body.
func (d *desk) askWith(authorization, what string) reply {
	d.Helper()
	method, path, _ := strings.Cut(what, " ")
	path, body, _ := strings.Cut(path, " ")
	r, err := http.NewRequestWithContext(d.Context(), method, d.url+path, strings.NewReader(body))
	d.ok(err)
	r.Header.Set("Authorization", authorization)
	response, err := http.DefaultClient.Do(r)
	d.ok(err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	d.ok(err)
	return reply{response.StatusCode, response.Header, string(answer)}
}

// want asks, and reads the answer of a status into v, which may be nil.
func (d *desk) want(status int, what string, v any) reply {
	d.Helper()
	got := d.ask(what)
	if got.status != status {
		d.Fatalf("%s: %d %s", what, got.status, got.body)
	}
	if v != nil {
		d.ok(json.Unmarshal([]byte(got.body), v))
	}
	return got
}

func (d *desk) same(want, got any) {
	d.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		d.Errorf("want (-), got (+):\n%s", diff)
	}
}

// user makes a person.
func (d *desk) user(email string) identity.User {
	d.Helper()
	now := d.now()
	user := identity.User{
		ID: identity.NewID(), Sub: identity.RandomText(16), Email: email, EmailVerified: true, Name: "Ada",
		PasswordHash: "$argon2id$secret", CreatedAt: now, UpdatedAt: now, PasswordSetAt: now,
	}
	d.ok(d.db.CreateUser(d.Context(), user))
	return user
}

// client makes an app that keeps a secret.
func (d *desk) client(id string) identity.Client {
	d.Helper()
	c := identity.Client{
		ID: id, CreatedAt: d.now(), SecretHash: []byte("secret hash"), RegistrationHash: []byte("token hash"),
		Metadata: identity.Metadata{Name: "Notes", RedirectURIs: []string{"https://notes.example/cb"}},
	}
	d.ok(d.db.CreateClient(d.Context(), c))
	return c
}

// begin signs a person in to an app; the Session describes its device.
func (d *desk) begin(user identity.User, client string) identity.Session {
	d.Helper()
	now, code := d.now(), identity.NewSecret()
	signIn := identity.SignIn{
		ID: identity.NewID(), UserID: user.ID, AMR: identity.PWD, SecretHash: identity.NewSecret().Hash(),
		CodeSecretHash: code.Hash(), ProvedAt: now, CreatedAt: now, LastUsedAt: now, IdleEndsAt: now.Add(time.Hour), EndsAt: now.Add(time.Hour),
	}
	d.ok(d.db.StartSignIn(d.Context(), signIn))
	return d.sibling(signIn.ID, code, client)
}

// sibling begins one more Session from a SignIn.
func (d *desk) sibling(signIn identity.ID, code identity.Secret, client string) identity.Session {
	d.Helper()
	now := d.now()
	app, err := d.db.RegisteredClient(d.Context(), client)
	d.ok(err)
	p := identity.Promise{
		SessionID: identity.NewID(), SignInID: signIn, SignInSecret: code, ClientEpoch: app.Epoch, IssuedAt: now,
	}
	s, won, err := d.db.RedeemCode(d.Context(), p, identity.Session{
		ID: p.SessionID, ClientID: client, SecretHash: identity.NewSecret().Hash(), Scopes: []string{"openid", "offline_access"},
		AMR: identity.PWD, AuthTime: now, CreatedAt: now, LastUsedAt: now, IdleEndsAt: now.Add(time.Hour),
		EndsAt: now.Add(2 * time.Hour), Address: "192.0.2.1", UserAgent: "Notes/1", Device: identity.Device{Name: gocmp.Or(d.phone, "Ada's phone"), Model: "Pixel 9"},
	})
	d.ok(err)
	if !won {
		d.Fatal("no session began")
	}
	return s
}

// told counts the Events of a kind, and wants each of them to name who acted.
func (d *desk) told(kind identity.EventKind, actor string) (n int) {
	d.Helper()
	events, err := d.db.Events(d.Context(), identity.EventQuery{Limit: 1000})
	d.ok(err)
	for _, e := range events {
		if e.Kind != kind {
			continue
		}
		if n++; e.Actor != actor {
			d.Errorf("%s was done by %q, want %q", kind, e.Actor, actor)
		}
	}
	return n
}
