package gate

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sojourn-auth/sojourn/sdk/go/resource"
)

// metrics count answers for Prometheus. What callers send can't make a new series.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration prometheus.Histogram
}

func newMetrics(status func() resource.Status) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sojourn_gate_requests_total",
			Help: "Requests judged, by outcome: allowed, no_token, the error code of a refusal, or misconfigured (the proxy).",
		}, []string{"outcome"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "sojourn_gate_request_duration_seconds",
			Help:    "How long an answer took.",
			Buckets: []float64{.00002, .00005, .0001, .0002, .0005, .001, .002, .005, .01, .05, .25, 1},
		}),
	}
	gauge := func(name, help string, value func(resource.Status) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return value(status()) })
	}
	m.registry.MustRegister(m.requests, m.duration, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		gauge("sojourn_gate_feed_current", "1 while the server's endings are known up to now, else 0.", func(s resource.Status) float64 {
			if s.Current {
				return 1
			}
			return 0
		}),
		gauge("sojourn_gate_feed_marks", "Endings that are held.", func(s resource.Status) float64 { return float64(s.Marks) }))
	return m
}

func (m *metrics) count(outcome string, began time.Time) {
	m.requests.WithLabelValues(outcome).Inc()
	m.duration.Observe(time.Since(began).Seconds())
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
