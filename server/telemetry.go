package server

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/sojourn-auth/sojourn/config"
)

const (
	maxSpans       = 2048                    // that wait for a collector; more are dropped
	spansEvery     = time.Second             // how soon they are sent
	farewellWithin = 3 * time.Second         // a collector that is away holds up no server that leaves
	complainEvery  = int64(60 * time.Second) // of one that takes nothing
)

// telemetry sends spans and metrics to a collector (OTLP by HTTP, as OpenTelemetry's own environment says). A collector that is
// slow or away costs spans, which are counted, and nothing else. One that was not started sends nothing.
type telemetry struct {
	spans    *sdktrace.TracerProvider
	meters   *sdkmetric.MeterProvider
	exported exported
}

// exported is what became of spans, and of what the collector was sent.
type exported struct {
	waiting, sent, failed, dropped atomic.Int64

	log        *slog.Logger
	complained atomic.Int64 // when, by the process's own clock
}

// startTelemetry begins to send what cfg asks for.
func startTelemetry(ctx context.Context, cfg config.Config, m *metrics, log *slog.Logger) (*telemetry, error) {
	t := &telemetry{exported: exported{log: log}}
	what, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(
		attribute.String("service.name", "sojourn"), attribute.String("service.version", cfg.Version),
		attribute.String("service.instance.id", rand.Text()[:12]),
	), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	if to := cfg.Collector.Traces; to != "" {
		if err := t.startSpans(ctx, to, cfg.TraceSample, what); err != nil {
			return nil, err
		}
		m.tracer = t.spans.Tracer("github.com/sojourn-auth/sojourn")
	}
	if to := cfg.Collector.Metrics; to != "" {
		return t, t.startMetrics(ctx, to, m, what)
	}
	return t, nil
}

func (t *telemetry) startSpans(ctx context.Context, to string, share float64, what *resource.Resource) error {
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(to))
	if err != nil {
		return fmt.Errorf("SOJOURN_OTLP: %w", err)
	}
	batches := sdktrace.NewBatchSpanProcessor(spanExporter{exporter, &t.exported},
		sdktrace.WithMaxQueueSize(maxSpans), sdktrace.WithBatchTimeout(spansEvery))
	t.spans = sdktrace.NewTracerProvider(sdktrace.WithResource(what),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(share))),
		sdktrace.WithSpanProcessor(spanQueue{batches, &t.exported}))
	return nil
}

func (t *telemetry) startMetrics(ctx context.Context, to string, m *metrics, what *resource.Resource) error {
	exporter, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(to))
	if err != nil {
		return fmt.Errorf("SOJOURN_OTLP: %w", err)
	}
	t.meters = sdkmetric.NewMeterProvider(sdkmetric.WithResource(what), sdkmetric.WithReader(sdkmetric.NewPeriodicReader(
		metricExporter{exporter, &t.exported}, sdkmetric.WithProducer(bridge.NewMetricProducer(bridge.WithGatherer(m.registry))))))
	return nil
}

// stop sends what waits, for a while.
func (t *telemetry) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), farewellWithin)
	defer cancel()
	if t.spans != nil {
		t.exported.note(t.spans.Shutdown(ctx))
	}
	if t.meters != nil {
		t.exported.note(t.meters.Shutdown(ctx))
	}
}

// note tells of a collector that takes nothing, now and then.
func (e *exported) note(err error) {
	if err == nil {
		return
	}
	now, last := time.Now().UnixNano(), e.complained.Load()
	if now-last > complainEvery && e.complained.CompareAndSwap(last, now) {
		e.log.Warn("the collector of SOJOURN_OTLP took nothing", "error", err)
	}
}

// spanQueue drops spans beyond those that may wait, and counts them: the batches alone would drop them in silence.
type spanQueue struct {
	sdktrace.SpanProcessor
	*exported
}

// OnEnd never waits.
func (q spanQueue) OnEnd(s sdktrace.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	if q.waiting.Add(1) > maxSpans {
		q.waiting.Add(-1)
		q.dropped.Add(1)
		return
	}
	q.SpanProcessor.OnEnd(s)
}

// spanExporter counts what becomes of spans.
type spanExporter struct {
	sdktrace.SpanExporter
	*exported
}

// ExportSpans never fails: who would be told writes to the error stream by itself.
func (e spanExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	silent := make([]sdktrace.ReadOnlySpan, len(spans))
	for i, s := range spans {
		silent[i] = wordless{s}
	}
	err := e.SpanExporter.ExportSpans(ctx, silent)
	n := int64(len(spans))
	e.waiting.Add(-n)
	if err != nil {
		e.failed.Add(n)
		e.note(err)
		return nil
	}
	e.sent.Add(n)
	return nil
}

// wordless is a span without the words of errors, which libraries write down and which may hold what somebody sent.
type wordless struct{ sdktrace.ReadOnlySpan }

// Events are none.
func (wordless) Events() []sdktrace.Event { return nil }

// Status is whether it failed.
func (w wordless) Status() sdktrace.Status {
	return sdktrace.Status{Code: w.ReadOnlySpan.Status().Code}
}

// metricExporter fails no more than spanExporter.
type metricExporter struct {
	sdkmetric.Exporter
	*exported
}

// Export sends numbers; the next time it sends newer ones.
func (e metricExporter) Export(ctx context.Context, numbers *metricdata.ResourceMetrics) error {
	e.note(e.Exporter.Export(ctx, numbers))
	return nil
}

// showSpans adds what became of spans.
func (m *metrics) showSpans(e *exported) {
	m.counters("sojourn_spans_total", "Spans of traces that were sent to the collector, that it did not take, and that were dropped since too many waited.",
		[]string{"outcome"}, func(show showing) {
			show(float64(e.sent.Load()), "sent")
			show(float64(e.failed.Load()), "failed")
			show(float64(e.dropped.Load()), "dropped")
		})
}
