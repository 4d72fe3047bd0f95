package server

import "net/http"

const (
	maxBody   = 64 << 10
	maxHeader = 32 << 10
)

// limitBody refuses a body that says it is too large, and cuts off one that turns out to be.
func limitBody(tooLarge http.Handler) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.ContentLength > maxBody {
				w.Header().Set("Connection", "close") // rather than read all of it to find the next request
				tooLarge.ServeHTTP(w, r)
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			next.ServeHTTP(w, r)
		})
	}
}
