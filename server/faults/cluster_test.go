package faults

import (
	"cmp"
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cluster is one PostgreSQL of a test's own, as durable as a real one.
type cluster struct {
	t       *testing.T
	bin     string // where its programs are
	dir     string // its data
	port    string
	process *exec.Cmd // nil while it is down
}

// slowWriter keeps PostgreSQL from flushing commits that nobody waits for, so that a crash does lose them.
var slowWriter = []string{"wal_writer_delay=10s", "wal_writer_flush_after=1GB", "checkpoint_timeout=1h"}

// newCluster makes a cluster and starts it.
func newCluster(t *testing.T, settings ...string) *cluster {
	t.Helper()
	c := &cluster{t: t, bin: binaries(t), dir: filepath.Join(folder(t), "db"), port: freePort(t)}
	c.run("initdb", "-D", c.dir, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
	c.set(append(settings, "unix_socket_directories=", "listen_addresses=127.0.0.1")...)
	c.start()
	return c
}

// binaries finds the folder of PostgreSQL's programs: on $PATH, or where Debian hides them, the newest first.
func binaries(t *testing.T) string {
	t.Helper()
	hidden, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(hidden, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), hidden...) {
		whole := !slices.ContainsFunc([]string{"initdb", "postgres", "pg_ctl", "pg_basebackup", "psql"}, func(name string) bool {
			_, err := os.Stat(filepath.Join(dir, name))
			return err != nil
		})
		if whole {
			return dir
		}
	}
	const why = "PostgreSQL's programs (initdb, postgres, pg_ctl, pg_basebackup, psql) are neither in $PATH nor in " +
		"/usr/lib/postgresql; on Debian: apt-get install postgresql"
	if os.Getenv("CI") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
	return ""
}

// version is the 15 of /usr/lib/postgresql/15/bin.
func version(bin string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
	return n
}

// folder is a folder that the user who runs PostgreSQL owns and can reach, unlike t.TempDir.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sojourn-faults")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if as := unprivileged(t); as != nil {
		if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// unprivileged is who runs PostgreSQL when we are root, as which it refuses to run; nil when we aren't.
func unprivileged(t *testing.T) *syscall.Credential {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	who, err := user.Lookup("postgres")
	if err != nil {
		who, err = user.Lookup("nobody")
	}
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.ParseUint(who.Uid, 10, 32)
	gid, alsoErr := strconv.ParseUint(who.Gid, 10, 32)
	if err := errors.Join(err, alsoErr); err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// command is one of PostgreSQL's programs, run by whoever may.
func (c *cluster) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: unprivileged(c.t)}
	return cmd
}

// run runs a program to its end and returns what it said.
func (c *cluster) run(name string, args ...string) string {
	c.t.Helper()
	out, err := c.command(name, args...).CombinedOutput()
	if err != nil {
		c.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// set writes settings, which hold from the next start on.
func (c *cluster) set(settings ...string) {
	c.t.Helper()
	file, err := os.OpenFile(filepath.Join(c.dir, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, s := range settings {
		name, value, _ := strings.Cut(s, "=")
		_, err = file.WriteString(name + " = '" + value + "'\n")
	}
	if err := errors.Join(err, file.Close()); err != nil {
		c.t.Fatal(err)
	}
}

// start starts the cluster and waits until it answers.
func (c *cluster) start() {
	c.t.Helper()
	log, err := os.Create(c.dir + ".log")
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	process := c.command("postgres", "-D", c.dir, "-p", c.port)
	process.Stdout, process.Stderr = log, log
	if err := process.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.process = process
	c.t.Cleanup(func() { c.stop("immediate") })
	wait(c.t, "PostgreSQL starts", func() bool {
		return c.command("psql", c.dsn("postgres"), "-Atc", "SELECT 1").Run() == nil
	})
}

// stop stops the cluster: "fast" flushes everything, "immediate" is a crash.
func (c *cluster) stop(mode string) {
	if c.process == nil {
		return
	}
	stop := c.command("pg_ctl", "stop", "-D", c.dir, "-m", mode, "-W")
	if out, err := stop.CombinedOutput(); err != nil {
		c.t.Errorf("pg_ctl stop: %v\n%s", err, out)
		_ = c.process.Process.Kill()
	}
	_ = c.process.Wait() // a crash is no clean exit
	c.process = nil
}

func (c *cluster) dsn(database string) string {
	return "postgres://postgres@127.0.0.1:" + c.port + "/" + database + "?sslmode=disable"
}

// ask runs one statement and returns its only value.
func (c *cluster) ask(statement string) string {
	c.t.Helper()
	return c.run("psql", c.dsn("postgres"), "-v", "ON_ERROR_STOP=1", "-Atc", statement)
}

// alter changes a setting of the running cluster and waits until it holds.
func (c *cluster) alter(name, value string) {
	c.t.Helper()
	c.ask("ALTER SYSTEM SET " + name + " = '" + value + "'")
	c.ask("SELECT pg_reload_conf()")
	wait(c.t, name+" holds", func() bool { return c.ask("SHOW "+name) == value })
}

// copied is a base backup of the running cluster, not started; extra are pg_basebackup's further arguments.
func (c *cluster) copied(extra ...string) *cluster {
	c.t.Helper()
	backup := &cluster{t: c.t, bin: c.bin, dir: filepath.Join(folder(c.t), "db"), port: freePort(c.t)}
	c.run("pg_basebackup", append(extra, "-d", c.dsn("postgres"), "-D", backup.dir, "-c", "fast", "--no-sync")...)
	return backup
}

// patience is how long something may take that should take a moment; the machine may be busy.
const patience = 60 * time.Second

// wait waits for something to become true.
func wait(t *testing.T, what string, ready func() bool) {
	t.Helper()
	for began := time.Now(); !ready(); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}
