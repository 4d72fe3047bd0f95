package server

import (
	"context"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/sojourn-auth/sojourn/identity"
)

// record is what is learnt about a request on its way and said once, at the end.
type record struct {
	id      string
	began   time.Time
	route   string // the template, never the path: a path may hold what someone typed
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
