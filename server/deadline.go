package server

import (
	"context"
	"net/http"
	"time"
)

// answerWithin bounds what a request may wait for: a phone has given up long before.
const answerWithin = 10 * time.Second

// eventsPath is where apps listen, for as long as they like: no limit of an ordinary request holds there.
const eventsPath = "/me/events"

// deadline bounds every ordinary request, and lets one that writes go on when its sender hangs up: on dead networks they all do.
// Its write would otherwise be cut off half-way and take the database connection with it, and the retry is answered alike
// in both cases.
func deadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == eventsPath {
			next.ServeHTTP(w, r)
			return
		}
		ctx := r.Context()
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			ctx = context.WithoutCancel(ctx)
		}
		ctx, stop := context.WithTimeout(ctx, answerWithin)
		defer stop()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
