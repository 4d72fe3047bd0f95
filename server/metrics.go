package server

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/trace"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/oauth"
	"github.com/sojourn-auth/sojourn/storage"
)

// metrics counts requests for Prometheus. Labels are route templates and statuses: what strangers send can't make a
// new series.
type metrics struct {
	registry   *prometheus.Registry
	tracer     trace.Tracer // nil: no spans are made
	requests   *prometheus.CounterVec
	duration   *prometheus.HistogramVec
	rolled     *prometheus.CounterVec
	deliveries *prometheus.CounterVec
	notices    prometheus.Counter
	fetches    *prometheus.CounterVec
	sessions   sessionCounts
	days       *counting // nil: no day has numbers
	clients    *clientCounts
	upkeep     upkeepCounts
	asked      askCounts
}

// native makes a histogram one of fine buckets of its own making, too, for a Prometheus that scrapes native histograms.
func native(o prometheus.HistogramOpts) prometheus.HistogramOpts {
	o.NativeHistogramBucketFactor = 1.1
	o.NativeHistogramMaxBucketNumber = 160
	o.NativeHistogramMinResetDuration = time.Hour
	return o
}

func newMetrics(clients int) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sojourn_http_requests_total",
			Help: "Requests answered, by route template and status.",
		}, []string{"route", "status"}),
		duration: prometheus.NewHistogramVec(native(prometheus.HistogramOpts{
			Name:    "sojourn_http_request_duration_seconds",
			Help:    "How long answers took, by route template.",
			Buckets: latencies,
		}), []string{"route"}),
		rolled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sojourn_sessions_rolled_forward_total",
			Help: "Sessions whose app was ahead of the database, by whether SOJOURN_RECOVERY_UNTIL announced it.",
		}, []string{"announced"}),
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sojourn_deliveries_total",
			Help: "Tries to deliver a logout or a mail: delivered, failed (tried again later) or dead (given up).",
		}, []string{"kind", "outcome"}),
		notices: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sojourn_notices_dropped_total",
			Help: "Mails of what happened that were not sent, being one too many of their kind for a person.",
		}),
		fetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sojourn_fetches_refused_total",
			Help: "Keys, logos, documents and request objects of clients that were not fetched, since so many fetches were under way.",
		}, []string{"what"}),
		sessions: newSessionCounts(),
		clients:  newClientCounts(clients),
		upkeep:   newUpkeepCounts(),
		asked:    newAskCounts(),
	}
	for _, kind := range identity.DeliveryKinds {
		for _, outcome := range []string{"delivered", "failed", "dead"} {
			m.deliveries.WithLabelValues(string(kind), outcome)
		}
	}
	m.registry.MustRegister(m.upkeep.all()...)
	m.registry.MustRegister(m.clients.requests, m.clients.forced, m.clients.registrations)
	m.registry.MustRegister(m.asked.tokens, m.asked.signIns, m.asked.fetches, m.asked.fetchTook)
	m.registry.MustRegister(m.sessions.refreshes, m.sessions.forced, m.sessions.began)
	m.registry.MustRegister(m.requests, m.duration, m.rolled, m.deliveries, m.notices, m.fetches, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) count(rec *record, took time.Duration) {
	m.clients.count(rec.trail, rec.status, m.sessions.count(rec.trail))
	m.asked.count(rec, took)
	if m.days != nil {
		m.days.count(rec.trail)
	}
	m.requests.WithLabelValues(rec.route, strconv.Itoa(rec.status)).Inc()
	if !lasting(rec.route) { // how long somebody listened is no measure of how long answers take
		observeWith(m.duration.WithLabelValues(rec.route), rec, took)
	}
}

// shown are numbers that are asked for when somebody looks.
type shown struct{ registry prometheus.Registerer }

func (m *metrics) shown() shown { return shown{m.registry} }

func (s shown) counter(name, help string, count func() int) {
	s.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help},
		func() float64 { return float64(count()) }))
}

