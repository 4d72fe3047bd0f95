package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/sdk/go/resource"
)

// Gate answers a proxy.
type Gate struct {
	public  string
	scopes  []string
	guard   *resource.Guard
	metrics *metrics
	log     *slog.Logger
	server  *http.Server
	address string
}

// The bounds of a request of the proxy's, and of the way out.
const (
	maxHeader  = 32 << 10
	headerTime = 5 * time.Second
	idleTime   = 2 * time.Minute // longer than proxies keep a connection that rests
	leaveTime  = 5 * time.Second
)

// Open returns a gate that listens, answers, and follows the server's endings, until Close.
func Open(ctx context.Context, o Options) (*Gate, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	cfg, err := o.config()
	if err != nil {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	guard, err := resource.Open(cfg)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	g := &Gate{public: o.PublicURL, scopes: o.Scopes, guard: guard, metrics: newMetrics(guard.Status), log: o.Log, address: l.Addr().String()}
	g.server = &http.Server{
		Handler: g.handler(), ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	go func() {
		if err := g.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			g.log.Error("the gate stopped listening", "problem", err.Error())
		}
	}()
	return g, nil
}

// handler answers. It takes paths as they are written: a proxy's must not be redirected to tidier ones.
func (g *Gate) handler() http.Handler {
	rest := http.NewServeMux()
	rest.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	rest.HandleFunc("GET /readyz", g.ready)
	rest.Handle("GET /metrics", g.metrics.handler())
	rest.Handle("GET /.well-known/oauth-protected-resource", g.guard.Metadata())
	rest.Handle("GET /.well-known/oauth-protected-resource/", g.guard.Metadata())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == verifyPath || strings.HasPrefix(r.URL.Path, verifyPath+"/") {
			g.verify(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	})
}

// verify answers 200 with who calls, or what the guard refuses with. All challenges stand in one header, since proxies pass on
// one (RFC 9110 §11.6.1 allows it).
func (g *Gate) verify(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	w.Header().Set("Cache-Control", "no-store")
	a, err := g.read(r)
	if errors.Is(err, errUnclear) {
		g.metrics.count("invalid_request", began)
		(&resource.Refusal{Status: http.StatusBadRequest, Code: "invalid_request", Description: err.Error()}).Write(w)
		return
	}
	if err != nil {
		g.log.Error("the proxy's configuration is wrong", "problem", err.Error())
		g.metrics.count("misconfigured", began)
		http.Error(w, "sojourn gate: "+err.Error(), http.StatusInternalServerError)
		return
	}
	claims, refusal := g.guard.Check(a.request, a.needs)
	if refusal != nil {
		g.metrics.count(outcome(refusal), began)
		if refusal.Status == http.StatusBadRequest { // two tokens, say: to a proxy only 401 and 403 are the caller's fault
			refusal.Status = http.StatusUnauthorized
		}
		if len(refusal.Challenges) > 0 {
			refusal.Challenges = []string{strings.Join(refusal.Challenges, ", ")}
		}
		refusal.Write(w)
		return
	}
	g.metrics.count("allowed", began)
	identify(w.Header(), claims)
	w.WriteHeader(http.StatusOK)
}

// outcome names a refusal: the codes of RFC 6750, 9449 and 9470 are all there are.
func outcome(r *resource.Refusal) string {
	if r.Code == "" {
		return "no_token"
	}
	return r.Code
}

// identify says who calls. Each header is always there, if empty: a proxy that copies them all leaves nothing of the caller's.
func identify(h http.Header, c *resource.Claims) {
	h.Set("X-Auth-Subject", c.Subject)
	h.Set("X-Auth-Session", c.SessionID)
	h.Set("X-Auth-Client", c.ClientID)
	h.Set("X-Auth-Scope", strings.Join(c.Scopes, " "))
}

// ready says whether the endings are known up to now.
func (g *Gate) ready(w http.ResponseWriter, _ *http.Request) {
	if s := g.guard.Status(); !s.Current {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "the endings of the server are not known up to now: "+s.Problem, http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}

// URL is where proxies ask.
func (g *Gate) URL() string { return "http://" + g.address + verifyPath }

// Close answers what was asked, and ends.
func (g *Gate) Close() error {
	defer g.guard.Close()
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	return g.server.Shutdown(ctx)
}
