package server

import (
	"context"
	"net/http"
	"regexp"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// proxyHeaders are what only a proxy of ours may say of a request: which it is, and of which trace it is a part. A stranger who
// could would write into our log, and have traces of everything.
var proxyHeaders = []string{"Traceparent", "Tracestate", requestIDHeader}

// saidID is how a proxy may call a request.
var saidID = regexp.MustCompile(`^[A-Za-z0-9._-]{8,64}$`)

// beginSpan begins the span of a request, as a part of the trace that a proxy of ours says. It has no name until the route is
// known.
func (m *metrics) beginSpan(r *http.Request, rec *record) (context.Context, trace.Span) {
	ctx := r.Context()
	if m.tracer == nil {
		return ctx, nil
	}
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header))
	ctx, span := m.tracer.Start(ctx, "request", trace.WithSpanKind(trace.SpanKindServer))
	if span.IsRecording() {
		rec.trace = span.SpanContext().TraceID().String()
	}
	return ctx, span
}

// endSpan names the span by the route's template. Nothing of the path, the query, a header or a body is told, nor whom the
// request was about.
func endSpan(span trace.Span, r *http.Request, rec *record) {
	if span == nil || !span.IsRecording() {
		return
	}
	method := methodName(r.Method)
	span.SetName(method + " " + rec.route)
	span.SetAttributes(
		attribute.String("http.request.method", method), attribute.String("http.route", rec.route),
		attribute.Int("http.response.status_code", rec.status), attribute.String("sojourn.request", rec.id),
	)
	if t := rec.trail; t.Refresh != "" {
		span.SetAttributes(attribute.String("sojourn.refresh", string(t.Refresh)))
	}
	if t := rec.trail; t.Refusal != "" {
		span.SetAttributes(attribute.String("sojourn.refusal", t.Refusal))
	}
	if rec.status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// within begins a span inside of the one that ctx carries, if that is recorded; end ends it. An error is only said to be one: its
// words may hold addresses.
func within(ctx context.Context, name string, attrs ...attribute.KeyValue) (_ context.Context, end func(error)) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, func(error) {}
	}
	ctx, span := parent.TracerProvider().Tracer("github.com/sojourn-auth/sojourn").Start(ctx, name,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attrs...))
	return ctx, func(err error) { finish(span, err) }
}

// alone begins a span of what nobody waits for.
func (m *metrics) alone(ctx context.Context, name string) (_ context.Context, end func(error)) {
	if m.tracer == nil {
		return ctx, func(error) {}
	}
	ctx, span := m.tracer.Start(ctx, name, trace.WithNewRoot())
	return ctx, func(err error) { finish(span, err) }
}

func finish(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// handOver tells another server which trace a request is a part of.
func handOver(ctx context.Context, r *http.Request) *http.Request {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return r
	}
	r = r.Clone(ctx)
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(r.Header))
	return r
}

// observeWith notes how long a request took, and where its trace is, if it has one.
func observeWith(to prometheus.Observer, rec *record, took time.Duration) {
	if with, ok := to.(prometheus.ExemplarObserver); ok && rec.trace != "" {
		with.ObserveWithExemplar(took.Seconds(), prometheus.Labels{"trace_id": rec.trace})
		return
	}
	to.Observe(took.Seconds())
}
