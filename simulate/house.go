package simulate

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/sojourn-auth/sojourn/config"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/server"
	"github.com/sojourn-auth/sojourn/storage"
)

const (
	devicesEach = 50 // that one person has: so many people, and no more passwords to hash
	clientID    = "simulated-phone"
	redirectURI = "http://127.0.0.1/callback"
	password    = "a simulated person's password"
	verifier    = "every-simulated-phone-has-the-same-code-verifier"
)

// house is the real server on a real database, in this process, at a simulated time.
type house struct {
	db      *storage.DB
	keys    *identity.Keyring
	signIns identity.SignIns
	public  http.Handler
	hash    string // of everyone's password
	people  map[int]*person
}

// person is a browser that somebody is signed in with.
type person struct {
	email, address string
	pointer        identity.Pointer
	provedAt       time.Time
	endsAt         time.Time
}

// openHouse opens the database of a shard, which is migrated and has the client, and assembles a server on it.
func openHouse(ctx context.Context, s *site, dsn string, now func() time.Time) (*house, error) {
	db, err := storage.Open(ctx, dsn, storage.Options{Keys: s.keys, Now: now, MaxConns: 2, Volatile: true})
	if err != nil {
		return nil, err
	}
	built, err := server.New(ctx, s.cfg, db, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &house{
		db: db, keys: s.keys, public: built.Handler(), hash: s.hash, people: map[int]*person{},
		signIns: identity.SignIns{
			Store: db, Keys: s.keys, Passwords: s.passwords, Now: now,
			Lives: identity.Lifetimes{Idle: s.cfg.SignInIdle, Absolute: s.cfg.SignInAbsolute},
		},
	}, nil
}

// code is what authorize answers to an app whose user is signed in and has consented.
func (h *house) code(ctx context.Context, device int) (string, error) {
	who, err := h.signedIn(ctx, device/devicesEach)
	if err != nil {
		return "", fmt.Errorf("sign in: %w", err)
	}
	return h.keys.CodeText(identity.Promise{
		SessionID: identity.NewID(), SessionSecret: identity.NewSecret(),
		SignInID: who.pointer.SignInID, SignInSecret: who.pointer.CodeSecret,
		Binding:  identity.NewBinding(clientID, redirectURI, sha256.Sum256([]byte(verifier))),
		AuthTime: who.provedAt, IssuedAt: h.db.Now(), AMR: identity.PWD, Scopes: []string{"openid", "offline_access"},
	})
}

// signedIn returns a person whose SignIn lives, by a password where it does not.
func (h *house) signedIn(ctx context.Context, n int) (*person, error) {
	who, known := h.people[n]
	if !known {
		who = &person{email: fmt.Sprintf("person-%d@simulation.example", n), address: addressOf(n)}
		now := h.db.Now()
		err := h.db.CreateUser(ctx, identity.User{
			ID: identity.NewID(), Sub: identity.RandomText(16), Email: who.email, PasswordHash: h.hash, CreatedAt: now, UpdatedAt: now,
		})
		if err != nil {
			return nil, err
		}
		h.people[n] = who
	}
	if h.db.Now().Add(time.Minute).Before(who.endsAt) {
		return who, nil
	}
	cookie, err := h.signIns.Begin(ctx, identity.Attempt{
		Email: who.email, Password: password, Seen: identity.Seen{Address: who.address, UserAgent: "simulation"},
	})
	if err != nil {
		return nil, err
	}
	who.provedAt, who.endsAt = h.db.Now(), h.db.Now().Add(h.signIns.Lives.Absolute)
	who.pointer, err = h.keys.ReadCookie(cookie)
	return who, err
}

// addressOf gives everyone a network of their own, since passwords are throttled by network too.
func addressOf(n int) string {
	return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}).String()
}

// redeem is the app's token request for a code.
func (h *house) redeem(ctx context.Context, code string) (string, error) {
	return h.token(ctx, url.Values{
		"grant_type": {"authorization_code"}, "client_id": {clientID}, "code": {code},
		"redirect_uri": {redirectURI}, "code_verifier": {verifier},
	})
}

// refresh is the app's token request for a refresh token.
func (h *house) refresh(ctx context.Context, token string) (string, error) {
	return h.token(ctx, url.Values{"grant_type": {"refresh_token"}, "client_id": {clientID}, "refresh_token": {token}})
}

// ended reads the Session of a token.
func (h *house) ended(ctx context.Context, token string) (string, error) {
	t, err := h.keys.ReadRefresh(token)
	if err != nil {
		return "", err
	}
	row, err := h.db.SessionByID(ctx, t.SessionID)
	if err == nil && row.EndCause == "" {
		return "refused", nil // a Session that lives, and a token that was none of it
	}
	return string(row.EndCause), err
}

// site is what the shards of a simulation share: settings, keys, and where their databases are.
type site struct {
	cfg       config.Config
	keys      *identity.Keyring
	passwords *identity.Passwords
	hash      string
	policy    Policy
	dir       string // of the temporary databases; empty on PostgreSQL
	dsn       string // on PostgreSQL
}

// newSite reads the default settings under a secret of its own.
func newSite(ctx context.Context, o Options) (*site, error) {
	secret := identity.NewSecret()
	root := sha256.Sum256(secret[:])
	settings := map[string]string{"secret": base64.StdEncoding.EncodeToString(root[:])}
	if length := time.Duration(o.Days+2) * 24 * time.Hour; length > 180*24*time.Hour {
		settings["session_absolute"] = length.String() // a Session that reaches its end is another matter
	}
	s := &site{passwords: identity.NewPasswords(), policy: o.Policy, dsn: o.Database}
	var err error
	if s.cfg, err = config.Load(config.Options{Getenv: func(string) string { return "" }, Flags: settings}); err != nil {
		return nil, err
	}
	if s.keys, err = identity.NewKeyring(s.cfg.Secret...); err != nil {
		return nil, err
	}
	s.hash, err = s.passwords.Hash(ctx, password)
	return s, err
}
