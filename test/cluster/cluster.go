//go:build unix

// Package cluster starts docker-compose.yml's topology as plain processes on loopback: PostgreSQL with a streaming replica, Redis,
// three servers, and HAProxy in front of them with deploy/haproxy.cfg. `make cluster` runs it for people, tests import it.
//
// Its one rule: real programs, each a child of ours that dies with us, on ports and in a folder that nobody else has. It imports
// nothing of ours: it knows `sojourn` by its commands and settings.
package cluster

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Options are what a cluster is made of; the zero value is `make cluster`.
type Options struct {
	Program  string   // the built sojourn; empty: it is built
	Secret   string   // SOJOURN_SECRET; empty: a random one
	Settings []string // of every server, NAME=value without SOJOURN_
	Postgres []string // settings of both PostgreSQLs, name=value

	// Via puts something between a server (from 1) and what it stands on ("primary", "replica", "redis"): it returns the address to
	// use in place of that one. nil: nothing is between.
	Via func(server int, name, address string) (string, error)
}

// Cluster is what runs.
type Cluster struct {
	Issuer   string // the balancer's address, which people and apps know
	Watch    string // the balancer's own metrics
	Roots    *x509.CertPool
	CA       string // file with the certificate to trust
	Secret   string
	Primary  *Postgres
	Replica  *Postgres
	Redis    *Process
	RedisURL string
	Servers  []*Server
	Balancer *Process

	dir     string
	program string
	servers int
	env     []string // of commands
}

// Start starts everything and returns when a request through the balancer is answered. Whoever gets a Cluster has to Stop it; with an error everything is gone.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	dir, err := os.MkdirTemp("", "sojourn-cluster")
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, program: o.Program, Secret: o.Secret, servers: 3}
	if c.Secret == "" {
		c.Secret = NewSecret()
	}
	if err := c.start(ctx, o); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// NewSecret is a value for SOJOURN_SECRET.
func NewSecret() string {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // it never fails
	return base64.StdEncoding.EncodeToString(secret)
}

func (c *Cluster) start(ctx context.Context, o Options) error {
	if err := os.Chmod(c.dir, 0o755); err != nil { //nolint:gosec // PostgreSQL runs as somebody else when we are root
		return err
	}
	var built sync.WaitGroup
	var buildErr error
	if c.program == "" {
		built.Go(func() { c.program, buildErr = Build(ctx, c.dir) })
	}
	err := errors.Join(c.databases(ctx, o), c.redis(ctx))
	built.Wait()
	if err := errors.Join(err, buildErr); err != nil {
		return err
	}
	if err := c.prepare(ctx, o); err != nil {
		return err
	}
	if _, err := c.Command(ctx, "", "migrate"); err != nil {
		return err
	}
	if err := inParallel(c.Servers, func(s *Server) error { return s.Start(ctx) }); err != nil {
		return err
	}
	return c.balance(ctx)
}

// Build builds sojourn into a folder as it is released, so that nothing is compiled twice; the working directory must be in our module.
func Build(ctx context.Context, dir string) (string, error) {
	source, err := root(ctx)
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "sojourn")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", program, "./cmd/sojourn")
	cmd.Dir, cmd.Env = source, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build sojourn: %w\n%s", err, out)
	}
	return program, nil
}

// root is the folder of our module.
func root(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	mod := strings.TrimSpace(string(out))
	if err != nil || filepath.Base(mod) != "go.mod" {
		return "", errors.Join(errors.New("run this inside the repository"), err)
	}
	return filepath.Dir(mod), nil
}

// databases starts PostgreSQL and a replica that streams from it.
func (c *Cluster) databases(ctx context.Context, o Options) (err error) {
	settings := append([]string{"max_connections=300"}, o.Postgres...)
	if c.Primary, err = NewPostgres(ctx, filepath.Join(c.dir, "primary"), settings...); err != nil {
		return err
	}
	if err := c.Primary.Start(ctx); err != nil {
		return err
	}
	if c.Replica, err = c.Primary.Copy(ctx, filepath.Join(c.dir, "replica"), "-R"); err != nil {
		return err
	}
	if err := c.Replica.Start(ctx); err != nil {
		return err
	}
	return c.Primary.until(ctx, "the replica streamed", func() bool { return c.Primary.Replicas(ctx) == 1 })
}

// redis starts Valkey or Redis, which keeps nothing.
func (c *Cluster) redis(ctx context.Context) error {
	program, err := find("valkey-server", "redis-server")
	if err != nil {
		return err
	}
	ports, err := FreePorts(1)
	if err != nil {
		return err
	}
	c.RedisURL = "redis://127.0.0.1:" + ports[0]
	c.Redis = &Process{
		Name: "Redis", Log: filepath.Join(c.dir, "redis.log"),
		command: []string{program, "--port", ports[0], "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", c.dir},
	}
	if err := c.Redis.Start(ctx); err != nil {
		return err
	}
	return c.Redis.until(ctx, "it listened", func() bool { return strings.Contains(c.Redis.Text(), "Ready to accept connections") })
}

