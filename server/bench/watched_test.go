package bench

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// BenchmarkWatchedCost refreshes in turns at a server that shows as little as it can, and at one with
// everything on: scraped every second, with names for clients' metrics, rules for anomalies, traces and metrics sent to a
// collector as it comes, a webhook, and a roll-up made in one turn of sixteen, which is the database's work and due once in ten minutes.
// It reports what the second has of the first's throughput, and what it spends of its processor time.
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
			for b.Loop() { // once: it takes longer than any benchmark's second
				compare(b, plain, full)
			}
			if sent.n.Load() == 0 {
				b.Fatal("the collector was sent nothing")
			}
			b.ReportMetric(plain.rate(), "op/s")
			b.ReportMetric(full.rate()/plain.rate(), "throughput-ratio")
			b.ReportMetric(plain.spent(), "server-µs/op")
			b.ReportMetric(full.spent()/plain.spent(), "cpu-ratio")
			b.ReportMetric(plain.idle(b), "off-idle-ms/s")
			b.ReportMetric(full.idle(b), "on-idle-ms/s")
		})
	}
}

// side is one of two servers that are compared, with what its turns took together.
type side struct {
	*stage
	process
	calls        int
	took, burned time.Duration
}

func (s *side) rate() float64  { return float64(s.calls) / s.took.Seconds() }
func (s *side) spent() float64 { return float64(s.burned.Microseconds()) / float64(s.calls) }

func newSide(b *testing.B, kind string, settings ...string) *side {
	b.Helper()
	dsn := storagetest.DSN(b, kind)
	return &side{stage: newStage(b, dsn), process: startSojourn(b, dsn, settings...)}
}

// turn has phones refresh.
func (s *side) turn(b *testing.B, calls int) {
	b.Helper()
	cpu, began := s.cpu(b), time.Now()
	if _, err := volley(16, calls, func(worker int) error { return s.refresh(s.base, worker) }); err != nil {
		b.Fatal(err)
	}
	s.took, s.burned, s.calls = s.took+time.Since(began), s.burned+s.cpu(b)-cpu, s.calls+calls
}

// compare has one after the other go first, so that a machine that grows slower is slower to both.
func compare(b *testing.B, plain, full *side) {
	b.Helper()
	const calls, turns = 2000, 16
	watched := func(turn int) {
		ctx, stop := context.WithCancel(b.Context())
		defer stop()
		go scrape(ctx, full.metrics)
		if turn == turns/2 {
			go func() { _ = full.db.RollUp(ctx) }()
		}
		full.turn(b, calls)
	}
	for i := range turns + 1 {
		if i%2 == 0 {
			watched(i)
			plain.turn(b, calls)
		} else {
			plain.turn(b, calls)
			watched(i)
		}
		if i == 0 { // it was to warm up
			plain.calls, plain.took, plain.burned = 0, 0, 0
			full.calls, full.took, full.burned = 0, 0, 0
		}
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
