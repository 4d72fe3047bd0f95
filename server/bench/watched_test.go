package bench

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// BenchmarkWatchedCost refreshes in turns at a server that shows as little as it can, and at one with
// everything on: scraped every second, with names for clients' metrics, rules for anomalies, traces and metrics sent to a
// collector as it comes, a webhook, and a roll-up made in one turn of sixteen, which is the database's work and due once in ten minutes.
// It reports the processor time of both for a refresh, and what the second has of the first's throughput and spends of its processor
// time: the middle pair of turns, and the quarters below and above it, which say how much of it is the machine. A server's
// processor time is its own, whatever else runs; throughput is not.
func BenchmarkWatchedCost(b *testing.B) {
	for _, kind := range storagetest.Kinds(b) {
		b.Run(kind, func(b *testing.B) {
			sent := newSink(b)
			plain := newSide(b, kind, "SOJOURN_ANOMALIES=off", "SOJOURN_METRICS_CLIENTS=0")
			full := newSide(b, kind, "SOJOURN_ANOMALIES=on", "SOJOURN_METRICS_CLIENTS=50", "SOJOURN_OTLP="+sent.url)
			hooks := identity.Webhooks{Store: full.db, Now: full.db.Now, Loopback: true}
			if _, err := hooks.Add(b.Context(), &identity.Webhook{Name: "app", URL: sent.url + "/hook", Kinds: identity.EventKinds}); err != nil {
				b.Fatal(err)
			}
			var pairs []pair
			for b.Loop() { // once: it takes longer than any benchmark's second
				pairs = compare(b, plain, full)
			}
			if sent.n.Load() == 0 {
				b.Fatal("the collector was sent nothing")
			}
			b.ReportMetric(0, "ns/op") // of all turns: it says nothing
			spread(b, pairs, "off-op/s", func(p pair) float64 { return p.off.rate() })
			spread(b, pairs, "on-op/s", func(p pair) float64 { return p.on.rate() })
			spread(b, pairs, "throughput-ratio", func(p pair) float64 { return p.on.rate() / p.off.rate() })
			spread(b, pairs, "off-cpu-µs/op", func(p pair) float64 { return p.off.spent() })
			spread(b, pairs, "on-cpu-µs/op", func(p pair) float64 { return p.on.spent() })
			spread(b, pairs, "cpu-ratio", func(p pair) float64 { return p.on.spent() / p.off.spent() })
			b.ReportMetric(plain.idle(b), "off-idle-ms/s")
			b.ReportMetric(full.idle(b), "on-idle-ms/s")
		})
	}
}

// side is one of two servers that are compared.
type side struct {
	*stage
	process
}

func newSide(b *testing.B, kind string, settings ...string) *side {
	b.Helper()
	dsn := storagetest.DSN(b, kind)
	return &side{stage: newStage(b, dsn), process: startSojourn(b, dsn, settings...)}
}

// turnCalls is how many refreshes are a turn: half a second of processor time, of which a hundredth can be told.
const turnCalls = 2000

// lap is what one turn of refreshes took.
type lap struct{ took, burned time.Duration }

func (l lap) rate() float64  { return turnCalls / l.took.Seconds() }
func (l lap) spent() float64 { return float64(l.burned.Microseconds()) / turnCalls }

// pair is a turn of each side, one right after the other.
type pair struct{ off, on lap }

// turn has phones refresh.
func (s *side) turn(b *testing.B) lap {
	b.Helper()
	cpu, began := s.cpu(b), time.Now()
	if _, err := volley(16, turnCalls, func(worker int) error { return s.refresh(s.base, worker) }); err != nil {
		b.Fatal(err)
	}
	return lap{time.Since(began), s.cpu(b) - cpu}
}

// compare has one after the other go first, so that a machine that grows slower is slower to both. The first pair is to warm up.
func compare(b *testing.B, plain, full *side) (pairs []pair) {
	b.Helper()
	const turns = 32
	watched := func(i int) lap {
		ctx, stop := context.WithCancel(b.Context())
		defer stop()
		go scrape(ctx, full.metrics)
		if i%16 == 8 {
			go func() { _ = full.db.RollUp(ctx) }()
		}
		return full.turn(b)
	}
	for i := range turns + 1 {
		var p pair
		if i%2 == 0 {
			p.on = watched(i)
			p.off = plain.turn(b)
		} else {
			p.off = plain.turn(b)
			p.on = watched(i)
		}
		pairs = append(pairs, p)
	}
	return pairs[1:]
}

// spread reports the middle of what all pairs say, and the quarters below and above it.
func spread(b *testing.B, pairs []pair, unit string, of func(pair) float64) {
	b.Helper()
	var all []float64
	for _, p := range pairs {
		all = append(all, of(p))
	}
	slices.Sort(all)
	b.ReportMetric(all[len(all)/2], unit)
	if strings.HasSuffix(unit, "-ratio") {
		b.ReportMetric(all[len(all)/4], unit+"-q1")
		b.ReportMetric(all[3*len(all)/4], unit+"-q3")
	}
}

// scrape reads metrics as Prometheus does, but every second instead of every fifteen.
func scrape(ctx context.Context, url string) {
	for tick := time.NewTicker(time.Second); ; {
		if req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil); err == nil {
			if resp, err := client.Do(req); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sink takes whatever is sent.
type sink struct {
	url string
	n   atomic.Int64
}

func newSink(b *testing.B) *sink {
	b.Helper()
	s := &sink{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		s.n.Add(1)
		w.WriteHeader(http.StatusOK)
	}))
	b.Cleanup(server.Close)
	s.url = server.URL
	return s
}