func (s shown) gauge(name, help string, value func() float64) {
	s.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// showJournal adds what count counts: endings that are missing from the journal.
func (m *metrics) showJournal(count func() int64) {
	m.shown().counter("sojourn_ending_journal_failures_total", "Endings that could not be written into the journal of SOJOURN_ENDING_JOURNAL.",
		func() int { return int(count()) })
}

// showStreams adds what count and refused count: apps that listen to /me/events, and those that were one too many.
func (m *metrics) showStreams(count, refused func() int) {
	m.shown().counter("sojourn_event_streams_refused_total",
		"Apps that were turned away from /me/events: one too many of a person or of this process.", refused)
	m.shown().gauge("sojourn_event_streams", "Apps that listen to /me/events in this process.", func() float64 { return float64(count()) })
}

// showFollowers adds what the feed of endings does in this process.
func (m *metrics) showFollowers(following func() oauth.Following) {
	to := m.shown()
	to.gauge("sojourn_endings_followers", "APIs that follow the feed of endings in this process, by a stream or a poll under way.",
		func() float64 { return float64(following().Followers) })
	to.counter("sojourn_endings_followers_refused_total", "Followers that were turned away: one too many of a client or of this process.",
		func() int { return following().Refused })
	to.counter("sojourn_endings_followers_dropped_total", "Followers that were cut off, since they read too slowly. They resume.",
		func() int { return following().Dropped })
	to.counter("sojourn_endings_messages_total", "Messages of marks that were signed, each once for all followers of this process.",
		func() int { return following().Signed })
}

// showRecall adds how often introspection, userinfo and /me went by what this process remembers of sessions.
func (m *metrics) showRecall(recall func() storage.Recall) {
	to := m.shown()
	to.counter("sojourn_session_cache_hits_total", "Sessions that were told of from memory.",
		func() int { return int(recall().Hits) })
	to.counter("sojourn_session_cache_misses_total", "Sessions whose row was asked instead.",
		func() int { return int(recall().Misses) })
	to.gauge("sojourn_session_cache_look_age_seconds",
		"How long ago the last look for endings began that worked; 0 before the first. Beyond a second every row is asked.",
		func() float64 { return recall().Age.Seconds() })
}

// showCount adds what count counts, under a name, as a counter.
func (m *metrics) showCount(name, help string, count func() int) {
	m.shown().counter(name, help, count)
}

// showCarrier adds how wake-ups go between processes, and what became of the questions to Redis.
func (m *metrics) showCarrier(db *storage.DB) {
	carrier := db.Carrying().Carrier
	if carrier == "" {
		return
	}
	to := shown{prometheus.WrapRegistererWith(prometheus.Labels{"carrier": carrier}, m.registry)}
	to.gauge("sojourn_carrier_beat_age_seconds", "How long ago the heartbeat was sent that came back last; above 1 servers look for themselves.",
		func() float64 { return db.Carrying().Age.Seconds() })
	to.counter("sojourn_carrier_said_total", "Wake-ups and heartbeats that this process handed over.", func() int { return db.Carrying().Said })
	to.counter("sojourn_carrier_heard_total", "Wake-ups of other processes.", func() int { return db.Carrying().Heard })
	to.counter("sojourn_carrier_ignored_total", "Wake-ups that made no sense or were too many.", func() int { return db.Carrying().Ignored })
	to.counter("sojourn_carrier_failures_total", "Packets that were not taken, connections that broke and questions without an answer in time.",
		func() int { return db.Carrying().Failures + db.SharedMemory().Failed })
	to.gauge("sojourn_redis_breaker_open", "1 while Redis is left alone, since it did not answer three times in a row; else 0.", func() float64 {
		if db.SharedAway() {
			return 1
		}
		return 0
	})
	to.counter("sojourn_carrier_unasked_total", "Questions that went by the memory of this process alone, since Redis did not answer lately.",
		func() int { return db.SharedMemory().Skipped })
}

// showReading adds where lists were read, where a replica is set.
func (m *metrics) showReading(db *storage.DB) {
	reading := func() storage.Reading {
		r, _ := db.Reading()
		return r
	}
	if _, set := db.Reading(); !set {
		return
	}
	to := m.shown()
	to.counter("sojourn_replica_reads_total", "Lists that were read from the replica.", func() int { return reading().Replica })
	to.counter("sojourn_replica_reads_missed_total", "Lists that were read from the primary, since the replica was away or behind.",
		func() int { return reading().Primary })
	to.gauge("sojourn_replica_behind_bytes", "Bytes of log that the replica had not replayed when it was asked last.",
		func() float64 { return float64(reading().Behind) })
}

// showing is told a value, and the values of its labels.
type showing func(value float64, labels ...string)

// labelled shows what is known elsewhere, by labels whose values are words of ours.
type labelled struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	tell func(showing)
}

