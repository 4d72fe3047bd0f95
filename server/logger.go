package server

import (
	"context"
	"log/slog"
)

// withRequest makes every line that is logged while a request is served say which one, whoever logs it.
type withRequest struct{ slog.Handler }

// Handle adds the request's id.
func (h withRequest) Handle(ctx context.Context, line slog.Record) error {
	if rec := recordOf(ctx); rec != nil {
		line.AddAttrs(slog.String("request", rec.id))
	}
	return h.Handler.Handle(ctx, line)
}

// WithAttrs keeps the promise for loggers derived from this one.
func (h withRequest) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withRequest{h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the promise for loggers derived from this one.
func (h withRequest) WithGroup(name string) slog.Handler {
	return withRequest{h.Handler.WithGroup(name)}
}
