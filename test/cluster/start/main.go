//go:build unix

// Start starts a whole Sojourn on this machine and says where to look, until it is interrupted. `make cluster` runs it.
//
// Its one rule: what it starts ends with it, however it ends. All else is in package cluster.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sojourn-auth/sojourn/test/cluster"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

// run starts the cluster and waits until somebody or our parent's death ends it.
func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	go withParent(stop)
	began := time.Now()
	fmt.Fprintln(os.Stderr, "building and starting; this takes less than a minute")
	c, err := cluster.Start(ctx, cluster.Options{})
	if err != nil {
		return err
	}
	err = serve(ctx, c, began)
	fmt.Fprintln(os.Stderr, "stopping")
	if stopErr := c.Stop(); stopErr != nil {
		return stopErr
	}
	return err
}

func serve(ctx context.Context, c *cluster.Cluster, began time.Time) error {
	password := rand.Text()
	if _, err := c.Command(ctx, password, "user", "add", "--email", "ada@example.com", "--password-stdin"); err != nil {
		return err
	}
	_, err := c.Command(ctx, "", "client", "add", "--id", "notes", "--public", "--redirect-uri", "http://127.0.0.1/callback",
		"--scope", "openid profile email offline_access")
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "Ready after %.0f s. Ctrl-C stops it all and leaves nothing.\n\n", time.Since(began).Seconds())
	tell(c)
	fmt.Fprintf(os.Stdout, "\nTry it: client notes (public, redirect http://127.0.0.1/callback), user ada@example.com, password %s\n", password)
	fmt.Fprintf(os.Stdout, "  echo %s | SSL_CERT_FILE=%s go run ./cmd/sojourn load --target %s --client notes \\\n"+
		"    --email ada@example.com --password-stdin --devices 50 --rate 50 --duration 30s\n", password, c.CA, c.Issuer)
	select {
	case <-ctx.Done():
		return nil
	case <-c.Balancer.Exited():
		return fmt.Errorf("the balancer ended:\n%s", c.Balancer.Text())
	}
}

// tell says where to look.
func tell(c *cluster.Cluster) {
	line := func(what, where, more string) { fmt.Fprintf(os.Stdout, "%-12s %s  %s\n", what, where, more) }
	line("balancer", c.Issuer, "HAProxy, TLS; trust "+c.CA)
	line("", c.Watch, "its own metrics")
	for _, s := range c.Servers {
		line(s.Name, "http://"+s.Address, fmt.Sprintf("admin listener http://%s, pid %d, log %s", s.AdminAddress, s.PID(), s.Log))
	}
	line("primary", c.Primary.DSN("postgres"), fmt.Sprintf("pid %d", c.Primary.PID()))
	line("replica", c.Replica.DSN("postgres"), fmt.Sprintf("streams from the primary, pid %d", c.Replica.PID()))
	line("redis", c.RedisURL, fmt.Sprintf("pid %d", c.Redis.PID()))
	line("secret", c.Secret, "SOJOURN_SECRET, for commands against this database")
}

// withParent stops when whoever started us is gone: make was killed, say, which tells its children nothing.
func withParent(stop func()) {
	for parent := os.Getppid(); os.Getppid() == parent; {
		time.Sleep(200 * time.Millisecond)
	}
	stop()
}
