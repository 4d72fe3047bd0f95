package simulate

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/sojourn-auth/sojourn/config"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/server"
	"github.com/sojourn-auth/sojourn/storage"
)

// world is one shard: its devices, its own clock, and who answers them. Everything in it happens one after the other.
type world struct {
	Options
	timeline
	issuer  issuer
	tally   tally
	thieves []*thief
	pace    *pace
}

// arrivals is how long it takes until everyone has signed in for the first time.
const arrivals = time.Hour

// populate plans the lives of devices from one number up to another, of all that there are. Thieves rob the first ones.
func (w *world) populate(from, to int) {
	for n := from; n < to; n++ {
		p := &phone{world: w, dice: newDice(w.Seed, n), n: n}
		w.after(p.between(0, arrivals), p.signIn)
		if n < w.Thieves {
			t := &thief{world: w, dice: newDice(w.Seed, -1-n), owner: p, kind: kinds[n%len(kinds)]}
			w.thieves = append(w.thieves, t)
			// Early enough for thieves and owners to meet before the simulation ends.
			w.after(t.between(arrivals+w.length()/20, arrivals+w.length()*6/10), t.steal)
		}
	}
}

func (w *world) length() time.Duration { return time.Duration(w.Days) * 24 * time.Hour }

// arrive lets everyone sign in.
func (w *world) arrive(ctx context.Context) error { return w.until(ctx, arrivals) }

// live lets the days pass. In the end every thief who was not found out gets a last chance to be.
func (w *world) live(ctx context.Context) error {
	if err := w.until(ctx, arrivals+w.length()); err != nil {
		return err
	}
	for _, t := range w.thieves {
		if err := t.lastTry(ctx); err != nil {
			return err
		}
		w.tally.settle(t)
	}
	return nil
}

// deliver brings a refresh request to the server, whoever it comes from, and keeps the books: what it did to the Session,
// and who is to blame when that ended by it.
func (w *world) deliver(ctx context.Context, of *session, token, excuse string) (string, error) {
	next, err := w.issuer.refresh(ctx, token)
	if err != nil {
		return "", err
	}
	if next != "" {
		w.tally.Refreshes++
		w.pace.refreshes.Add(1)
		return next, nil
	}
	if of.over {
		return "", nil
	}
	of.over = true
	if of.thief != nil && of.thief.used() {
		of.thief.foundOut = w.clock.elapsed()
		return "", nil
	}
	if excuse == "" {
		if excuse, err = w.issuer.ended(ctx, token); err != nil {
			return "", err
		}
	}
	w.tally.forced(excuse)
	if of.thief != nil { // whose copy is worth nothing now: back to work
		w.after(time.Hour, of.thief.steal)
	}
	return "", nil
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

// remove deletes what was made for this simulation alone.
func (s *site) remove() error {
	if s.dir == "" {
		return nil
	}
	return os.RemoveAll(s.dir)
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
			Scope: "openid offline_access", IDTokenAlg: "ES256", Rotation: rotations[s.policy],
		},
	})
}

// issuer is who answers the phones.
type issuer interface {
	// code signs in the person who has a device, and returns an authorization code.
	code(ctx context.Context, device int) (string, error)
	// redeem exchanges a code for a refresh token; "" when it was refused.
	redeem(ctx context.Context, code string) (string, error)
	// refresh exchanges a refresh token for the next one; "" when it was refused.
	refresh(ctx context.Context, token string) (string, error)
	// ended says why the Session of a token ended.
	ended(ctx context.Context, token string) (string, error)
}

// dice are what a device's life is decided by. Every device has its own, so that it lives the same life whatever machine
// it is simulated on and in whichever company.
type dice struct{ *rand.Rand }

func newDice(seed uint64, device int) dice {
	return dice{rand.New(rand.NewPCG(seed, uint64(device)))} //nolint:gosec // a simulation must be repeatable, not secret
}

// chance is true in a share of all cases.
func (d dice) chance(share float64) bool { return d.Float64() < share }

// between returns any duration from low to high.
func (d dice) between(low, high time.Duration) time.Duration {
	return low + time.Duration(d.Float64()*float64(high-low))
}

// about returns a duration with a mean, as of things that happen at random.
func (d dice) about(mean time.Duration) time.Duration {
	return time.Duration(d.ExpFloat64() * float64(mean))
}

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
	s := &site{policy: o.Policy, dsn: o.Database}
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
