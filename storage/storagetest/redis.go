package storagetest

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// RedisServer is a redis-server of a test's own.
type RedisServer struct {
	Address string // host:port
	Process *os.Process
	said    transcript
}

// transcript is a buffer that may be read while it is written.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write keeps what comes.
func (l *transcript) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// String is all that came so far.
func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Redis starts a redis-server that keeps nothing, with arguments of the test's own, until the test ends.
func Redis(t testing.TB, args ...string) *RedisServer {
	t.Helper()
	port := freePort(t)
	return redis(t, port, append([]string{"--port", port}, args...)...)
}

// RedisTLS starts one that speaks TLS alone.
func RedisTLS(t testing.TB, cert, key string) *RedisServer {
	t.Helper()
	port := freePort(t)
	return redis(t, port, "--port", "0", "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert,
		"--tls-auth-clients", "no")
}

// Sentinel starts one that watches a primary by the name of "sojourn", and promotes a replica of it half a second after it was lost.
func Sentinel(t testing.TB, primary *RedisServer) *RedisServer {
	t.Helper()
	port, file := freePort(t), t.TempDir()+"/sentinel.conf"
	host, at, _ := strings.Cut(primary.Address, ":")
	const rules = "sentinel down-after-milliseconds sojourn 500\nsentinel failover-timeout sojourn 5000\n"
	config := "port " + port + "\nbind 127.0.0.1\nsentinel monitor sojourn " + host + " " + at + " 1\n" + rules
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return start(t, "127.0.0.1:"+port, file, "--sentinel")
}

func redis(t testing.TB, port string, args ...string) *RedisServer {
	t.Helper()
	return start(t, "127.0.0.1:"+port, append([]string{"--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir()}, args...)...)
}

// start runs redis-server until the test ends, and returns when it listens.
func start(t testing.TB, address string, args ...string) *RedisServer {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		if inCI() {
			t.Fatal("CI must have redis-server")
		}
		t.Skip("redis-server is not installed")
	}
	s := &RedisServer{Address: address}
	cmd := exec.CommandContext(context.Background(), program, args...) //nolint:gosec // Debian's program
	cmd.Stdout, cmd.Stderr = &s.said, &s.said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.Process = cmd.Process
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-exited
	})
	for began := time.Now(); !s.listens(); time.Sleep(10 * time.Millisecond) {
		select {
		case <-exited:
			t.Fatalf("redis-server ended:\n%s", &s.said)
		default:
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("redis-server does not listen:\n%s", &s.said)
		}
	}
	return s
}

func (s *RedisServer) listens() bool {
	said := s.said.String()
	return strings.Contains(strings.ToLower(said), "ready to accept connections") || strings.Contains(said, "+monitor")
}
