package server

import (
	"cmp"
	"context"
	"reflect"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

// upkeepCounts count what a server does for itself: it hashes, and it sweeps.
type upkeepCounts struct {
	hashWait    *prometheus.HistogramVec
	hashRefused *prometheus.CounterVec
	sweeps      *prometheus.CounterVec
	sweepTook   prometheus.Histogram
	swept       *prometheus.CounterVec
}

// The two lanes of identity.Passwords.
var lanes = map[bool]string{true: "known", false: "stranger"}

func newUpkeepCounts() upkeepCounts {
	c := upkeepCounts{
		hashWait: prometheus.NewHistogramVec(native(prometheus.HistogramOpts{
			Name:    "sojourn_password_hash_wait_seconds",
			Help:    "How long passwords waited for a core to be hashed on, by whether the browser is known.",
			Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}), []string{"lane"}),
		hashRefused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sojourn_password_hashes_refused_total",
			Help: "Passwords that were not looked at, since too many waited already or the request had no time left, by lane.",
		}, []string{"lane"}),
		sweeps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sojourn_sweeps_total",
			Help: "Sweeps of this process, whether done or failed. Of all servers one sweeps at a time.",
		}, []string{"outcome"}),
		sweepTook: prometheus.NewHistogram(native(prometheus.HistogramOpts{
			Name:    "sojourn_sweep_duration_seconds",
			Help:    "How long sweeps took.",
			Buckets: []float64{.01, .05, .1, .5, 1, 5, 10, 30, 60, 300},
		})),
		swept: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sojourn_swept_rows_total",
			Help: "Rows that sweeps deleted, by kind.",
		}, []string{"kind"}),
	}
	for _, lane := range lanes {
		c.hashWait.WithLabelValues(lane)
		c.hashRefused.WithLabelValues(lane)
	}
	for _, outcome := range []string{"done", "failed"} {
		c.sweeps.WithLabelValues(outcome)
	}
	return c
}

func (c upkeepCounts) all() []prometheus.Collector {
	return []prometheus.Collector{c.hashWait, c.hashRefused, c.sweeps, c.sweepTook, c.swept}
}

// watchHashes has the queue before the hashes counted.
func (m *metrics) watchHashes(p *identity.Passwords) {
	p.Watch(identity.HashWatch{
		Waited: func(known bool, took time.Duration) {
			m.upkeep.hashWait.WithLabelValues(lanes[known]).Observe(took.Seconds())
		},
		Crowded: func(known bool) { m.upkeep.hashRefused.WithLabelValues(lanes[known]).Inc() },
	})
	m.gauges("sojourn_password_hashes_waiting", "Passwords that wait to be hashed or are, by lane.", []string{"lane"}, func(show showing) {
		for known, lane := range lanes {
			show(float64(p.For(known).Waiting()), lane)
		}
	})
}

// sweptRows counts what a sweep deleted, by the names of its fields.
func (c upkeepCounts) sweptRows(rows storage.SweptRows, clients, unconfirmed int) {
	fields := reflect.ValueOf(rows)
	for i := range fields.NumField() {
		c.swept.WithLabelValues(snake(fields.Type().Field(i).Name)).Add(float64(fields.Field(i).Int()))
	}
	c.swept.WithLabelValues("clients").Add(float64(clients))
	c.swept.WithLabelValues("unconfirmed_users").Add(float64(unconfirmed))
}

// snake is DeniedTokens as denied_tokens.
func snake(name string) string {
	var b strings.Builder
	for i, letter := range name {
		if i > 0 && letter >= 'A' && letter <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(letter)
	}
	return strings.ToLower(b.String())
}

// showDatabase adds how connections, caches and the clock fare.
func (m *metrics) showDatabase(db *storage.DB) {
	pools := []string{"pool"}
	m.gauges("sojourn_database_connections", "Connections to the database that are used or idle.", []string{"pool", "state"}, func(show showing) {
		for _, p := range db.Pools() {
			show(float64(p.Used), p.Name, "used")
			show(float64(p.Idle), p.Name, "idle")
		}
	})
	m.gauges("sojourn_database_connections_max", "Connections to the database that there may be.", pools, func(show showing) {
		for _, p := range db.Pools() {
			show(float64(p.Max), p.Name)
		}
	})
	m.counters("sojourn_database_connection_waits_total", "Statements that waited for a connection.", pools, func(show showing) {
		for _, p := range db.Pools() {
			show(float64(p.Waits), p.Name)
		}
	})
	m.counters("sojourn_database_connection_wait_seconds_total", "How long statements waited for a connection.", pools, func(show showing) {
		for _, p := range db.Pools() {
			show(p.Waited.Seconds(), p.Name)
		}
	})
	m.counters("sojourn_cache_hits_total", "Reads that what was read less than a second before spared.", []string{"cache"}, func(show showing) {
		for _, c := range db.Caches() {
			show(float64(c.Hits), c.Name)
		}
	})
	m.counters("sojourn_cache_misses_total", "Reads that asked the database.", []string{"cache"}, func(show showing) {
		for _, c := range db.Caches() {
			show(float64(c.Misses), c.Name)
		}
	})
	m.shown().gauge("sojourn_clock_skew_seconds", "How far the database's time is ahead of this machine's; what is judged by goes by the database's.",
		func() float64 { return db.Clock().Skew().Seconds() })
}

// showKeys adds for how long the keys sign that sign now.
func (m *metrics) showKeys(since func() map[string]time.Time, now func() time.Time) {
	m.gauges("sojourn_signing_key_age_seconds", "For how long the key has signed that signs now, by algorithm.", []string{"alg"}, func(show showing) {
		for alg, at := range since() {
			show(now().Sub(at).Seconds(), alg)
		}
	})
}

// showReady adds what /readyz says. It is asked again for each look, as it is for a balancer.
func (m *metrics) showReady(why func(context.Context) unready) {
	ask := func() unready {
		ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
		defer cancel()
		return why(ctx)
	}
	m.gauges("sojourn_unready", "1 for the reason for which /readyz says that no request should come here, else 0.", []string{"reason"}, func(show showing) {
		now := ask()
		for _, why := range unreadies {
			value := 0.0
			if why == now {
				value = 1
			}
			show(value, why.reason)
		}
	})
}

// showBuild adds which program this is.
func (m *metrics) showBuild(version string) {
	commit, goVersion := "unknown", "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		goVersion = info.GoVersion
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = s.Value
			}
		}
	}
	m.gauges("sojourn_build_info", "1; its labels say which program this is.", []string{"version", "commit", "goversion"}, func(show showing) {
		show(1, cmp.Or(version, "(devel)"), commit, goVersion)
	})
}
