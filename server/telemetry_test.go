package server

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracespb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/sojourn-auth/sojourn/config"
	"github.com/sojourn-auth/sojourn/mail/mailtest"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// collector takes what OpenTelemetry sends (OTLP 1.x, protocol buffers by HTTP).
type collector struct {
	url string

	mu      sync.Mutex
	spans   []*tracepb.Span
	metrics []string
	raw     bytes.Buffer
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	site := httptest.NewServer(c)
	t.Cleanup(site.Close)
	c.url = site.URL
	return c
}

// ServeHTTP takes spans and metrics.
func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(r.Body)
	}
	sent, err := io.ReadAll(body)
	if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(w, "what is that?", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw.Write(sent)
	switch r.URL.Path {
	case "/v1/traces":
		var got tracespb.ExportTraceServiceRequest
		if err = proto.Unmarshal(sent, &got); err == nil {
			for _, of := range got.ResourceSpans {
				for _, by := range of.ScopeSpans {
					c.spans = append(c.spans, by.Spans...)
				}
			}
		}
	case "/v1/metrics":
		var got metricspb.ExportMetricsServiceRequest
		if err = proto.Unmarshal(sent, &got); err == nil {
			for _, of := range got.ResourceMetrics {
				for _, by := range of.ScopeMetrics {
					for _, m := range by.Metrics {
						c.metrics = append(c.metrics, m.Name)
					}
				}
			}
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

// named are the spans of a name, and the others of their traces.
func (c *collector) named(name string) (found, inside []*tracepb.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if s.Name == name {
			found = append(found, s)
		}
	}
	for _, s := range c.spans {
		if s.Name != name && slices.ContainsFunc(found, func(of *tracepb.Span) bool { return bytes.Equal(of.TraceId, s.TraceId) }) {
			inside = append(inside, s)
		}
	}
	return found, inside
}

func attributeOf(s *tracepb.Span, key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// A collector gets the spans of a sign-in and of a refresh, with their statements inside, and the metrics; nothing that opens
// anything is among it. What a person's requests are called there is what the log and /metrics call them.
func TestTelemetry_aCollectorSeesASignInAndARefresh(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			c := newCollector(t)
			t.Cleanup(func() { // the server has left by now, and sent what it had
				c.mu.Lock()
				defer c.mu.Unlock()
				if !slices.Contains(c.metrics, "sojourn_refreshes_total") || !slices.Contains(c.metrics, "sojourn_token_duration_seconds") {
					t.Errorf("the metrics did not come: %v", c.metrics)
				}
			})
			w := newWorld(t, kind, "otlp", c.url, "trace_sample", "1")
			a, p := w.app(t, trusted), w.person(t)
			given := a.redeem(t, newVisitor(t).signIn(t, a, p))
			next := a.tokens(t, a.refresh(t, given.RefreshToken))
			a.refresh(t, "sj_rt_what somebody typed")
			eventually(t, func() bool {
				signIns, _ := c.named("POST /signin")
				exchanges, inside := c.named("POST /oauth2/token")
				return len(signIns) == 1 && len(exchanges) == 3 && len(inside) >= 2
			})
			checkSpans(t, c, kind)
			said, log := w.metricsAs(t, "application/openmetrics-text"), w.journal.text()
			exchanges, _ := c.named("POST /oauth2/token")
			for _, s := range exchanges {
				trace := hex.EncodeToString(s.TraceId)
				if !strings.Contains(log, `"trace":"`+trace+`"`) || !strings.Contains(log, attributeOf(s, "sojourn.request")) {
					t.Error("the log does not lead to the trace of a request for tokens")
				}
			}
			led := slices.ContainsFunc(exchanges, func(s *tracepb.Span) bool {
				return strings.Contains(said, `{trace_id="`+hex.EncodeToString(s.TraceId)+`"}`)
			})
			if !led {
				t.Error("no exemplar leads to a trace of a request for tokens")
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			for _, secret := range []string{
				"what somebody typed", given.RefreshToken, given.AccessToken, given.IDToken, next.RefreshToken, next.AccessToken, p.password, p.email, verifier, "sj_",
			} {
				if bytes.Contains(c.raw.Bytes(), []byte(secret)) {
					t.Errorf("the collector was told %q", secret)
				}
			}
			w.journal.search(t, "the collector was told", c.raw.String())
		})
	}
}

func checkSpans(t *testing.T, c *collector, kind string) {
	t.Helper()
	exchanges, inside := c.named("POST /oauth2/token")
	rotated := 0
	for _, s := range exchanges {
		if attributeOf(s, "http.route") != "/oauth2/token" || attributeOf(s, "sojourn.request") == "" {
			t.Errorf("a request for tokens says %v", s.Attributes)
		}
		if attributeOf(s, "sojourn.refresh") == "rotated" {
			rotated++
		}
	}
	if rotated != 1 {
		t.Errorf("%d requests say that they rotated", rotated)
	}
	statements := 0
	for _, s := range inside {
		if text := attributeOf(s, "db.query.text"); strings.Contains(text, "UPDATE sessions") {
			statements++
			if strings.Contains(text, "'sj_") || !strings.ContainsAny(text, "$?") {
				t.Errorf("a statement shows values: %s", text)
			}
		}
		if len(s.Events) > 0 || s.Status.GetMessage() != "" {
			t.Errorf("%s says in words what went wrong: %v %v", s.Name, s.Events, s.Status)
		}
		want := map[string]string{"sqlite": "sqlite", "postgres": "postgresql"}[kind]
		if of := attributeOf(s, "db.system.name"); of != "" && of != want {
			t.Errorf("%s is of %q", s.Name, of)
		}
	}
	if statements == 0 {
		t.Error("the statement of the refresh is missing")
	}
}

// What a request asks of Redis is inside of its trace. A mail has a trace of its own, which nobody waits for, with its statements and
// what the mail server took. Neither says a key, an address or a value.
func TestTelemetry_aCollectorSeesRedisAndMail(t *testing.T) {
	t.Parallel()
	c, post := newCollector(t), mailtest.Run(t, mailtest.Options{})
	w := newWorld(t, storage.Postgres, "otlp", c.url, "trace_sample", "1", "redis", "redis://"+storagetest.Redis(t).Address,
		"smtp", post.URL(), "mail_from", "Harbour <no-reply@harbour.example>")
	person, v := w.person(t), newVisitor(t)
	p := w.app(t, trusted, alwaysProves).prover(t, 0)
	got := p.tokens(t, p.redeemCode(t, newVisitor(t).signIn(t, p.app, person).Get("code")))
	proof := p.prove(t, http.MethodGet, "/oauth2/userinfo", got.AccessToken)
	if r := p.proved(t, w.issuer, got.AccessToken, proof); r.status != http.StatusOK {
		t.Fatalf("userinfo: %d %s", r.status, r.body)
	}
	v.submit(t, v.open(t, w.issuer+"/forgot"), "username", person.email)
	m := post.Next(t)
	link := m.Link(t, "/reset")
	w.journal.hide(parsed(t, link).Query().Get("link"))
	of := func(whole, part string) (systems []string) {
		_, inside := c.named(whole)
		for _, s := range inside {
			if s.Name == part {
				systems = append(systems, attributeOf(s, "db.system.name"))
				if part != "SELECT" && len(s.Attributes) > 1 {
					t.Errorf("%s says %v", part, s.Attributes)
				}
			}
		}
		return systems
	}
	eventually(t, func() bool {
		return slices.Contains(of("GET /oauth2/userinfo", "SET"), "redis") && slices.Contains(of("deliver mail", "send mail"), "") &&
			slices.Contains(of("deliver mail", "SELECT"), "postgresql")
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, secret := range []string{m.To, link, proof, got.AccessToken, "harbour.example"} {
		if bytes.Contains(c.raw.Bytes(), []byte(secret)) {
			t.Errorf("the collector was told %q", secret)
		}
	}
}

// metricsAs is /metrics in a format.
func (w *world) metricsAs(t *testing.T, format string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.admin+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", format)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(said)
}

// Of a collector that is away, takes and says nothing, or answers what is no answer, a server waits for nothing: what is too much is
// dropped and counted, and it leaves all the same.
func TestTelemetry_aDeadCollectorCostsSpansAlone(t *testing.T) {
	t.Parallel()
	leave := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-leave }))
	t.Cleanup(silent.Close)
	t.Cleanup(func() { close(leave) })
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	garbled := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write(bytes.Repeat([]byte("\xff<html>"), 100))
	}))
	t.Cleanup(garbled.Close)
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write(make([]byte, 1<<16))
		}
	}))
	t.Cleanup(endless.Close)
	for name, to := range map[string]string{"silent": silent.URL, "gone": gone.URL, "garbled": garbled.URL, "endless": endless.URL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMetrics(0)
			cfg := config.Config{Collector: config.Collector{Traces: to + "/v1/traces", Metrics: to + "/v1/metrics"}, TraceSample: 1}
			out, err := startTelemetry(t.Context(), cfg, m, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			m.showSpans(&out.exported)
			site := observe(slog.New(slog.DiscardHandler), m)(ok)
			const asked = 3 * maxSpans
			for range asked {
				ask(site, httptest.NewRequest(http.MethodGet, "/", nil))
			}
			e := &out.exported
			if n := e.waiting.Load(); n > maxSpans {
				t.Errorf("%d spans wait", n)
			}
			if name == "silent" && e.dropped.Load() < asked-2*maxSpans {
				t.Errorf("of %d spans %d were dropped", asked, e.dropped.Load())
			}
			if said := shownBy(t, m); !strings.Contains(said, fmt.Sprintf(`sojourn_spans_total{outcome="dropped"} %d`, e.dropped.Load())) {
				t.Error("what was dropped is not counted")
			}
			left := make(chan struct{})
			go func() { out.stop(); close(left) }()
			select {
			case <-left:
			case <-time.After(patience):
				t.Error("the server does not leave")
			}
			eventually(t, func() bool { // what is under way is in neither for a moment
				return e.sent.Load()+e.failed.Load()+e.dropped.Load()+e.waiting.Load() == asked
			})
		})
	}
}

