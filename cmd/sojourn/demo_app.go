package main

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"time"
)

const readHeaderTimeout = 5 * time.Second

//go:embed demo
var demoFiles embed.FS

// notes serves the sample app: static files, and where its server is.
func notes(issuer string) http.Handler {
	files, err := fs.Sub(demoFiles, "demo")
	if err != nil {
		panic(err) // impossible: the folder is embedded above
	}
	settings, err := json.Marshal(map[string]string{
		"issuer": issuer, "client_id": demoClient, "scope": "openid profile email offline_access",
	})
	if err != nil {
		panic(err) // impossible: a map of strings
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(files))
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, files, "index.html") // the page itself reads the answer in its address
	})
	mux.HandleFunc("GET /settings.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(settings)
	})
	return appHeaders(issuer, mux)
}

// appHeaders is what an app that keeps tokens in the browser owes its users: no script but its own, no talk but to its
// own server and the one that signs people in, and no code in a Referer.
func appHeaders(issuer string, next http.Handler) http.Handler {
	policy := "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self' " + issuer +
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
