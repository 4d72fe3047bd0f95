// Resource lets the contract's player drive package resource: commands come as lines of JSON on the standard input, answers
// go to the standard output (sdk/contract/resource/README.md).
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/sojourn-auth/sojourn/sdk/go/resource"
)

type object = map[string]any

// command is a line that came.
type command struct {
	ID         int         `json:"id"`
	Do         string      `json:"do"`
	Issuer     string      `json:"issuer"`
	Audience   string      `json:"audience"`
	ClientID   string      `json:"client_id"`
	Secret     string      `json:"client_secret"`
	Stale      string      `json:"stale"`
	Operations []operation `json:"operations"`
	Name       string      `json:"name"`
	Base       string      `json:"base"`
	Algs       []string    `json:"algs"`
	TypJWT     bool        `json:"typ_jwt"`
	Pass       float64     `json:"pass"`
	Wall       float64     `json:"wall"`
	Current    bool        `json:"current"`
}

// operation is one that the API offers.
type operation struct {
	Method string   `json:"method"`
	Path   string   `json:"path"`
	Scopes []string `json:"scopes"`
	ACR    string   `json:"acr"`
	MaxAge float64  `json:"max_age"`
}

// driver is the library and what stands around it.
type driver struct {
	guard *resource.Guard
	clock *clock
	out   sync.Mutex
}

func main() {
	d := &driver{clock: newClock()}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if c.Do == "await" {
			go d.answer(c)
		} else {
			d.answer(c) // in their order
		}
	}
}

func (d *driver) answer(c command) {
	ok, err := d.do(c)
	said := object{"id": c.ID, "ok": ok}
	if err != nil {
		said = object{"id": c.ID, "error": object{"kind": "other", "message": err.Error()}}
	}
	text, err := json.Marshal(said)
	if err != nil {
		panic(err) // impossible: objects of text and numbers
	}
	d.out.Lock()
	defer d.out.Unlock()
	_, _ = os.Stdout.Write(append(text, '\n'))
}

func (d *driver) do(c command) (object, error) {
	switch c.Do {
	case "open":
		return d.open(c)
	case "clock":
		d.clock.change(seconds(c.Pass), seconds(c.Wall))
		return object{}, nil
	case "state":
		s := d.guard.Status()
		return object{
			"current": s.Current, "position": s.Position, "tag": s.Tag, "marks": s.Marks, "verified": s.Verified, "problem": s.Problem,
			"calls": object{
				"discovery": s.Calls.Discovery, "jwks": s.Calls.Keys, "introspection": s.Calls.Introspection, "feed": s.Calls.Feed,
			},
		}, nil
	case "await":
		for d.guard.Status().Current != c.Current {
			time.Sleep(time.Millisecond)
		}
		return object{}, nil
	}
	return nil, fmt.Errorf("%q is no command", c.Do)
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// open has an API over the library listen.
func (d *driver) open(c command) (object, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is there as long as the program is
	if err != nil {
		return nil, err
	}
	network, err := network()
	if err != nil {
		return nil, err
	}
	address := "http://" + listener.Addr().String()
	cfg := resource.Config{
		Issuer: c.Issuer, Audience: c.Audience, ClientID: c.ClientID, ClientSecret: c.Secret, Stale: resource.Stale(c.Stale),
		BaseURL: address, Name: c.Name, Algs: c.Algs, TypJWT: c.TypJWT, Clock: d.clock, HTTP: network,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	if c.Base != "" {
		cfg.BaseURL = c.Base
	}
	for _, one := range c.Operations {
		cfg.Scopes = append(cfg.Scopes, one.Scopes...)
	}
	if d.guard, err = resource.Open(cfg); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for _, one := range c.Operations {
		op := resource.Operation{Scopes: one.Scopes, ACR: one.ACR, MaxAge: seconds(one.MaxAge)}
		mux.Handle(one.Method+" "+one.Path, d.guard.Require(op, http.HandlerFunc(greet)))
	}
	mux.Handle("GET /.well-known/oauth-protected-resource", d.guard.Metadata())
	mux.Handle("GET /.well-known/oauth-protected-resource/", d.guard.Metadata())
	serve := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = serve.Serve(listener) }()
	return object{"url": address}, nil
}

// network trusts the player's authority, where there is one; nil is the usual one.
func network() (*http.Client, error) {
	file := os.Getenv("CONTRACT_CA")
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file) //nolint:gosec // the player names it
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(pem)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: transport}, nil
}

// greet tells who calls.
func greet(w http.ResponseWriter, r *http.Request) {
	c := resource.ClaimsOf(r.Context())
	said := object{}
	for name, text := range map[string]string{
		"sub": c.Subject, "sid": c.SessionID, "client_id": c.ClientID, "jti": c.ID, "scope": strings.Join(c.Scopes, " "),
	} {
		if text != "" {
			said[name] = text
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(said)
}

// clock is the system's, and what the player adds to it.
type clock struct {
	began time.Time

	mu      sync.Mutex
	wall    time.Duration // added to the time of day
	elapsed time.Duration // added to what nobody sets
	moved   chan struct{} // closed when elapsed is
}

func newClock() *clock { return &clock{began: time.Now(), moved: make(chan struct{})} }

// Wall is the time of day.
func (c *clock) Wall() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Round(0).Add(c.wall)
}

// Elapsed is what nobody sets.
func (c *clock) Elapsed() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.began) + c.elapsed
}

// Wait waits until Elapsed has got there.
func (c *clock) Wait(ctx context.Context, d time.Duration) error {
	until := c.Elapsed() + d
	for {
		c.mu.Lock()
		moved := c.moved
		c.mu.Unlock()
		left := until - c.Elapsed()
		if left <= 0 {
			return nil
		}
		limited, stop := context.WithTimeout(ctx, left)
		select {
		case <-limited.Done():
		case <-moved:
		}
		stop()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

func (c *clock) change(pass, wall time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.elapsed += pass
	c.wall += pass + wall
	close(c.moved)
	c.moved = make(chan struct{})
}
