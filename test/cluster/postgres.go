//go:build unix

package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrNoPostgres says that the machine has no PostgreSQL to start.
var ErrNoPostgres = errors.New("PostgreSQL's programs (initdb, postgres, pg_basebackup, psql) are neither in $PATH nor in " +
	"/usr/lib/postgresql; on Debian: apt-get install postgresql")

// Postgres is one PostgreSQL of our own, as durable as a real one.
type Postgres struct {
	*Process
	Dir  string // its data
	Port string
	bin  string // where its programs are
}

// NewPostgres makes a database cluster in a folder that nobody but us has made yet, or that is empty; it is not started. Settings are name=value, as in
// postgresql.conf.
func NewPostgres(ctx context.Context, dir string, settings ...string) (*Postgres, error) {
	p, err := newPostgres(dir)
	if err != nil {
		return nil, err
	}
	if _, err := p.Run(ctx, "initdb", "-D", p.Dir, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"); err != nil {
		return nil, err
	}
	return p, p.Set(append(settings, "unix_socket_directories=", "listen_addresses=127.0.0.1")...)
}

func newPostgres(dir string) (*Postgres, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	ports, err := FreePorts(1)
	if err != nil {
		return nil, err
	}
	as, err := Unprivileged()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if as != nil {
		if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
			return nil, err
		}
	}
	p := &Postgres{Dir: filepath.Join(dir, "db"), Port: ports[0], bin: bin}
	p.Process = &Process{Name: "PostgreSQL", Log: filepath.Join(dir, "log"), as: as, orphan: syscall.SIGQUIT}
	return p, nil
}

// binaries finds the folder of PostgreSQL's programs: on $PATH, or where Debian hides them, the newest first.
func binaries() (string, error) {
	hidden, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(hidden, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), hidden...) {
		whole := !slices.ContainsFunc([]string{"initdb", "postgres", "pg_basebackup", "psql"}, func(name string) bool {
			_, err := os.Stat(filepath.Join(dir, name)) //nolint:gosec // $PATH is whoever runs this
			return err != nil
		})
		if whole {
			return dir, nil
		}
	}
	return "", ErrNoPostgres
}

// Programs is the folder of its programs.
func (p *Postgres) Programs() string { return p.bin }

// version is the 15 of /usr/lib/postgresql/15/bin.
func version(bin string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
	return n
}

// Run runs one of PostgreSQL's programs to its end, as whoever may, and returns what it said.
func (p *Postgres) Run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, name), args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.as}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// Set writes settings, which hold from the next start on.
func (p *Postgres) Set(settings ...string) error {
	file, err := os.OpenFile(filepath.Join(p.Dir, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	for _, s := range settings {
		name, value, _ := strings.Cut(s, "=")
		_, writeErr := file.WriteString(name + " = '" + value + "'\n")
		err = errors.Join(err, writeErr)
	}
	return errors.Join(err, file.Close())
}

// Start starts it and waits until it answers.
func (p *Postgres) Start(ctx context.Context) error {
	p.command = []string{filepath.Join(p.bin, "postgres"), "-D", p.Dir, "-p", p.Port}
	if err := p.Process.Start(ctx); err != nil {
		return err
	}
	return p.until(ctx, "it answered", func() bool {
		_, err := p.Ask(ctx, "SELECT 1")
		return err == nil
	})
}

// Stop stops it after it flushed everything; Crash does not let it.
func (p *Postgres) Stop() error { return p.End(syscall.SIGINT) }

// Crash is how it ends when the machine does, but that the kernel keeps what was written.
func (p *Postgres) Crash() error { return p.End(syscall.SIGQUIT) }

// DSN is the address of one of its databases.
func (p *Postgres) DSN(database string) string { return dsn("127.0.0.1:"+p.Port, database) }

func dsn(hosts, database string) string {
	return "postgres://postgres@" + hosts + "/" + database + "?sslmode=disable"
}

// Ask runs one statement and returns its only value.
func (p *Postgres) Ask(ctx context.Context, statement string) (string, error) {
	return p.Run(ctx, "psql", p.DSN("postgres"), "-v", "ON_ERROR_STOP=1", "-Atc", statement)
}

// Alter changes a setting while it runs and waits until that holds.
func (p *Postgres) Alter(ctx context.Context, name, value string) error {
	for _, statement := range []string{"ALTER SYSTEM SET " + name + " = '" + value + "'", "SELECT pg_reload_conf()"} {
		if _, err := p.Ask(ctx, statement); err != nil {
			return err
		}
	}
	return p.until(ctx, name+" held", func() bool {
		now, err := p.Ask(ctx, "SHOW "+name)
		return err == nil && now == value
	})
}

// Copy makes a base backup in another folder while it runs; the copy is not started. Extra are further arguments of pg_basebackup:
// "-R" makes the copy a replica that streams from here.
func (p *Postgres) Copy(ctx context.Context, dir string, extra ...string) (*Postgres, error) {
	c, err := newPostgres(dir)
	if err != nil {
		return nil, err
	}
	_, err = p.Run(ctx, "pg_basebackup", append(extra, "-d", p.DSN("postgres"), "-D", c.Dir, "-c", "fast", "--no-sync")...)
	return c, err
}

// Replicas is how many stream from here.
func (p *Postgres) Replicas(ctx context.Context) int {
	text, _ := p.Ask(ctx, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'")
	n, _ := strconv.Atoi(text)
	return n
}

// Promote makes a replica the primary and waits until it takes writes.
func (p *Postgres) Promote(ctx context.Context) error {
	_, err := p.Ask(ctx, fmt.Sprintf("SELECT pg_promote(true, %d)", int(patience/time.Second)))
	return err
}
