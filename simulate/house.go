package simulate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/config"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/server"
	"github.com/sojourn-auth/sojourn/storage"
)

// house is the real server on a real database, in this process, at a simulated time.
type house struct {
	db      *storage.DB
	keys    *identity.Keyring
	signIns identity.SignIns
	public  http.Handler
	built   *server.Server
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

// site is what the shards of a simulation share: settings, keys, and where their databases are.
type site struct {
	cfg       config.Config
	keys      *identity.Keyring
	passwords *identity.Passwords
	hash      string
	policy    Policy
	bound     bool
	dir       string // of the temporary databases; empty on PostgreSQL
	dsn       string // on PostgreSQL
}

// newSite reads the default settings under a secret of its own.
func newSite(ctx context.Context, o Options) (*site, error) {
	secret := identity.NewSecret()
	root := sha256.Sum256(secret[:])
	settings := map[string]string{"issuer": issuerURL, "secret": base64.StdEncoding.EncodeToString(root[:])}
	if length := time.Duration(o.Days+2) * 24 * time.Hour; length > 180*24*time.Hour {
		settings["session_absolute"] = length.String() // a Session that reaches its end is another matter
	}
	s := &site{policy: o.Policy, bound: o.Bound, dsn: o.Database}
	var err error
	if s.cfg, err = config.Load(config.Options{Getenv: func(string) string { return "" }, Flags: settings}); err != nil {
		return nil, err
	}
	if s.keys, err = identity.NewKeyring(s.cfg.Secret...); err != nil {
		return nil, err
	}
	s.passwords = identity.NewPasswords(identity.HashCost(s.cfg.PasswordCost))
	s.hash, err = s.passwords.Hash(ctx, password)
	return s, err
}

// rotations are the policies that the server knows itself.
var rotations = map[Policy]identity.Rotation{Ours: identity.RotateForking, Strict: identity.RotateStrict}

// databases prepares as many databases as there are shards: each its own SQLite file, since a file has one writer, or all
// of them the same PostgreSQL.
func (s *site) databases(ctx context.Context, shards int) ([]string, error) {
	dsns := make([]string, shards)
	if s.dsn != "" {
		for i := range dsns {
			dsns[i] = s.dsn
		}
		return dsns, s.prepare(ctx, s.dsn)
	}
	var err error
	if s.dir, err = os.MkdirTemp("", "sojourn-simulation-"); err != nil {
		return nil, err
	}
	for i := range dsns {
		dsns[i] = "sqlite:" + filepath.Join(s.dir, fmt.Sprintf("%d.db", i))
		if err := s.prepare(ctx, dsns[i]); err != nil {
			return nil, errors.Join(err, s.remove())
		}
	}
	return dsns, nil
}

// prepare migrates a database and adds the phones' client. It refuses one that somebody lives in.
func (s *site) prepare(ctx context.Context, dsn string) (err error) {
	db, err := storage.Open(ctx, dsn, storage.Options{Keys: s.keys, MaxConns: 1, Volatile: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.Count(ctx)
	if err != nil {
		return err
	}
	for table, n := range rows { // before anything is written
		if n > 0 {
			return fmt.Errorf("--database: this database is in use (%s has %d rows); a simulation wants an empty one of its own", table, n)
		}
	}
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	return db.CreateClient(ctx, identity.Client{
		ID: clientID, Trusted: true, CreatedAt: epoch, FirstUsedAt: epoch,
		Metadata: identity.Metadata{
			Name: "Simulated phone", AuthMethod: "none", ApplicationType: "native", RedirectURIs: []string{redirectURI},
			GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"},
			Scope: "openid offline_access", IDTokenAlg: "ES256", Rotation: rotations[s.policy], DPoPBound: s.bound,
		},
	})
}

// remove deletes what was made for this simulation alone.
func (s *site) remove() error {
	if s.dir == "" {
		return nil
	}
	return os.RemoveAll(s.dir)
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
		db: db, keys: s.keys, public: built.Handler(), built: built, hash: s.hash, people: map[int]*person{},
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
func (h *house) redeem(ctx context.Context, r redemption) (string, error) {
	return h.post(ctx, url.Values{
		"grant_type": {"authorization_code"}, "client_id": {clientID}, "code": {r.code},
		"redirect_uri": {redirectURI}, "code_verifier": {verifier}, "app_version": {makes[r.make].version},
	}, http.Header{"DPoP": {r.proof}, "User-Agent": {makes[r.make].agent}})
}

// refresh is the app's token request for a refresh token.
func (h *house) refresh(ctx context.Context, token, proof string) (string, error) {
	return h.token(ctx, url.Values{"grant_type": {"refresh_token"}, "client_id": {clientID}, "refresh_token": {token}}, proof)
}

// errUnproved is the answer to who does not prove the Session's key, or not now. It touches nothing.
var errUnproved = errors.New("the server wants a proof of the session's key")

// token makes a token request in this process and returns the refresh token of the answer, or "" where the app is told to sign in. Any
// other answer but errUnproved ends the simulation: nothing in it may fail.
func (h *house) token(ctx context.Context, form url.Values, proof string) (string, error) {
	return h.post(ctx, form, http.Header{"DPoP": {proof}})
}

// ask is token from a program that names itself.
func (h *house) ask(ctx context.Context, agent string, form url.Values) (string, error) {
	return h.post(ctx, form, http.Header{"User-Agent": {agent}})
}

func (h *house) post(ctx context.Context, form url.Values, headers http.Header) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, values := range headers {
		if values[0] != "" {
			r.Header.Set(name, values[0])
		}
	}
	r.RemoteAddr = "192.0.2.1:1" // TEST-NET-1 (RFC 5737)
	w := &reply{header: http.Header{}, status: http.StatusOK}
	h.public.ServeHTTP(w, r)
	var a answer
	if err := json.Unmarshal(w.body.Bytes(), &a); err != nil {
		return "", fmt.Errorf("the server answered %d: %w", w.status, err)
	}
	switch {
	case w.status == http.StatusOK && a.RefreshToken != "":
		return a.RefreshToken, nil
	case a.Action == "login":
		return "", nil
	case a.Error == "invalid_dpop_proof" || a.Error == "use_dpop_nonce": // RFC 9449 §5, §8
		return "", errUnproved
	}
	return "", fmt.Errorf("the server answered %d %s", w.status, a.Error)
}

// reply is an http.ResponseWriter that keeps the answer.
type reply struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header is the answer's.
func (r *reply) Header() http.Header { return r.header }

// WriteHeader keeps the status.
func (r *reply) WriteHeader(status int) { r.status = status }

// Write keeps the body.
func (r *reply) Write(b []byte) (int, error) { return r.body.Write(b) }

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
