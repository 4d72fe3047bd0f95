package contract

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/test/cluster"
	"github.com/sojourn-auth/sojourn/weather"
)

// forwarded tells the provider what the network speaks.
const forwarded = "X-Forwarded-Proto"

// moved is where the provider's endpoints are, too.
const moved = "/moved"

// personHeader marks what the person's browser sends: it meets no weather and is not what the SDK sent.
const personHeader = "X-Contract-Person"

// fault is what happens to requests of one kind: one of weather's (docs/weather.md), or one of those that a scenario needs beside
// them.
type fault struct {
	At    string  `json:"at"`    // discovery, jwks, code, refresh, userinfo, me, events, signout, moved; "*": all
	Do    string  `json:"do"`    // one of weather's or of own, below; clear, release
	Times int     `json:"times"` // 0: until all is cleared
	After float64 `json:"after"` // seconds, as weather means it

	// Of answer: this is said in place of the provider.
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"` // ISSUER in it stands for the provider's

	Set map[string]json.RawMessage `json:"set"` // of rewrite: members of the provider's answer; null takes one out
}

// own are the faults that are not weather's: "answer" is a stranger's, "hold_body" too, without an end, and "flood" with its body
// for ever; "rewrite" is the provider's answer with other members; "move" is its discovery document with all addresses under /moved,
// where it answers too, to requests of the kind "moved"; "hold" keeps a request from the provider and "hold_answer" an answer
// from the SDK until the release.
var own = []string{"answer", "hold_body", "flood", "rewrite", "move", "hold", "hold_answer"}

// request is what the SDK sent.
type request struct {
	At         string
	Method     string
	Path       string
	Form       url.Values
	Header     http.Header
	Status     int    // 0: it got no answer
	Challenge  string // WWW-Authenticate of the answer
	begun, end time.Time
}

// network stands between the SDK and a provider, at the provider's issuer: it writes down what is sent, then weather has its way.
type network struct {
	*httptest.Server
	ca       *authority
	portal   atomic.Bool       // TLS is broken into
	kinds    map[string]string // path to kind
	upstream string
	calm     http.Handler // leads to the provider without weather
	stormy   *weather.Proxy

	mu      sync.Mutex
	rules   []*fault
	log     []*request
	release chan struct{} // closed when what is held may go on
}

// newNetwork listens; where it leads is said by lead.
func newNetwork(t testing.TB) *network {
	t.Helper()
	n := &network{release: make(chan struct{}), ca: trusted(t)}
	n.Server = httptest.NewUnstartedServer(n)
	n.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that the SDK refuses
	honest, forged := n.ca.certificate(t), newAuthority(t, t.TempDir()).certificate(t)
	n.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		shown := honest
		if n.portal.Load() {
			shown = forged
		}
		// A session that is resumed would not look at the certificate again.
		return &tls.Config{Certificates: []tls.Certificate{shown}, SessionTicketsDisabled: true}, nil
	}}
	n.StartTLS()
	t.Cleanup(n.Close)
	return n
}

// issuer is the network's own address.
func (n *network) issuer() string { return strings.Replace(n.URL, "127.0.0.1", "localhost", 1) }

// lead says where requests go, and what they are by their paths.
func (n *network) lead(t testing.TB, to string, kinds map[string]string) {
	t.Helper()
	upstream, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	n.kinds, n.upstream = kinds, to
	n.calm = &httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(upstream)
			r.Out.Host = r.In.Host
			r.Out.Header.Set(forwarded, "https")
		},
	}
	if n.stormy, err = weather.New(weather.Options{Upstream: to}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.stormy.Close() })
}

// ServeHTTP lets the weather at each request of the SDK.
func (n *network) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Header.Set(forwarded, "https")
	if r.Header.Get(personHeader) != "" {
		r.Header.Del(personHeader)
		n.calm.ServeHTTP(w, r)
		return
	}
	seen, rule, release := n.note(r)
	out := &recorder{w, func(status int) { n.over(seen, status, w.Header().Get("WWW-Authenticate")) }}
	stop := context.AfterFunc(r.Context(), func() { n.over(seen, 0, "") }) // the SDK gave up
	defer stop()
	switch rule.Do {
	case "answer":
		n.answer(out, rule)
	case "hold_body":
		n.answer(out, rule)
		_ = http.NewResponseController(out).Flush()
		wait(r.Context(), release)
	case "flood":
		n.answer(out, rule)
		for err := error(nil); err == nil && r.Context().Err() == nil; {
			_, err = io.WriteString(out, strings.Repeat(rule.Body, 1000))
		}
	case "hold":
		wait(r.Context(), release)
		n.stormy.ServeHTTP(out, r)
	case "hold_answer", "rewrite", "move":
		a := httptest.NewRecorder()
		n.calm.ServeHTTP(a, r.WithContext(context.WithoutCancel(r.Context())))
		body := rule.rewritten(a.Body.Bytes())
		if rule.Do == "move" {
			body = bytes.ReplaceAll(body, []byte(n.issuer()+"/"), []byte(n.issuer()+moved+"/"))
		}
		if rule.Do == "hold_answer" {
			wait(r.Context(), release)
		}
		maps.Copy(out.Header(), a.Header())
		out.Header().Del("Content-Length")
		out.WriteHeader(a.Code)
		_, _ = out.Write(body)
	default:
		if seen.At == "moved" { // weather would take it for one where it was
			n.calm.ServeHTTP(out, r)
			return
		}
		n.stormy.ServeHTTP(out, r)
	}
}

