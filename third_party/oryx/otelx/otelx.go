// Package otelx is the part of github.com/ory/x/otelx that fosite calls, written anew.
// It must not import an exporter: where traces go is the program's choice.
package otelx

import (
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// End ends span and marks it as failed when *err is an error.
func End(span trace.Span, err *error) {
	defer span.End()
	if err != nil && *err != nil && span.IsRecording() {
		span.SetStatus(codes.Error, "refused or failed")
		span.RecordError(*err)
	}
}
