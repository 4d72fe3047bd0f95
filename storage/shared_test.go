package storage_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func TestShared_aProofUsedInOneProcessIsUsedInAll(t *testing.T) {
	t.Parallel()
	address, _ := redisServer(t)
	h := &house{dsn: storagetest.DSN(t, storage.Postgres), redis: "redis://" + address, log: &lines{}}
	one, other := h.process(t), h.process(t)
	until := one.Now().Add(time.Minute)
	one.ProofUsed(t.Context(), "warm up", until)
	other.ProofUsed(t.Context(), "warm up too", until)
	eventually(t, "one use is known to the other", func() bool { // a busy machine may miss the 50 ms
		id := time.Now().String()
		return !one.ProofUsed(t.Context(), id, until) && other.ProofUsed(t.Context(), id, until)
	})
}

func TestShared_ofSixteenWithOneProofAtMostOnePasses(t *testing.T) {
	t.Parallel()
	address, _ := redisServer(t)
	h := &house{dsn: storagetest.DSN(t, storage.Postgres), redis: "redis://" + address, log: &lines{}}
	var processes [4]*storage.DB
	for i := range processes {
		processes[i] = h.process(t)
	}
	until := processes[0].Now().Add(time.Minute)
	eventually(t, "one of sixteen passes while Redis answers", func() bool {
		id, failed := time.Now().String(), 0
		for _, db := range processes {
			failed += db.SharedMemory().Failed + db.SharedMemory().Skipped
		}
		var all sync.WaitGroup
		var mu sync.Mutex
		passed := 0
		for i := range 16 {
			all.Go(func() {
				if !processes[i%4].ProofUsed(t.Context(), id, until) {
					mu.Lock()
					passed++
					mu.Unlock()
				}
			})
		}
		all.Wait()
		for _, db := range processes {
			failed -= db.SharedMemory().Failed + db.SharedMemory().Skipped
		}
		if failed == 0 && passed != 1 {
			t.Fatalf("%d passed", passed)
		}
		return failed == 0
	})
}

func TestShared_twoIssuersOnOneRedisAreApart(t *testing.T) {
	t.Parallel()
	address, _ := redisServer(t)
	h := &house{dsn: storagetest.DSN(t, storage.Postgres), redis: "redis://" + address, log: &lines{}}
	one := h.process(t)
	other := must[*storage.DB](t)(storage.Open(t.Context(), h.dsn, storage.Options{
		MaxConns: 2, Keys: storagetest.Keys(t), Redis: h.redis, Issuer: "https://other.example.com",
	}))
	t.Cleanup(func() { _ = other.Close() })
	until := one.Now().Add(time.Minute)
	eventually(t, "one remembers", func() bool { return one.ProofUsed(t.Context(), "x", until) })
	if other.ProofUsed(t.Context(), "x", until) {
		t.Error("a proof of another issuer is taken for ours")
	}
}

// A Redis that is of no use says why once, refuses nobody, and takes no time for long.
func TestShared_aRedisThatIsOfNoUse(t *testing.T) {
	t.Parallel()
	start := func(args ...string) func(*testing.T) string {
		return func(t *testing.T) string {
			address, _ := redisServer(t, args...)
			return "redis://" + address
		}
	}
	for name, test := range map[string]struct {
		url func(*testing.T) string
		why string
	}{
		"wants a password":    {start("--requirepass", "tiger-tiger"), "wants a password"},
		"full":                {start("--maxmemory", "1", "--maxmemory-policy", "noeviction"), "Redis is full"},
		"a read-only replica": {start("--replicaof", "127.0.0.1 1", "--replica-serve-stale-data", "yes"), "read-only replica"},
		"a node of a cluster": {start("--cluster-enabled", "yes"), "cluster"},
		"somebody else's password": {func(t *testing.T) string {
			address, _ := redisServer(t, "--requirepass", "tiger-tiger")
			return "redis://:wrong-wrong@" + address
		}, "refuses the user or the password"},
		"no TLS there": {func(t *testing.T) string {
			return strings.Replace(start()(t), "redis:", "rediss:", 1)
		}, ""},
		"garbage":                {func(t *testing.T) string { return "redis://" + babbler(t, "HTTP/1.1 400 Bad Request\r\n\r\n") }, "does not speak as Redis"},
		"nothing to everything":  {func(t *testing.T) string { return "redis://" + yesman(t, "$0\r\n\r\n") }, ""},
		"a number to everything": {func(t *testing.T) string { return "redis://" + yesman(t, ":0\r\n") }, ""},
		"silence":                {func(t *testing.T) string { return "redis://" + babbler(t, "") }, "no answer in time"},
		"nobody":                 {func(t *testing.T) string { return "redis://127.0.0.1:" + freePort(t) }, "refused"},
		"paused": {func(t *testing.T) string {
			address, process := redisServer(t)
			if err := process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			return "redis://" + address
		}, "no answer in time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &house{dsn: storagetest.DSN(t, storage.Postgres), redis: test.url(t), log: &lines{}}
			db := h.process(t)
			if db.Carried() {
				t.Error("counts as carried")
			}
			until := db.Now().Add(time.Minute)
			began := time.Now()
			for range 100 {
				if db.ProofUsed(t.Context(), began.String(), until) {
					t.Error("a proof is refused")
				}
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("100 questions took %v", took)
			}
			if err := db.Ping(t.Context()); err != nil {
				t.Error(err)
			}
			eventually(t, "it is said why", func() bool { return h.log.String() != "" })
			if said := h.log.String(); strings.Count(said, "\n") > 2 || !strings.Contains(said, test.why) {
				t.Errorf("want %q, said:\n%s", test.why, said)
			}
			if strings.Contains(h.log.String(), "tiger-tiger") || strings.Contains(h.log.String(), "wrong-wrong") {
				t.Error("the password is in the log")
			}
		})
	}
}

// babbler accepts everybody and says one thing.
func babbler(t *testing.T, says string) string {
	t.Helper()
	return impostor(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, says)
		_, _ = io.Copy(io.Discard, conn)
	})
}

// yesman answers every command alike, in Redis's own way, but for the first, which asks for a newer one.
func yesman(t *testing.T, says string) string {
	t.Helper()
	return impostor(t, func(conn net.Conn) {
		for lines, answer := bufio.NewScanner(conn), "-ERR unknown command\r\n"; lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "*") {
				_, _ = io.WriteString(conn, answer)
				answer = says
			}
		}
	})
}

// impostor listens where Redis should, and does with everybody who comes what it is told.
func impostor(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				serve(conn)
			}()
		}
	}()
	return l.Addr().String()
}

func TestOpen_aWrongRedisURLIsOneLineWithoutThePassword(t *testing.T) {
	t.Parallel()
	dsn := storagetest.DSN(t, storage.SQLite)
	for _, url := range []string{
		"http://:tiger-tiger@h", "redis://:tiger-tiger@", "redis://:tiger-tiger@h:6379/x", "redis://:tiger-tiger@h?nothing=1",
		"redis://:tiger%zz-tiger@h", "redis://:tiger-tiger@h?cluster=true&nothing=1", "redis://:tiger-tiger@h?master_name=m&nothing=1",
	} {
		_, err := storage.Open(context.Background(), dsn, storage.Options{Redis: url, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
		if err == nil || strings.Contains(err.Error(), "tiger") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