// answer is a stranger's.
func (n *network) answer(w http.ResponseWriter, rule fault) {
	for name, value := range rule.Headers {
		w.Header().Set(name, value)
	}
	w.WriteHeader(cmp.Or(rule.Status, http.StatusOK))
	_, _ = io.WriteString(w, strings.ReplaceAll(rule.Body, "ISSUER", n.issuer()))
}

// rewritten is an answer with the members that are set.
func (f fault) rewritten(body []byte) []byte {
	members := map[string]json.RawMessage{}
	if len(f.Set) == 0 || json.Unmarshal(body, &members) != nil {
		return body
	}
	maps.Copy(members, f.Set)
	maps.DeleteFunc(members, func(_ string, value json.RawMessage) bool { return string(value) == "null" })
	body, _ = json.Marshal(members) // what was JSON is JSON
	return body
}

func wait(ctx context.Context, release <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-release:
	}
}

// note writes down a request and finds what a scenario wants done to it beside weather.
func (n *network) note(r *http.Request) (*request, fault, <-chan struct{}) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	r.Body = io.NopCloser(bytes.NewReader(body))
	seen := &request{Method: r.Method, Path: r.URL.Path, Header: r.Header.Clone(), begun: time.Now()}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		seen.Form, _ = url.ParseQuery(string(body))
	}
	seen.At = cmp.Or(n.kinds[r.URL.Path], "other")
	if path, is := strings.CutPrefix(r.URL.Path, moved); is {
		seen.At, r.URL.Path = "moved", path
	}
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
	return seen, fault{}, n.release
}

// over notes that a request is under way no more, before the SDK can know it.
func (n *network) over(seen *request, status int, challenge string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if seen.end.IsZero() {
		seen.end, seen.Status, seen.Challenge = time.Now(), status, challenge
	}
}

// recorder notes when an answer begins, or will never come.
type recorder struct {
	http.ResponseWriter
	over func(status int)
}

// WriteHeader notes it.
func (r *recorder) WriteHeader(status int) {
	r.over(status)
	r.ResponseWriter.WriteHeader(status)
}

// Write notes it where no WriteHeader came before.
func (r *recorder) Write(b []byte) (int, error) {
	r.over(http.StatusOK)
	return r.ResponseWriter.Write(b)
}

// Hijack notes that the connection is to be cut.
func (r *recorder) Hijack() (conn net.Conn, rw *bufio.ReadWriter, err error) {
	r.over(0)
	return http.NewResponseController(r.ResponseWriter).Hijack()
}

// Unwrap lets http.ResponseController through.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// change adds a fault, or clears all, or lets go what is held.
func (n *network) change(t testing.TB, f fault) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case f.Do == "clear":
		n.rules = nil
		n.stormy.Clear()
		n.letGo()
	case f.Do == "release":
		n.letGo()
	case slices.Contains(own, f.Do):
		n.rules = append(n.rules, &f)
	default:
		for _, one := range n.faults(f) {
			if err := n.stormy.Next(one); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// breakInto has a portal answer the handshakes to come, or no more.
func (n *network) breakInto(portal bool) {
	n.portal.Store(portal)
	n.CloseClientConnections()
}

func (n *network) letGo() {
	close(n.release)
	n.release = make(chan struct{})
}

// faults are weather's for a kind of request.
func (n *network) faults(f fault) (all []weather.Fault) {
	const untilCleared = 1000
	one := weather.Fault{Do: weather.Do(f.Do), Times: cmp.Or(f.Times, untilCleared), After: time.Duration(f.After * float64(time.Second))}
	kind := f.At
	switch kind {
	case "*":
		return []weather.Fault{one}
	case "code":
		kind, one.Grant = "token", "authorization_code"
	case "refresh":
		kind, one.Grant = "token", "refresh_token"
	}
	for path, is := range n.kinds {
		if is == kind {
			one.Path = path
			all = append(all, one)
		}
	}
	return all
}

// sent is what the SDK sent so far.
func (n *network) sent() (all []request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.log {
		all = append(all, *r)
	}
	return all
}

// forget begins a new scenario.
func (n *network) forget(t testing.TB) {
	t.Helper()
	n.change(t, fault{Do: "clear"})
	n.breakInto(false)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.log = nil
}

func freePort(t testing.TB) string {
	t.Helper()
	ports, err := cluster.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	return ports[0]
}
