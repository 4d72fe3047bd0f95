package faults

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

const redirect = "com.example.notes:/cb"

// people makes Sessions as sign-ins would, straight in the database.
type people struct {
	t        *testing.T
	db       *storage.DB
	keys     *identity.Keyring
	app      identity.Client
	sessions identity.Sessions
}

// newPeople opens the database and adds the app, with settings of one's own.
func newPeople(t *testing.T, dsn string, settings ...func(*identity.Client)) *people {
	t.Helper()
	p := &people{t: t, keys: storagetest.Keys(t)}
	var err error
	if p.db, err = storage.Open(t.Context(), dsn, storage.Options{Keys: p.keys, MaxConns: 1}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.db.Close() })
	if err := p.db.Clock().Measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.app = identity.Client{ID: "notes", CreatedAt: p.db.Now(), FirstUsedAt: p.db.Now(), Metadata: identity.Metadata{
		AuthMethod: "none", RedirectURIs: []string{redirect}, Scope: "openid offline_access",
		GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"},
	}}
	for _, set := range settings {
		set(&p.app)
	}
	if err := p.db.CreateClient(t.Context(), p.app); err != nil {
		t.Fatal(err)
	}
	p.sessions = identity.Sessions{
		Store: p.db, Keys: p.keys, Now: p.db.Now, Policy: identity.MFAOptional,
		Lives: identity.Lifetimes{Idle: time.Hour, Absolute: 24 * time.Hour},
	}
	return p
}

// phones makes a person with n phones, each signed in.
func (p *people) phones(email string, n int) []*phone {
	p.t.Helper()
	wait(p.t, "the database answers", func() bool { return p.db.Ping(p.t.Context()) == nil }) // a crash broke the connection
	now := p.db.Now()
	user := identity.User{ID: identity.NewID(), Sub: identity.RandomText(16), Email: email, CreatedAt: now, UpdatedAt: now}
	code := identity.NewSecret()
	signIn := identity.SignIn{
		ID: identity.NewID(), UserID: user.ID, SecretHash: identity.NewSecret().Hash(), CodeSecretHash: code.Hash(), AMR: identity.PWD,
		ProvedAt: now, CreatedAt: now, LastUsedAt: now, IdleEndsAt: now.Add(time.Hour), EndsAt: now.Add(24 * time.Hour),
	}
	if err := p.db.CreateUser(p.t.Context(), user); err != nil {
		p.t.Fatal(err)
	}
	if err := p.db.StartSignIn(p.t.Context(), signIn); err != nil {
		p.t.Fatal(err)
	}
	all := make([]*phone, n)
	for i := range all {
		promise := identity.Promise{
			SessionID: identity.NewID(), SessionSecret: identity.NewSecret(), SignInID: signIn.ID, SignInSecret: code,
			Binding:  identity.NewBinding(p.app.ID, redirect, sha256.Sum256([]byte("verifier"))),
			AuthTime: now, IssuedAt: p.db.Now(), AMR: identity.PWD, Scopes: []string{"openid", "offline_access"},
		}
		_, token, err := p.sessions.Start(p.t.Context(), promise, identity.Holder{Client: p.app})
		if err != nil {
			p.t.Fatal(err)
		}
		all[i] = &phone{token: p.keys.RefreshText(token)}
	}
	return all
}
