package contract

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// personHeader marks what the person's browser sends: it meets no weather and is not what the SDK sent.
const personHeader = "X-Contract-Person"

// weather is what happens to requests of one kind.
type weather struct {
	At      string            `json:"at"`    // discovery, jwks, code, refresh, call, events, signout, other; "*": all
	Do      string            `json:"do"`    // lose-request, lose-answer, cut, hold, hold-answer, answer
	Times   int               `json:"times"` // 0: until the next clearing
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	Kind    string            `json:"kind"` // html, bomb, huge: bodies too large to write down
}

// request is what the SDK sent.
type request struct {
	At         string
	Method     string
	URL        string
	Form       url.Values
	Header     http.Header
	Status     int // 0: it got no answer
	begun, end time.Time
}

// network is a proxy between the SDK and a provider, at the provider's issuer.
type network struct {
	*httptest.Server
	kinds    map[string]string // path to kind
	upstream *httputil.ReverseProxy

	mu      sync.Mutex
	rules   []*weather
	log     []*request
	release chan struct{} // closed when what is held may go on
}

// newNetwork listens; what it leads to is said by lead.
func newNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{release: make(chan struct{})}
	n.Server = httptest.NewServer(n)
	t.Cleanup(n.Close)
	return n
}

// issuer is the network's own address.
func (n *network) issuer() string { return strings.Replace(n.URL, "127.0.0.1", "localhost", 1) }

// lead says where requests go, and what they are by their paths.
func (n *network) lead(to *url.URL, kinds map[string]string) {
	n.kinds = kinds
	n.upstream = &httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
}

// ServeHTTP lets the weather at each request of the SDK.
func (n *network) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(personHeader) != "" {
		r.Header.Del(personHeader)
		n.upstream.ServeHTTP(w, r)
		return
	}
	seen, rule, release := n.note(r)
	out := &recorder{ResponseWriter: w}
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		seen.end, seen.Status = time.Now(), out.status
	}()
	n.play(out, r, rule, release)
}

// note writes down a request and finds the weather for it.
func (n *network) note(r *http.Request) (*request, weather, <-chan struct{}) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	r.Body = io.NopCloser(bytes.NewReader(body))
	seen := &request{Method: r.Method, URL: r.URL.String(), Header: r.Header.Clone(), begun: time.Now()}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		seen.Form, _ = url.ParseQuery(string(body))
	}
	seen.At = cmp.Or(n.kinds[r.URL.Path], "other")
	if seen.At == "token" {
		seen.At = map[string]string{"authorization_code": "code", "refresh_token": "refresh"}[seen.Form.Get("grant_type")]
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.log = append(n.log, seen)
	for i, rule := range n.rules {
		if rule.At != "*" && rule.At != seen.At {
			continue
		}
		if rule.Times == 1 {
			n.rules = slices.Delete(n.rules, i, i+1)
		}
		rule.Times = max(0, rule.Times-1)
		return seen, *rule, n.release
	}
	return seen, weather{}, n.release
}

// play does to a request what the weather says.
func (n *network) play(w *recorder, r *http.Request, rule weather, release <-chan struct{}) {
	switch rule.Do {
	case "":
		n.upstream.ServeHTTP(w, r)
	case "lose-request":
		panic(http.ErrAbortHandler) // the server closes the connection
	case "lose-answer":
		n.answered(r)
		panic(http.ErrAbortHandler)
	case "cut":
		a := n.answered(r)
		maps.Copy(w.Header(), a.Header())
		w.WriteHeader(a.Code)
		_, _ = w.Write(a.Body.Bytes()[:a.Body.Len()/2])
		panic(http.ErrAbortHandler)
	case "hold":
		wait(r.Context(), release)
		n.upstream.ServeHTTP(w, r)
	case "hold-answer":
		a := n.answered(r)
		wait(r.Context(), release)
		maps.Copy(w.Header(), a.Header())
		w.WriteHeader(a.Code)
		_, _ = w.Write(a.Body.Bytes())
	case "answer":
		rule.answer(w)
	}
}

func wait(ctx context.Context, release <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-release:
	}
}

// answered is what the provider says, committed, whatever becomes of it.
func (n *network) answered(r *http.Request) *httptest.ResponseRecorder {
	a := httptest.NewRecorder()
	n.upstream.ServeHTTP(a, r.WithContext(context.WithoutCancel(r.Context())))
	return a
}

// answer is a stranger's answer in place of the provider's.
func (rule weather) answer(w http.ResponseWriter) {
	for name, value := range rule.Headers {
		w.Header().Set(name, value)
	}
	switch rule.Kind {
	case "html":
		w.Header().Set("Content-Type", "text/html")
		rule.Body = "<!doctype html><title>Wi-Fi</title><h1>Welcome to the lounge</h1>"
	case "bomb":
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
	}
	w.WriteHeader(cmp.Or(rule.Status, http.StatusOK))
	switch rule.Kind {
	case "bomb":
		z := gzip.NewWriter(w)
		_, _ = io.CopyN(z, zeros{}, 1<<30)
		_ = z.Close()
	case "huge":
		_, _ = io.CopyN(w, zeros{}, 100<<20)
	default:
		_, _ = io.WriteString(w, rule.Body)
	}
}

// zeros is a JSON text without an end: spaces.
type zeros struct{}

// Read fills b.
func (zeros) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

// recorder remembers the status.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader remembers it.
func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController through.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// change adds a rule, or clears all and lets go what is held.
func (n *network) change(rule weather) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch rule.Do {
	case "clear":
		n.rules = nil
		fallthrough
	case "release":
		close(n.release)
		n.release = make(chan struct{})
	default:
		n.rules = append(n.rules, &rule)
	}
}

// sent is what the SDK sent so far, of one kind or ("*") all.
func (n *network) sent(at string) (all []request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.log {
		if at == "*" || r.At == at {
			all = append(all, *r)
		}
	}
	return all
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
