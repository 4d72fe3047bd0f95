package storage_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// lines is a log that tests read.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// freePort is a port of loopback that nobody listens on at the moment.
func freePort(t testing.TB) string {
	t.Helper()
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return port
}

// redisServer starts a redis-server of the test's own, and returns its address and its process.
func redisServer(t testing.TB, args ...string) (address string, process *os.Process) {
	t.Helper()
	s := storagetest.Redis(t, args...)
	return s.Address, s.Process
}

// eventually waits for a condition, generously: the machine may be busy.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never happened: " + what)
		}
	}
}

// house is one database that several processes share, with a way to cut what carries their wake-ups.
type house struct {
	dsn, redis string
	log        *lines
	proxy      *toxiproxy.Proxy // nil: the carrier cannot be cut apart from the database
}

// carried are two processes that hear each other.
func (h *house) carried(t testing.TB) (one, other *storage.DB) {
	t.Helper()
	one, other = h.process(t), h.process(t)
	eventually(t, "both are carried", func() bool { return one.Carried() && other.Carried() })
	return one, other
}

// process opens the database as another process does, with its loops.
func (h *house) process(t testing.TB) *storage.DB {
	t.Helper()
	db := must[*storage.DB](t)(storage.Open(t.Context(), h.dsn, storage.Options{
		MaxConns: 4, Keys: storagetest.Keys(t), Redis: h.redis, Issuer: "https://id.example.com",
		Log: slog.New(slog.NewTextHandler(h.log, nil)),
	}))
	ctx, stop := context.WithCancel(context.Background())
	var loops sync.WaitGroup
	loops.Go(func() { db.Carry(ctx) })
	loops.Go(func() { db.WatchChanges(ctx) })
	t.Cleanup(func() {
		stop()
		loops.Wait()
		_ = db.Close()
	})
	return db
}

func proxyTo(t testing.TB, address string) *toxiproxy.Proxy {
	t.Helper()
	proxy := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), t.Name(), "127.0.0.1:0", address)
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	return proxy
}

// onCarriers runs a promise of wake-ups with each carrier.
func onCarriers(t *testing.T, promise func(t *testing.T, h *house)) {
	t.Helper()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		promise(t, &house{dsn: storagetest.DSN(t, storage.Postgres), log: &lines{}})
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		address, _ := redisServer(t)
		proxy := proxyTo(t, address)
		promise(t, &house{
			dsn: storagetest.DSN(t, storage.Postgres), redis: "redis://" + proxy.Listen, log: &lines{}, proxy: proxy,
		})
	})
}

// heard waits for a bell.
func heard(t testing.TB, what string, bell <-chan struct{}) {
	t.Helper()
	select {
	case <-bell:
	case <-time.After(patience):
		t.Fatal("never heard: " + what)
	}
}

func TestCarrier_anEndingIsHeardByOtherProcesses(t *testing.T) {
	t.Parallel()
	onCarriers(t, func(t *testing.T, h *house) {
		one, other := h.carried(t)
		p := someone(t, one)
		s := p.begin(t, one, "offline_access")
		bell := other.Marked()
		if _, err := one.End(t.Context(), identity.Ending{Session: s.ID, Cause: identity.EndOperator}); err != nil {
			t.Fatal(err)
		}
		heard(t, "the ending", bell)
		if live, err := other.LiveSession(t.Context(), s.ID, ""); err == nil && live.Session.Alive(other.Now()) {
			t.Error("heard of an ending that was not committed")
		}
	})
}

func TestCarrier_aPersonsAppsAreWokenInOtherProcesses(t *testing.T) {
	t.Parallel()
	onCarriers(t, func(t *testing.T, h *house) {
		one, other := h.carried(t)
		p, q := someone(t, one), someone(t, one)
		bell, cancel := other.Subscribe(identity.Feed{UserID: p.user.ID, ClientID: "app"})
		t.Cleanup(cancel)
		quiet, cancelQuiet := other.Subscribe(identity.Feed{UserID: q.user.ID, ClientID: "app"})
		t.Cleanup(cancelQuiet)
		put(t, one, p.documentKey("k"), `{}`)
		heard(t, "the document", bell)
		select {
		case <-quiet:
			t.Error("somebody else was woken")
		default:
		}
	})
}

