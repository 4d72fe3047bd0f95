package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/sojourn-auth/sojourn/test/cluster"
)

// paused is how long a process stands still: longer than anything that is believed without asking may be believed.
const paused = 5 * time.Second

// trouble is something that breaks and is mended again. It returns once both have happened.
type trouble struct {
	name string
	make func(p *play) error
}

// troubles are what a cluster must stand, each as often as the next. A replica's clock can't be set apart from the machine's, so a
// skewed one is not among them; storage's tests skew what Clock measures. A backup that is put back has a test of its own.
var troubles = []trouble{
	{"a server is killed", func(p *play) error {
		s := p.someServer()
		s.Kill()
		time.Sleep(awhile)
		return p.back(s)
	}},
	{"a server leaves and comes back", func(p *play) error {
		s := p.someServer()
		if err := s.Stop(); err != nil {
			return err
		}
		return p.back(s)
	}},
	{"a server stands still", func(p *play) error { return still(p.someServer().Process) }},
	{"Redis stands still", func(p *play) error { return still(p.c.Redis) }},
	{"Redis is killed", func(p *play) error {
		p.c.Redis.Kill()
		time.Sleep(2 * time.Second)
		return p.c.Redis.Start(p.ctx)
	}},
	{"Redis forgets everything", func(p *play) error {
		for range 5 {
			if err := p.tellRedis("FLUSHALL"); err != nil {
				return err
			}
			time.Sleep(awhile)
		}
		return nil
	}},
	{"Redis is full", func(p *play) error {
		if err := p.tellRedis("CONFIG SET maxmemory 1"); err != nil {
			return err
		}
		time.Sleep(2 * time.Second)
		return p.tellRedis("CONFIG SET maxmemory 0")
	}},
	{"a server can't reach Redis", func(p *play) error { return p.spoil("redis", hole, 3*time.Second) }},
	{"a server can't reach the database", func(p *play) error { return p.spoil("primary", hole, 4*time.Second) }},
	{"a server's way to the database is long", func(p *play) error { return p.spoil("primary", long, 4*time.Second) }},
	{"nobody gets at the sessions", func(p *play) error {
		_, err := p.c.Primary.Ask(p.ctx, "BEGIN; LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(3); COMMIT")
		return err
	}},
	{"the disk is slow", func(p *play) error {
		for _, delay := range []string{"100ms", "0"} { // each commit that waits for the disk waits so much longer
			if err := p.c.Primary.Alter(p.ctx, "commit_delay", strings.Replace(delay, "100ms", "100000", 1)); err != nil {
				return err
			}
			if delay != "0" {
				time.Sleep(4 * time.Second)
			}
		}
		return nil
	}},
}

// back starts a server as an orchestrator does: again where it gave up because its database did not answer in time, as a busy machine's
// may not.
func (p *play) back(s *cluster.Server) error {
	for began := time.Now(); ; {
		before := len(s.Text())
		err := s.Start(p.ctx)
		gaveUp := !s.Running() && strings.Contains(s.Text()[before:], "reach database: the database is away")
		if !gaveUp || time.Since(began) > patience {
			return err
		}
		p.t.Logf("%s gave up at its start, and is started again", s.Name)
	}
}

// still stops a process for a while; it does not notice.
func still(p *cluster.Process) error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	time.Sleep(paused)
	return p.Signal(syscall.SIGCONT)
}

// What can be wrong with a way: nothing comes through any more and nobody is told, or everything takes its time.
const (
	hole = `{"name": "%s", "type": "timeout", "stream": "%s", "attributes": {"timeout": 0}}`
	long = `{"name": "%s", "type": "latency", "stream": "%s", "attributes": {"latency": 100, "jitter": 50}}`
)

// ways are proxies between each server and what it stands on.
type ways map[string]*toxiproxy.Proxy

// via puts a proxy in between.
func (w ways) via(t *testing.T) func(server int, name, address string) (string, error) {
	return func(server int, name, address string) (string, error) {
		key := fmt.Sprint(name, server)
		proxy := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), key, "127.0.0.1:0", address)
		if err := proxy.Start(); err != nil {
			return "", err
		}
		t.Cleanup(proxy.Stop)
		w[key] = proxy
		return proxy.Listen, nil
	}
}

// spoil spoils one server's way to something for a while.
func (p *play) spoil(to, how string, d time.Duration) error {
	way := p.ways[fmt.Sprint(to, 1+rand.IntN(len(p.c.Servers)))]
	for _, stream := range []string{"upstream", "downstream"} {
		if _, err := way.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(how, stream, stream))); err != nil {
			return err
		}
	}
	time.Sleep(d)
	for _, stream := range []string{"upstream", "downstream"} {
		if err := way.Toxics.RemoveToxic(context.WithoutCancel(p.ctx), stream); err != nil {
			return err
		}
	}
	return nil
}

// failOver loses the primary and its last moments, and makes the replica the primary. It returns how long nobody was served after that.
func (p *play) failOver() (time.Duration, error) {
	if err := p.c.Replica.Alter(p.ctx, "primary_conninfo", ""); err != nil { // from here on it gets nothing
		return 0, err
	}
	if err := p.c.Primary.Alter(p.ctx, "synchronous_standby_names", ""); err != nil {
		return 0, err
	}
	p.goesOn(2)
	p.history.losses.begun.Add(1)
	if err := p.c.Primary.Crash(); err != nil {
		return 0, err
	}
	p.history.losses.done.Add(1)
	time.Sleep(awhile)
	if err := p.c.Replica.Promote(p.ctx); err != nil {
		return 0, err
	}
	promoted, before := time.Now(), p.refreshes.Load()
	wait(p.t, "somebody is served", func() bool { return p.refreshes.Load() > before })
	return time.Since(promoted), nil
}