// Which trace a request belongs to, and what it is called, is for a proxy of ours to say. Strangers say nothing.
func TestTelemetry_onlyAProxyOfOursSaysTheTrace(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	m := newMetrics(0)
	cfg := config.Config{Collector: config.Collector{Traces: c.url + "/v1/traces"}, TraceSample: 0}
	out, err := startTelemetry(t.Context(), cfg, m, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	outbound := make(chan string, 1)
	next := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { outbound <- r.Header.Get("Traceparent") }))
	t.Cleanup(next.Close)
	proxies := load(t, []string{"trusted_proxies", "10.0.0.0/8"}).TrustedProxies
	site := realAddress(proxies)(observe(slog.New(slog.DiscardHandler), m)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fetch, _ := http.NewRequestWithContext(r.Context(), http.MethodGet, next.URL, nil)
		answer, err := m.asked.by(&http.Client{Transport: http.DefaultTransport}, "keys", "logout").Do(fetch)
		if err != nil {
			t.Error(err)
			return
		}
		_ = answer.Body.Close()
	})))
	const trace = "0af7651916cd43dd8448eb211c80319c"
	for _, c := range []struct {
		from, id string
		traced   bool
	}{{"10.1.2.3:4", "edge-0123456789", true}, {"203.0.113.5:4", "edge-0123456789", false}, {"10.1.2.3:4", "no id\n", true}} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.from
		r.Header.Set("Traceparent", "00-"+trace+"-b7ad6b7169203331-01")
		r.Header.Set("X-Request-Id", c.id)
		id := ask(site, r).Header.Get("X-Request-Id")
		if taken := id == c.id; taken != (c.traced && !strings.Contains(c.id, " ")) || id == "" {
			t.Errorf("from %s with %q: the request is called %q", c.from, c.id, id)
		}
		if handed := strings.Contains(<-outbound, trace); handed != c.traced {
			t.Errorf("from %s: whether the trace is handed on: %v", c.from, handed)
		}
	}
	if err := out.spans.ForceFlush(context.Background()); err != nil {
		t.Error(err)
	}
	if all, inside := c.named("GET none"); len(all) != 2 || len(inside) != 2 || inside[0].Name != "fetch keys" {
		t.Errorf("%d spans of requests, %d inside of them", len(all), len(inside))
	}
	out.stop()
}
