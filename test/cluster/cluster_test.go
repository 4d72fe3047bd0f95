//go:build unix

package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/test/cluster"
)

// begun is a cluster with a person and an app, for the length of a test.
func begun(t testing.TB, o cluster.Options) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Start(t.Context(), o)
	if err != nil && os.Getenv("CI") == "" && (errors.Is(err, cluster.ErrNoPostgres) || strings.Contains(err.Error(), "this machine has no")) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, s := range c.Servers {
			if t.Failed() {
				t.Logf("%s:\n%s", s.Name, tail(s.Text()))
			}
		}
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	command(t, c, "client", "add", "--id", "app", "--public", "--trusted", "--redirect-uri", callback, "--scope", "openid offline_access")
	for _, person := range []string{email, visitor} {
		command(t, c, "user", "add", "--email", person, "--password-stdin")
	}
	return c
}

func tail(text string) string { return text[max(0, len(text)-4000):] }

func command(t testing.TB, c *cluster.Cluster, args ...string) string {
	t.Helper()
	said, err := c.Command(t.Context(), password, args...)
	if err != nil {
		t.Fatal(err)
	}
	return said
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A person signs in through the balancer, the app goes on at whichever server, and what one of them ended is over at all.
func TestCluster_anyServerTakesAnyRequest(t *testing.T) {
	t.Parallel()
	ctx, c := t.Context(), begun(t, cluster.Options{})
	p := newPhone(c)
	must(t, p.signIn(ctx))
	var bases []string
	for _, s := range c.Servers {
		bases = append(bases, "http://"+s.Address)
	}
	for range 2 {
		for _, at := range append(bases, c.Issuer) {
			must(t, p.renew(ctx, at))
			if status, err := p.me(ctx, at); err != nil || status != http.StatusOK {
				t.Fatalf("%s: %d, %v", at, status, err)
			}
		}
	}
	for _, s := range c.Servers {
		if asked := strings.Count(s.Text(), `"route":"/oauth2/token"`); asked < 2 {
			t.Errorf("%s answered %d times", s.Name, asked)
		}
	}
	must(t, p.leave(ctx, bases[0]))
	for _, at := range bases {
		for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			status, err := p.me(ctx, at)
			must(t, err)
			if status == http.StatusUnauthorized {
				break
			}
			if time.Since(began) > patience {
				t.Fatalf("%s: an access token of a session that is over: %d", at, status)
			}
		}
		if err := p.renew(ctx, at); err == nil || !strings.Contains(err.Error(), "invalid_grant") {
			t.Errorf("%s: a refresh token of a session that is over: %v", at, err)
		}
	}
	if n := c.Primary.Replicas(ctx); n != 1 {
		t.Errorf("%d replicas stream", n)
	}
}

// Servers are replaced one by one while phones refresh, people sign in, and apps listen. Nobody tries anything again, and
// nothing fails.
func TestCluster_rollingRestartFailsNoRequest(t *testing.T) {
	t.Parallel()
	ctx, c := t.Context(), begun(t, cluster.Options{})
	l := everyday(t, c)
	for range 1 + 2*soak() {
		restart(t, c, l)
	}
	l.end()
	t.Logf("%d requests, flows and streams; none failed: %v", l.n.Load(), !t.Failed())
	for _, s := range c.Servers {
		if !s.Ready(ctx) {
			t.Errorf("%s is not ready", s.Name)
		}
	}
}

// soak is how much longer `make soak` takes it.
func soak() int {
	if os.Getenv("SOJOURN_SOAK") != "" {
		return 10
	}
	return 0
}

// restart replaces each server, with further settings if there are any, while the load goes on.
func restart(t *testing.T, c *cluster.Cluster, l *load, settings ...string) {
	t.Helper()
	for _, s := range c.Servers {
		s.Set(settings...)
		must(t, s.Stop())
		must(t, s.Start(t.Context()))
		l.goesOn(20) // and the balancer has seen it
		for began := time.Now(); !up(t, c, 3); time.Sleep(100 * time.Millisecond) {
			if time.Since(began) > patience {
				t.Fatal("the balancer does not see the server that is back")
			}
		}
	}
}

