package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
)

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
