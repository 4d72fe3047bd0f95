package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	api "github.com/sojourn-auth/sojourn/examples/api/notes"
	"github.com/sojourn-auth/sojourn/sdk/go/resource"
	"github.com/sojourn-auth/sojourn/templates"
)

// sampleApp is the listener of Notes, on an origin of its own as a real app would have.
type sampleApp struct {
	net.Listener
	url     string
	handler http.Handler
}

func listenApp(ctx context.Context, address string) (*sampleApp, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--app-listen: %w", err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	// Browsers have WebCrypto on localhost although it is http.
	return &sampleApp{Listener: listener, url: "http://localhost:" + port}, nil
}

func (a *sampleApp) serve(ctx context.Context, stderr io.Writer) {
	server := &http.Server{Handler: a.handler, ReadHeaderTimeout: readHeaderTimeout}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(a.Listener); !errors.Is(err, http.ErrServerClosed) {
		fmt.Fprintln(stderr, "sojourn: the sample app:", err)
	}
}

const readHeaderTimeout = 5 * time.Second

//go:embed demo
var demoFiles embed.FS

// pages serves the sample apps: static files, where their server is, the API of notes, and what the stage may do.
func pages(issuer string, guard *resource.Guard, s stage) http.Handler {
	files, err := fs.Sub(demoFiles, "demo")
	if err != nil {
		panic(err) // impossible: the folder is embedded above
	}
	settings, err := json.Marshal(map[string]string{
		"issuer": issuer, "client_id": demoClient, "lists": demoLists, "user": demoUser, "scope": demoScope, "apps": "openid profile email offline_access " + strings.Join(api.Scopes, " "),
	})
	if err != nil {
		panic(err) // impossible: a map of strings
	}
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServerFS(files))
	// The page itself reads the answer in its address.
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, "callback.html") })
	mux.HandleFunc("GET /tokens/callback", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, "tokens/index.html") })
	mux.HandleFunc("GET /app.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write(templates.Style())
	})
	notes := api.New(guard)
	mux.Handle("/notes", notes)
	mux.Handle("/notes/", notes)
	s.handle(mux)
	mux.HandleFunc("GET /settings.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(settings)
	})
	return appHeaders(issuer, mux)
}

// appHeaders is what an app that keeps tokens in the browser owes its users: no script but its own, no talk but to its
// own server and the one that signs people in, and no code in a Referer.
func appHeaders(issuer string, next http.Handler) http.Handler {
	policy := "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; manifest-src 'self'; worker-src 'self'; frame-src 'self'; connect-src 'self' " + issuer +
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// notesGuard judges tokens for examples/api within the demo.
func notesGuard(issuer, app string) (*resource.Guard, error) {
	secret, err := os.ReadFile(demoSecret)
	if err != nil {
		return nil, err
	}
	return resource.Open(resource.Config{
		Issuer: issuer, Audience: issuer, ClientID: demoAPI, ClientSecret: strings.TrimSpace(string(secret)),
		BaseURL: app, Name: "Notes", Scopes: api.Scopes,
	})
}