func TestCarrier_aChangedClientIsForgottenInOtherProcesses(t *testing.T) {
	t.Parallel()
	onCarriers(t, func(t *testing.T, h *house) {
		one, other := h.carried(t)
		before := other.Carrying().Heard
		if err := one.CreateClient(t.Context(), identity.Client{ID: "shop", CreatedAt: one.Now(), Epoch: 1}); err != nil {
			t.Fatal(err)
		}
		must[identity.Client](t)(other.ClientByID(t.Context(), "shop"))
		must[bool](t)(one.SetClientDisabled(t.Context(), "shop", one.Now()))
		eventually(t, "both changes are heard", func() bool { return other.Carrying().Heard >= before+2 })
		if c, err := other.ClientByID(t.Context(), "shop"); err == nil {
			t.Errorf("%s is still good: %v", c.ID, c.DisabledAt)
		}
	})
}

func TestCarrier_whatIsRolledBackIsNotTold(t *testing.T) {
	t.Parallel()
	onCarriers(t, func(t *testing.T, h *house) {
		one, other := h.carried(t)
		p := someone(t, one)
		s := p.begin(t, one, "offline_access")
		no := errors.New("no")
		bell, before := other.Marked(), one.Carrying().Said
		err := one.InTx(t.Context(), func(ctx context.Context) error {
			if _, err := one.End(ctx, identity.Ending{Session: s.ID, Cause: identity.EndOperator}); err != nil {
				return err
			}
			return no
		})
		if !errors.Is(err, no) {
			t.Fatal(err)
		}
		// A document that is committed afterwards is told after whatever the ending would have told.
		wake, cancel := other.Subscribe(identity.Feed{UserID: p.user.ID, ClientID: "app"})
		t.Cleanup(cancel)
		put(t, one, p.documentKey("k"), `{}`)
		heard(t, "the document", wake)
		select {
		case <-bell:
			t.Errorf("told of an ending that never was (said %d, before %d)", one.Carrying().Said, before)
		default:
		}
	})
}

func TestCarrier_aCommandTellsBeforeItIsOver(t *testing.T) {
	t.Parallel()
	onCarriers(t, func(t *testing.T, h *house) {
		server := h.process(t)
		eventually(t, "the server is carried", server.Carried)
		p := someone(t, server)
		s := p.begin(t, server, "offline_access")
		bell := server.Marked()
		command := must[*storage.DB](t)(storage.Open(t.Context(), h.dsn, storage.Options{
			MaxConns: 2, Keys: storagetest.Keys(t), Redis: h.redis, Issuer: "https://id.example.com",
		}))
		if _, err := command.End(t.Context(), identity.Ending{Session: s.ID, Cause: identity.EndOperator}); err != nil {
			t.Fatal(err)
		}
		if err := command.Close(); err != nil {
			t.Fatal(err)
		}
		heard(t, "the ending", bell)
	})
}

func TestCarrier_cutAndMendedItGoesOn(t *testing.T) {
	t.Parallel()
	onCarriers(t, func(t *testing.T, h *house) {
		if h.proxy == nil {
			h.proxy = proxyTo(t, hostOf(t, h.dsn))
			h.dsn = strings.Replace(h.dsn, hostOf(t, h.dsn), h.proxy.Listen, 1)
		}
		one, other := h.carried(t)
		h.proxy.Stop()
		eventually(t, "both notice", func() bool { return !one.Carried() && !other.Carried() })
		if err := h.proxy.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "both are carried again", func() bool { return one.Carried() && other.Carried() })
		p := someone(t, one)
		bell, cancel := other.Subscribe(identity.Feed{UserID: p.user.ID, ClientID: "app"})
		t.Cleanup(cancel)
		put(t, one, p.documentKey("k"), `{}`)
		heard(t, "the document", bell)
		if said := strings.Count(h.log.String(), "do not get through"); said == 0 || said > 2 {
			t.Errorf("said %d times, want once for each process:\n%s", said, h.log)
		}
	})
}

func hostOf(t testing.TB, dsn string) string {
	t.Helper()
	_, rest, _ := strings.Cut(dsn, "@")
	host, _, _ := strings.Cut(rest, "/")
	return host
}
