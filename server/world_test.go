package server

import (
	"cmp"
	"context"
	"encoding/base64"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/config"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// world is whole servers on one database, with a clock that runs and can be moved ahead.
type world struct {
	dsn       string
	db        *storage.DB
	keys      *identity.Keyring
	passwords *identity.Passwords
	journal   *journal
	issuer    string
	admin     string // where the first server's /readyz is
	first     *Server
	ahead     atomic.Int64
}

// inWorlds runs f on both kinds of database.
func inWorlds(t *testing.T, f func(t *testing.T, w *world), settings ...string) {
	t.Helper()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f(t, newWorld(t, kind, settings...))
		})
	}
}

// newWorld starts a server on a fresh database of a kind. Settings are pairs of name and value.
func newWorld(t *testing.T, kind string, settings ...string) *world {
	t.Helper()
	return newWorldAt(t, storagetest.DSN(t, kind), settings...)
}

// newWorldAt starts a server on the database behind a DSN.
func newWorldAt(t *testing.T, dsn string, settings ...string) *world {
	t.Helper()
	w := &world{dsn: dsn, keys: storagetest.Keys(t), passwords: identity.NewPasswords(storagetest.CheapHash), journal: &journal{}}
	t.Cleanup(func() { w.journal.check(t) })
	w.db = w.open(t, settings)
	storagetest.AddSigningKeys(t, w.db, identity.KeyCurrent, identity.KeyNext)
	w.issuer = w.replica(t, settings...)
	return w
}

func (w *world) open(t *testing.T, settings []string) *storage.DB {
	t.Helper()
	opts := storage.Options{Keys: w.keys, Now: w.now, MaxConns: 8, Letters: slices.Contains(settings, "smtp")}
	if i := slices.Index(settings, "redis"); i >= 0 {
		opts.Redis, opts.Issuer = settings[i+1], "the issuer of this world, which is not known yet"
	}
	db, err := storage.Open(t.Context(), w.dsn, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// process starts one more server as replica does, that has a connection and a memory of its own.
func (w *world) process(t *testing.T, settings ...string) (base string, db *storage.DB) {
	t.Helper()
	other := &world{db: w.open(t, settings), keys: w.keys, passwords: w.passwords, journal: w.journal, issuer: w.issuer, admin: w.admin}
	return other.replica(t, settings...), other.db
}

func (w *world) now() time.Time {
	return time.Now().Add(time.Duration(w.ahead.Load())).UTC().Truncate(time.Microsecond)
}

// pass lets time pass.
func (w *world) pass(d time.Duration) { w.ahead.Add(int64(d)) }

// replica starts one more server on the world's database and returns where it listens. The first one is everyone's issuer.
func (w *world) replica(t *testing.T, settings ...string) string {
	t.Helper()
	listeners := ports{public: listen(t), admin: listen(t)}
	_, port, _ := net.SplitHostPort(listeners.public.Addr().String())
	base := "http://localhost:" + port // the apps are on 127.0.0.1: another site
	cfg := load(t, append(settings, "issuer", cmp.Or(w.issuer, base)))
	w.admin = cmp.Or(w.admin, "http://"+listeners.admin.Addr().String())
	s, err := New(t.Context(), cfg, w.db, slog.New(slog.NewJSONHandler(w.journal, nil)))
	if err != nil {
		t.Fatal(err)
	}
	w.first, s.ports = cmp.Or(w.first, s), listeners
	s.limits = limits{read: 2 * patience, write: 2 * patience, answer: patience} // a busy machine is no fault of what is tested
	ctx, stop := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- s.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-over; err != nil && !strings.Contains(err.Error(), "Server closed") {
			t.Error("the server did not stop well:", err)
		}
	})
	return base
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	var settings net.ListenConfig
	l, err := settings.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func load(t *testing.T, settings []string) config.Config {
	t.Helper()
	flags := map[string]string{
		"secret": base64.StdEncoding.EncodeToString(storagetest.Root()),
		"signup": config.Open, "registration": config.Open, "operator_name": "Harbour",
	}
	for i := 0; i < len(settings); i += 2 {
		flags[settings[i]] = settings[i+1]
	}
	cfg, err := config.Load(config.Options{Getenv: func(string) string { return "" }, Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	cfg.PasswordCost = config.HashCost(storagetest.CheapHash)
	return cfg
}