func (m *metrics) gauges(name, help string, labels []string, tell func(showing)) {
	m.registry.MustRegister(labelled{prometheus.NewDesc(name, help, labels, nil), prometheus.GaugeValue, tell})
}

func (m *metrics) counters(name, help string, labels []string, tell func(showing)) {
	m.registry.MustRegister(labelled{prometheus.NewDesc(name, help, labels, nil), prometheus.CounterValue, tell})
}

// countsBy is counts by one label.
func (m *metrics) countsBy(name, help, label string, count func() map[string]int) {
	m.counters(name, help, []string{label}, func(show showing) {
		for value, n := range count() {
			show(float64(n), value)
		}
	})
}

// showBlurred adds what count counts: what is missing from the numbers of clients, platforms and versions.
func (m *metrics) showBlurred(count func() int64) {
	m.shown().counter("sojourn_stats_blurred_total",
		"Things that are counted of all apps together alone, since there were too many numbers of clients and versions.",
		func() int { return int(count()) })
}

// showTries adds what count counts: guesses, sign-ups, registrations and mails that were one too many.
func (m *metrics) showTries(count func() map[string]int) {
	m.countsBy("sojourn_tries_refused_total", "Tries that were one too many and must wait, by what they were counted against.", "limit", count)
}

// showHook adds what count counts: requests that needed an answer of the claims hook.
func (m *metrics) showHook(count func() map[string]int) {
	m.countsBy("sojourn_claims_hook_total", "Requests that needed an answer of the claims hook, by what came of them.", "outcome", count)
}

// Describe satisfies prometheus.Collector.
func (c labelled) Describe(to chan<- *prometheus.Desc) { to <- c.desc }

// Collect satisfies prometheus.Collector.
func (c labelled) Collect(to chan<- prometheus.Metric) {
	c.tell(func(value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(c.desc, c.kind, value, labels...)
	})
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// waiting shows how many deliveries wait and how many are dead, as the database says when it is asked.
type waiting struct {
	desc, age *prometheus.Desc
	now       func() time.Time
	count     func(context.Context) ([]identity.DeliveryCount, error)
}

// showDeliveries adds what count counts: what waits for other people's servers.
func (m *metrics) showDeliveries(count func(context.Context) ([]identity.DeliveryCount, error), now func() time.Time) {
	m.registry.MustRegister(waiting{
		count: count, now: now,
		desc: prometheus.NewDesc("sojourn_deliveries",
			"Deliveries in the database, by kind and whether they wait or were given up.", []string{"kind", "state"}, nil),
		age: prometheus.NewDesc("sojourn_delivery_oldest_age_seconds",
			"How long ago that delivery was queued which waits for longest, by kind; 0 where none waits.", []string{"kind"}, nil),
	})
}

// Describe satisfies prometheus.Collector.
func (w waiting) Describe(to chan<- *prometheus.Desc) { to <- w.desc; to <- w.age }

// Collect shows nothing while the database is away: the other metrics are needed then most of all.
func (w waiting) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	counts, err := w.count(ctx)
	if err != nil {
		return
	}
	byKind := map[identity.DeliveryKind]identity.DeliveryCount{}
	for _, c := range counts {
		byKind[c.Kind] = c
	}
	for _, kind := range identity.DeliveryKinds { // also while there are none, so that alarms have something to look at
		c := byKind[kind]
		to <- prometheus.MustNewConstMetric(w.desc, prometheus.GaugeValue, float64(c.Waiting), string(kind), "waiting")
		to <- prometheus.MustNewConstMetric(w.desc, prometheus.GaugeValue, float64(c.Dead), string(kind), "dead")
		age := time.Duration(0)
		if !c.Oldest.IsZero() {
			age = max(0, w.now().Sub(c.Oldest))
		}
		to <- prometheus.MustNewConstMetric(w.age, prometheus.GaugeValue, age.Seconds(), string(kind))
	}
}
