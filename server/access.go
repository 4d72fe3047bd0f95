package server

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// requestIDHeader tells the caller how its request is called in our log. Error pages show it too.
const requestIDHeader = "X-Request-Id"

// observe gives a request its id and its record, and when it is over writes one line and counts it. The line holds no
// query, no body and no header but the agent's name: codes, tokens and addresses of people travel there.
func observe(log *slog.Logger, m *metrics) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// An id that came with the request is not taken over: it would let strangers write into the log.
			ctx, trail := identity.WithTrail(r.Context())
			rec := &record{id: rand.Text()[:12], began: time.Now(), route: noRoute, trail: trail}
			w.Header().Set(requestIDHeader, rec.id)
			r = r.WithContext(context.WithValue(ctx, recordKey{}, rec))
			defer func() { // an aborted answer leaves by a panic, and is counted too
				took := time.Since(rec.began)
				m.count(rec, took)
				logLine(log, r, rec, took)
			}()
			next.ServeHTTP(recorder{w, rec}, r)
		})
	}
}

func logLine(log *slog.Logger, r *http.Request, rec *record, took time.Duration) {
	level := slog.LevelInfo
	if rec.status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	attrs := append(make([]slog.Attr, 0, 10),
		slog.String("method", methodName(r.Method)),
		slog.String("route", rec.route),
		slog.Int("status", rec.status),
		slog.Float64("ms", took.Seconds()*1000),
		slog.Int64("bytes", rec.written),
		slog.String("address", identity.SeenFrom(r.RemoteAddr, "").Address),
	)
	log.LogAttrs(r.Context(), level, "request", appendTrail(attrs, rec.trail)...)
}

// appendTrail names whom the request was about, as far as it was learnt.
func appendTrail(attrs []slog.Attr, t *identity.Trail) []slog.Attr {
	if t.UserID != (identity.ID{}) {
		attrs = append(attrs, slog.String("user", t.UserID.String()))
	}
	if t.SessionID != (identity.ID{}) {
		attrs = append(attrs, slog.String("session", t.SessionID.String()))
	}
	if t.ClientID != "" {
		attrs = append(attrs, slog.String("client", t.ClientID))
	}
	if t.Actor != "" {
		attrs = append(attrs, slog.String("actor", t.Actor))
	}
	if t.Refusal != "" {
		attrs = append(attrs, slog.String("refusal", t.Refusal))
	}
	return attrs
}

// methodName keeps invented methods out of the log.
func methodName(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}
