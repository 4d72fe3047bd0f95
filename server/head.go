package server

import "net/http"

// headAsGet routes HEAD like GET (RFC 9110 §9.3.2); net/http keeps the body back.
func headAsGet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead && r.URL.Path != eventsPath { // nobody would hear the events
			copied := *r // net/http looks at its own request to see that there is to be no body
			copied.Method = http.MethodGet
			r = &copied
		}
		next.ServeHTTP(w, r)
	})
}
