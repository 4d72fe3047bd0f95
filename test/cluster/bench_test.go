//go:build unix

package cluster_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/test/cluster"
)

// carriers are the settings of a cluster whose servers wake each other in one way.
var carriers = map[string][]string{"redis": nil, "notify": {"REDIS="}}

// BenchmarkEndedElsewhere signs an app out at one server and asks the two others, which had just remembered its session, until
// they refuse its access token. An iteration is a sign-in, a sign-out and two waits.
func BenchmarkEndedElsewhere(b *testing.B) {
	for _, name := range []string{"redis", "notify"} {
		b.Run(name, func(b *testing.B) {
			c := begun(b, cluster.Options{Settings: carriers[name]})
			browser := newPhone(c)
			must(b, browser.signIn(b.Context()))
			var waits []time.Duration
			for b.Loop() {
				waits = append(waits, endedElsewhere(b, c, browser)...)
			}
			slices.Sort(waits)
			b.ReportMetric(millis(waits[len(waits)/2]), "p50-ms")
			b.ReportMetric(millis(waits[len(waits)*99/100]), "p99-ms")
			b.ReportMetric(millis(waits[len(waits)-1]), "max-ms")
		})
	}
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// endedElsewhere is how long the second and the third server took to hear of an ending at the first, from its answer on.
func endedElsewhere(b *testing.B, c *cluster.Cluster, browser *phone) []time.Duration {
	b.Helper()
	ctx := b.Context()
	p := &phone{issuer: c.Issuer, http: browser.http, browser: browser.browser}
	must(b, p.signIn(ctx))
	others := c.Servers[1:]
	for _, s := range others {
		for range 2 {
			if status, err := p.me(ctx, "http://"+s.Address); err != nil || status != http.StatusOK {
				b.Fatalf("%d, %v", status, err)
			}
		}
	}
	waits := make([]time.Duration, len(others))
	var asking sync.WaitGroup
	must(b, p.leave(ctx, "http://"+c.Servers[0].Address))
	began := time.Now()
	for i, s := range others {
		asking.Go(func() {
			for time.Since(began) < patience {
				if status, err := p.me(ctx, "http://"+s.Address); err == nil && status == http.StatusUnauthorized {
					break
				}
			}
			waits[i] = time.Since(began)
		})
	}
	asking.Wait()
	return waits
}

// BenchmarkServers refreshes through the balancer with sixteen phones, at three servers and at one, then at one with a third of the load
// that three carried. On the cores of one machine, which the balancer, PostgreSQL and the phones share, three are worth what one is,
// less what they cost. So it says what a refresh costs the servers themselves: where that is the same, three with cores of their
// own do three times as much. Each has one core, as where it has a machine to itself: a program that may run on cores which others
// use keeps waking threads there. The third is what tells servers that have little to do from what it costs to be three: whoever
// rests between two requests is woken for the next one, and finds the caches cold.
func BenchmarkServers(b *testing.B) {
	b.Setenv("GOMAXPROCS", "1") // of what is started from here on
	c := begun(b, cluster.Options{})
	browser := newPhone(c)
	must(b, browser.signIn(b.Context()))
	phones := make([]*phone, 16)
	for i := range phones {
		phones[i] = &phone{issuer: c.Issuer, http: c.Client(), browser: browser.browser}
		must(b, phones[i].signIn(b.Context()))
	}
	var third time.Duration
	for _, run := range []struct {
		name    string
		servers int
	}{{"3", 3}, {"1", 1}, {"1-with-a-third", 1}} {
		for _, s := range c.Servers[run.servers:] {
			must(b, s.Stop())
		}
		every := time.Duration(0)
		if run.name == "1-with-a-third" {
			every = third
		}
		b.Run(run.name, func(b *testing.B) {
			began, before := time.Now(), processorTime(b, c.Servers[:run.servers])
			inTurn(b, phones, b.N, every)
			took := time.Since(began)
			if run.servers == 3 {
				third = 3 * took * time.Duration(len(phones)) / time.Duration(b.N)
			}
			b.ReportMetric(float64(b.N)/took.Seconds(), "refreshes/s")
			b.ReportMetric(float64((processorTime(b, c.Servers[:run.servers])-before).Microseconds())/float64(b.N), "cpu-µs/refresh")
		})
	}
}

// inTurn has phones refresh n times altogether, each no more often than every so long.
func inTurn(b *testing.B, phones []*phone, n int, every time.Duration) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	var all sync.WaitGroup
	for _, p := range phones {
		all.Go(func() {
			for next := time.Now(); left.Add(-1) >= 0; next = next.Add(every) {
				time.Sleep(time.Until(next))
				if err := p.renew(context.WithoutCancel(b.Context()), p.issuer); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// processorTime is what servers have taken of the processors so far (proc(5), stat: fields 14 and 15, in hundredths of a second).
func processorTime(b *testing.B, servers []*cluster.Server) (total time.Duration) {
	b.Helper()
	for _, s := range servers {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.PID()))
		must(b, err)
		_, behind, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(behind)
		for _, ticks := range fields[11:13] {
			n, err := strconv.ParseInt(ticks, 10, 64)
			must(b, err)
			total += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return total
}
