package storagetest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"testing"
	"time"
)

// poolerIni is a PgBouncer as an operator sets one up, in transaction mode, with fewer sessions than it has clients.
const poolerIni = `[databases]
* = host=%s port=%s user=%s password=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 6
max_client_conn = 200
`

// Pooled puts a PgBouncer in transaction mode before a database of PostgreSQL, until the test ends, and returns the DSN that
// leads through it. With SOJOURN_TEST_POOLER set, all that tests on PostgreSQL go through one.
func Pooled(t testing.TB, dsn string) string {
	t.Helper()
	program := poolerProgram(t)
	to, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "sojourn-pooler")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	port, path := freePort(t), filepath.Join(dir, "pgbouncer.ini")
	password, _ := to.User.Password()
	ini := fmt.Sprintf(poolerIni, to.Hostname(), cmp.Or(to.Port(), "5432"), to.User.Username(), cmp.Or(password, "none"), port)
	if err := os.WriteFile(path, []byte(ini), 0o600); err != nil {
		t.Fatal(err)
	}
	runPooler(t, exec.CommandContext(context.Background(), program, append(asSomebody(t), path)...), port) //nolint:gosec // Debian's program, and a file of ours
	to.Host = "127.0.0.1:" + port
	return to.String()
}

// poolerProgram finds Debian's PgBouncer, which is not on the path of users.
func poolerProgram(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const why = "pgbouncer is neither in $PATH nor in /usr/sbin; on Debian: apt-get install pgbouncer"
	if inCI() {
		t.Fatal(why)
	}
	t.Skip(why)
	return ""
}

// asSomebody has PgBouncer leave root, as whom it refuses to run.
func asSomebody(t testing.TB) []string {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if _, err := user.Lookup(name); err == nil {
			return []string{"-u", name}
		}
	}
	t.Fatal("there is neither a user postgres nor nobody to run pgbouncer")
	return nil
}

// runPooler starts it, waits until it listens, and stops it with the test.
func runPooler(t testing.TB, cmd *exec.Cmd, port string) {
	t.Helper()
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("pgbouncer said:\n%s", &said)
		}
	})
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("pgbouncer does not listen: %v", err)
		}
	}
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