// up reports whether the balancer leads to n servers.
func up(t *testing.T, c *cluster.Cluster, n int) bool {
	t.Helper()
	_, body, err := send(t.Context(), http.DefaultClient, http.MethodGet, c.Watch, nil, "")
	must(t, err)
	return strings.Contains(body, fmt.Sprintf("haproxy_backend_active_servers{proxy=\"servers\"} %d\n", n))
}

// everyday is a load of all that there is, and nothing may fail.
func everyday(t *testing.T, c *cluster.Cluster) *load {
	t.Helper()
	parts := everydays(t, c)
	listener := newPhone(c)
	must(t, listener.signIn(t.Context()))
	listening, heard := context.WithCancel(t.Context())
	t.Cleanup(heard)
	go func() {
		for listening.Err() == nil {
			if err := listener.listen(listening, func() {}); err != nil && listening.Err() == nil {
				t.Errorf("a stream: %v", err)
			}
		}
	}()
	return meanwhile(t, parts...)
}

// everydays are apps that refresh and ask who they are, and people who sign in with a password or by the cookie that they have. Whoever comes
// with another browser each time is somebody else: of a person's two hundredth the one that was used longest ago ends, between its
// code and its tokens too.
func everydays(t *testing.T, c *cluster.Cluster) []func(context.Context) error {
	t.Helper()
	known := newPhone(c)
	must(t, known.signIn(t.Context()))
	parts := []func(context.Context) error{
		func(ctx context.Context) error {
			p := newPhone(c)
			p.person = visitor
			defer p.close()
			return visit(ctx, p)
		},
		func(ctx context.Context) error { return visit(ctx, known) },
	}
	for range 4 {
		p := newPhone(c)
		must(t, p.signIn(t.Context()))
		parts = append(parts, func(ctx context.Context) error { return day(ctx, p) })
	}
	return parts
}

// visit is a sign-in, a look and a sign-out.
func visit(ctx context.Context, p *phone) error {
	if err := p.signIn(ctx); err != nil {
		return err
	}
	return errors.Join(look(ctx, p), p.leave(ctx, p.issuer))
}

// day is a refresh and a look.
func day(ctx context.Context, p *phone) error {
	if err := p.renew(ctx, p.issuer); err != nil {
		return fmt.Errorf("refresh: %w", err)
	}
	return look(ctx, p)
}

func look(ctx context.Context, p *phone) error {
	status, err := p.me(ctx, p.issuer)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("userinfo: %d", status)
	}
	return err
}

// docs/operations.md, Rotation: the root secret goes from the last place of the list to the first and then stands alone, one
// server at a time, and signing keys change under way. Nobody notices, nor does an app that slept until the new one was
// first: the old one is needed only for what slept through all of it.
func TestCluster_rotationIsNoticedByNobody(t *testing.T) {
	t.Parallel()
	before, after := cluster.NewSecret(), cluster.NewSecret()
	c := begun(t, cluster.Options{Secret: before, Settings: []string{"DRAIN=3s"}})
	l := everyday(t, c)
	sleeper := newPhone(c)
	must(t, sleeper.signIn(t.Context()))
	first := keys(t, c)
	command(t, c, "key", "rotate")
	l.goesOn(100)
	restart(t, c, l, "SECRET="+before+","+after)
	restart(t, c, l, "SECRET="+after+","+before)
	c.Set("SECRET=" + after + "," + before)
	if said := command(t, c, "key", "reseal"); !strings.Contains(said, "Nothing that rests needs an older root secret") {
		t.Error(said)
	}
	l.goesOn(100)
	command(t, c, "key", "rotate")
	l.goesOn(100)
	must(t, sleeper.renew(t.Context(), c.Issuer))
	restart(t, c, l, "SECRET="+after)
	c.Set("SECRET=" + after)
	command(t, c, "key", "list")
	must(t, day(t.Context(), sleeper))
	l.goesOn(100)
	l.end()
	if now := keys(t, c); now == first {
		t.Error("the keys are the same, so nothing was shown")
	}
	t.Logf("%d refreshes, looks and sign-ins; none failed: %v", l.n.Load(), !t.Failed())
}

func keys(t *testing.T, c *cluster.Cluster) string {
	t.Helper()
	_, body, err := send(t.Context(), c.Client(), http.MethodGet, c.Issuer+"/oauth2/jwks", nil, "")
	must(t, err)
	return body
}
