package server

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gorilla/mux"

	"github.com/sojourn-auth/sojourn/identity"
)

// requestIDHeader tells the caller how its request is called in our log. Error pages show it too.
const requestIDHeader = "X-Request-Id"

// record is what is learnt about a request on its way and said once, at the end.
type record struct {
	id      string
	trace   string // where its trace is; empty: none is recorded
	began   time.Time
	route   string // the template, never the path: a path may hold what someone typed
	posted  bool   // it came by POST
	status  int
	written int64
	trail   *identity.Trail // what the surfaces learn
}

// noRoute stands for the template of a request that no route took.
const noRoute = "none"

type recordKey struct{}

func recordOf(ctx context.Context) *record {
	rec, _ := ctx.Value(recordKey{}).(*record)
	return rec
}

// observe gives a request its id and its record, and when it is over writes one line and counts it. The line holds no
// query, no body and no header but the agent's name: codes, tokens and addresses of people travel there.
func observe(log *slog.Logger, m *metrics) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := &record{id: r.Header.Get(requestIDHeader), began: time.Now(), route: noRoute, posted: r.Method == http.MethodPost}
			if !saidID.MatchString(rec.id) { // realAddress left only what a proxy of ours said
				rec.id = rand.Text()[:12]
			}
			ctx, span := m.beginSpan(r, rec)
			ctx, rec.trail = identity.WithTrail(identity.WithBrowser(ctx, identity.SeenFrom(r.RemoteAddr, r.UserAgent())))
			w.Header().Set(requestIDHeader, rec.id)
			r = r.WithContext(context.WithValue(ctx, recordKey{}, rec))
			defer func() { // an aborted answer leaves by a panic, and is counted too
				took := time.Since(rec.began)
				m.count(rec, took)
				endSpan(span, r, rec)
				logLine(log, r, rec, took)
			}()
			next.ServeHTTP(recorder{w, rec}, r)
		})
	}
}

// noteRoute writes the template of the route that was chosen into the record. It runs inside the router.
func noteRoute(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rec, route := recordOf(r.Context()), mux.CurrentRoute(r); rec != nil && route != nil {
			if template, err := route.GetPathTemplate(); err == nil {
				rec.route = template
			}
		}
		next.ServeHTTP(w, r)
	})
}

func logLine(log *slog.Logger, r *http.Request, rec *record, took time.Duration) {
	level := slog.LevelInfo
	if rec.status >= http.StatusInternalServerError {
		level = slog.LevelError
	} else if r.URL.Path == endingsPath && rec.status == http.StatusOK {
		level = slog.LevelDebug // who polls comes twice in three seconds, day and night
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

// recorder sees the status and the size of an answer.
type recorder struct {
	http.ResponseWriter
	rec *record
}

// WriteHeader notes the first status that is not merely informational.
func (w recorder) WriteHeader(status int) {
	if w.rec.status == 0 && status >= http.StatusOK {
		w.rec.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write counts, and notes the status that goes without saying.
func (w recorder) Write(b []byte) (int, error) {
	if w.rec.status == 0 {
		w.rec.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.rec.written += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// recovered answers a panic with 500, or breaks off an answer that had begun, and keeps the stack for the log. The
// panic's value is not logged as it is: it may hold what was being worked on.
func recovered(log *slog.Logger, fault http.Handler) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				cause := recover()
				if cause == nil {
					return
				}
				if cause == http.ErrAbortHandler { //nolint:errorlint // net/http compares it like this too
					panic(cause)
				}
				log.ErrorContext(r.Context(), "panic", "type", fmt.Sprintf("%T", cause), "stack", string(debug.Stack()))
				if rec := recordOf(r.Context()); rec != nil && rec.status != 0 {
					panic(http.ErrAbortHandler) // half an answer must not pass for a whole one
				}
				fault.ServeHTTP(w, r)
			}()
			next.ServeHTTP(w, r)
		})
	}
}

// withRequest makes every line that is logged while a request is served say which one, whoever logs it.
type withRequest struct{ slog.Handler }

// Handle adds the request's id.
func (h withRequest) Handle(ctx context.Context, line slog.Record) error {
	if rec := recordOf(ctx); rec != nil {
		line.AddAttrs(slog.String("request", rec.id))
		if rec.trace != "" {
			line.AddAttrs(slog.String("trace", rec.trace))
		}
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