// find returns the first of these programs that the machine has.
func find(names ...string) (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("this machine has no %s; on Debian: apt-get install postgresql redis-server haproxy", strings.Join(names, " or "))
}

// prepare makes the servers and the balancer, without starting them.
func (c *Cluster) prepare(ctx context.Context, o Options) error {
	ports, err := FreePorts(2 * c.servers)
	if err != nil {
		return err
	}
	for i := range c.servers {
		c.Servers = append(c.Servers, &Server{Address: "127.0.0.1:" + ports[2*i], AdminAddress: "127.0.0.1:" + ports[2*i+1]})
	}
	if err := c.balancer(ctx); err != nil {
		return err
	}
	for i, s := range c.Servers {
		env, err := c.settings(i+1, o)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("server %d", i+1)
		s.Process = &Process{
			Name: name, Log: filepath.Join(c.dir, fmt.Sprintf("server-%d.log", i+1)), command: []string{c.program, "serve"},
			env: append(env, "SOJOURN_LISTEN="+s.Address, "SOJOURN_ADMIN_LISTEN="+s.AdminAddress),
		}
	}
	c.env, err = c.settings(0, Options{Settings: o.Settings})
	return err
}

// settings are a server's, or those of commands, which nothing stands in the way of.
func (c *Cluster) settings(server int, o Options) (env []string, err error) {
	at := map[string]string{
		"primary": "127.0.0.1:" + c.Primary.Port, "replica": "127.0.0.1:" + c.Replica.Port, "redis": strings.TrimPrefix(c.RedisURL, "redis://"),
	}
	for name, address := range at {
		if o.Via == nil {
			break
		}
		if at[name], err = o.Via(server, name, address); err != nil {
			return nil, err
		}
	}
	env = slices.Concat(os.Environ(), []string{
		"SOJOURN_ISSUER=" + c.Issuer, "SOJOURN_SECRET=" + c.Secret, "SOJOURN_TRUSTED_PROXIES=127.0.0.1/32", "SOJOURN_DRAIN=5s",
		"SOJOURN_DATABASE=" + dsn(at["primary"]+","+at["replica"], "postgres") + "&target_session_attrs=read-write",
		"SOJOURN_DATABASE_READ=" + dsn(at["replica"], "postgres"), "SOJOURN_REDIS=redis://" + at["redis"],
	})
	for _, s := range o.Settings {
		env = append(env, "SOJOURN_"+s)
	}
	return env, nil
}

// Database is where commands and tests find the record, whichever of the two is the primary.
func (c *Cluster) Database() string {
	return dsn("127.0.0.1:"+c.Primary.Port+",127.0.0.1:"+c.Replica.Port, "postgres") + "&target_session_attrs=read-write"
}

// Set changes settings (NAME=value, without SOJOURN_) of the commands that are run from now on; servers have their own Set.
func (c *Cluster) Set(settings ...string) {
	for _, setting := range settings {
		c.env = append(c.env, "SOJOURN_"+setting)
	}
}

// Program is the sojourn that commands run.
func (c *Cluster) Program() string { return c.program }

// Upgrade has commands, and servers from their next start on, be another program.
func (c *Cluster) Upgrade(program string) {
	c.program = program
	for _, s := range c.Servers {
		s.command[0] = program
	}
}

// Command runs sojourn to its end, with the servers' settings and a line on its input, and returns what it said.
func (c *Cluster) Command(ctx context.Context, input string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.program, args...)
	cmd.Env, cmd.Stdin = c.env, strings.NewReader(input+"\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("sojourn %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// Stop ends everything, the balancer first and the databases last, and removes what they wrote. Nothing of it is kept, so nothing is asked to
// finish.
func (c *Cluster) Stop() error {
	processes := []*Process{c.Balancer}
	for _, s := range c.Servers {
		processes = append(processes, s.Process)
	}
	processes = append(processes, c.Redis)
	for _, p := range processes {
		if p != nil {
			p.Kill()
		}
	}
	var all []error
	for _, p := range []*Postgres{c.Replica, c.Primary} {
		if p != nil {
			all = append(all, p.Crash())
		}
	}
	return errors.Join(errors.Join(all...), os.RemoveAll(c.dir))
}

func inParallel[T any](all []T, do func(T) error) error {
	errs := make([]error, len(all))
	var under sync.WaitGroup
	for i, one := range all {
		under.Go(func() { errs[i] = do(one) })
	}
	under.Wait()
	return errors.Join(errs...)
}
