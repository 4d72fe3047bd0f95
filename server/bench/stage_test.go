package bench

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

const (
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	redirect = "com.example.notes:/cb"
	phones   = 64
)

var client = &http.Client{
	Timeout:   30 * time.Second,
	Transport: &http.Transport{MaxIdleConnsPerHost: 2 * phones},
}

// stage is a database with one person, a phone app, a resource server, and a Session for each phone.
type stage struct {
	db       *storage.DB
	keys     *identity.Keyring
	app      identity.Client
	standing identity.Standing
	tokens   []string
	ids      []string
}

func newStage(b testing.TB, dsn string) *stage {
	b.Helper()
	s := &stage{keys: storagetest.Keys(b)}
	var err error
	if s.db, err = storage.Open(b.Context(), dsn, storage.Options{Keys: s.keys}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.db.Close() })
	s.app = identity.Client{ID: "notes", CreatedAt: s.db.Now(), FirstUsedAt: s.db.Now(), Metadata: identity.Metadata{
		AuthMethod: "none", RedirectURIs: []string{redirect}, Scope: "openid profile email offline_access",
		GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"}, IDTokenAlg: "ES256",
	}}
	others := s.app
	others.ID, others.IDTokenAlg = "others", "RS256"
	api := identity.Client{ID: "api", SecretHash: s.keys.HashSecret("an api's secret"), CreatedAt: s.db.Now(), Metadata: identity.Metadata{
		GrantTypes: []string{"client_credentials"}, Scope: "notes.read",
	}}
	for _, c := range []identity.Client{s.app, others, api} {
		if err := s.db.CreateClient(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
	s.signIn(b, "ada@example.com")
	for range phones {
		s.tokens, s.ids = append(s.tokens, ""), append(s.ids, "")
		s.startSession(b, len(s.tokens)-1)
	}
	return s
}

func (s *stage) signIn(b testing.TB, email string) {
	b.Helper()
	passwords := identity.NewPasswords(storagetest.CheapHash)
	users := identity.Users{Store: s.db, Passwords: passwords, Now: s.db.Now}
	if _, err := users.Add(b.Context(), identity.NewUser{Email: email, Password: "correct horse battery"}); err != nil {
		b.Fatal(err)
	}
	signIns := identity.SignIns{
		Store: s.db, Keys: s.keys, Passwords: passwords, Now: s.db.Now,
		Lives: identity.Lifetimes{Idle: time.Hour, Absolute: 24 * time.Hour},
	}
	cookie, err := signIns.Begin(b.Context(), identity.Attempt{Email: email, Password: "correct horse battery"})
	if err != nil {
		b.Fatal(err)
	}
	if s.standing, err = signIns.Current(b.Context(), cookie); err != nil {
		b.Fatal(err)
	}
}

// promise is what authorize would seal into a code for an app.
func (s *stage) promise(app string) identity.Promise {
	return identity.Promise{
		SessionID: identity.NewID(), SessionSecret: identity.NewSecret(),
		SignInID: s.standing.SignIn.ID, SignInSecret: s.standing.Pointer.CodeSecret,
		Binding:  identity.NewBinding(app, redirect, sha256.Sum256([]byte(verifier))),
		AuthTime: s.standing.SignIn.ProvedAt, IssuedAt: s.db.Now(), AMR: identity.PWD,
		Scopes: []string{"openid", "profile", "email", "offline_access"},
	}
}

func (s *stage) startSession(b testing.TB, phone int) {
	b.Helper()
	sessions := identity.Sessions{
		Store: s.db, Keys: s.keys, Now: s.db.Now, Policy: identity.MFAOptional,
		Lives: identity.Lifetimes{Idle: time.Hour, Absolute: 24 * time.Hour},
	}
	row, token, err := sessions.Start(b.Context(), s.promise(s.app.ID), identity.Holder{Client: s.app, Seen: identity.Seen{Address: "127.0.0.1"}})
	if err != nil {
		b.Fatal(err)
	}
	s.tokens[phone], s.ids[phone] = s.keys.RefreshText(token), row.ID.String()
}

// post sends a form and decodes the answer; anything but 200 is an error that says what came instead.
func post(to string, form url.Values, into any) error {
	req, err := http.NewRequest(http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return do(req, into)
}

func do(req *http.Request, into any) error {
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, body)
	}
	return json.Unmarshal(body, into)
}
