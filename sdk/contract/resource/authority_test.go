package resource

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	clientID = "notes-api"
	secret   = "a secret of the notes api"
)

// authority is a server of the player's own, which signs and sends what no server would.
type authority struct {
	t   testing.TB
	url string
	ca  string // a file with who signed its certificate; empty where it has none

	mu      sync.Mutex
	changed chan struct{}                // closed when something did
	is      map[string]string            // what is out of order, by where; see the step "authority"
	keys    []*ecdsa.PrivateKey          // the last one signs; all are published as k1, k2 …
	removed map[string]bool              // keys that are published no more
	odd     map[string]*ecdsa.PrivateKey // published in a way that makes them no keys, but for the twins
	tokens  map[string]any               // reference tokens, and what introspection says of them
	marks   []json.RawMessage            // at position of their index + 1
	tags    string                       // what tags begin with: another one after a restore
	window  int                          // of beats
	acr     string                       // of beats
	ahead   time.Duration                // of its clock
	cuts    int                          // streams of before are cut
	sent    chan string                  // raw lines for whoever streams
	counts  map[string]int               // requests by where
	asked   url.Values                   // the last request to the feed
	accept  string                       // its Accept
	bad     []string                     // requests that no library may send
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := authorityThatIsAway(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a.url = "http://" + listener.Addr().String()
	serve := &http.Server{Handler: a}
	go func() { _ = serve.Serve(listener) }()
	t.Cleanup(func() { _ = serve.Close() })
	return a
}

// newTLSAuthority is one that speaks https, by a certificate that nobody signed but itself.
func newTLSAuthority(t testing.TB) *authority {
	t.Helper()
	a := authorityThatIsAway(t)
	serve := httptest.NewUnstartedServer(a)
	serve.Config.ErrorLog = log.New(io.Discard, "", 0) // of those who do not trust it
	serve.StartTLS()
	t.Cleanup(serve.Close)
	a.url, a.ca = serve.URL, filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: serve.Certificate().Raw})
	if err := os.WriteFile(a.ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

func authorityThatIsAway(t testing.TB) *authority {
	t.Helper()
	return &authority{
		t: t, changed: make(chan struct{}), is: map[string]string{}, keys: []*ecdsa.PrivateKey{newKey(t)},
		odd: map[string]*ecdsa.PrivateKey{"enc": newKey(t), "private": newKey(t), "misnamed": newKey(t), "first twin": newKey(t), "twin": newKey(t)}, tokens: map[string]any{},
		removed: map[string]bool{}, tags: "a", window: 660, sent: make(chan string, 16), counts: map[string]int{},
	}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// change changes something under the lock, and wakes who waits.
func (a *authority) change(how func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	how()
	close(a.changed)
	a.changed = make(chan struct{})
}

// places are where a library may go.
var places = map[string]string{
	"/.well-known/openid-configuration": "discovery", "/jwks": "jwks", "/introspect": "introspection", "/endings": "feed",
}

// ServeHTTP answers, or does not.
func (a *authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at, known := places[r.URL.Path]
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	form, _ := url.ParseQuery(string(body))
	a.mu.Lock()
	a.counts[at]++
	state := a.is[at]
	if at == "feed" {
		a.asked, a.accept = form, r.Header.Get("Accept")
	}
	id, password, _ := r.BasicAuth()
	switch {
	case !known:
		a.bad = append(a.bad, "nobody named "+r.URL.Path)
	case r.URL.RawQuery != "" || form.Has("token") != (at == "introspection"):
		a.bad = append(a.bad, "a token or a query goes to "+r.URL.Path)
	case (at == "introspection" || at == "feed") != (id == clientID && password == url.QueryEscape(secret)):
		a.bad = append(a.bad, "client authentication at "+r.URL.Path)
	}
	a.mu.Unlock()
	if state != "" && state != "ok" && a.spoil(w, r, state) {
		return
	}
	switch at {
	case "discovery":
		a.answer(w, a.document(state))
	case "jwks":
		a.answer(w, a.published())
	case "introspection":
		a.answer(w, a.about(form.Get("token")))
	case "feed":
		a.feed(w, r, &follower{nonce: form.Get("nonce"), after: form.Get("after"), is: state})
	}
}

func (a *authority) answer(w http.ResponseWriter, what any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(what)
}

func (a *authority) document(state string) any {
	d := map[string]any{
		"issuer": a.url, "jwks_uri": a.url + "/jwks", "introspection_endpoint": a.url + "/introspect", "endings_endpoint": a.url + "/endings",
	}
	switch state {
	case "foreign":
		d["issuer"] = "https://evil.example"
	case "feedless":
		delete(d, "endings_endpoint")
	}
	return d
}

func (a *authority) published() any {
	a.mu.Lock()
	defer a.mu.Unlock()
	set := []any{}
	for i, key := range a.keys {
		if kid := fmt.Sprintf("k%d", i+1); !a.removed[kid] {
			set = append(set, jose.JSONWebKey{Key: key.Public(), KeyID: kid, Use: "sig", Algorithm: "ES256"})
		}
	}
	return map[string]any{"keys": append(set, jose.JSONWebKey{Key: rsaKey().Public(), KeyID: "rsa", Use: "sig"},
		jose.JSONWebKey{Key: a.odd["enc"].Public(), KeyID: "enc", Use: "enc"},
		jose.JSONWebKey{Key: a.odd["private"], KeyID: "private"},
		jose.JSONWebKey{Key: a.odd["misnamed"].Public(), KeyID: "misnamed", Algorithm: "RS256"},
		jose.JSONWebKey{Key: a.odd["first twin"].Public(), KeyID: "twin"}, jose.JSONWebKey{Key: a.odd["twin"].Public(), KeyID: "twin"},
		map[string]any{"kty": "EC", "kid": "k1", "crv": "P-256", "x": "AAAA", "y": 7}, map[string]any{"kty": "oct", "kid": "k1", "k": "AAAA"},
		map[string]any{"kty": "newer", "kid": "k1"}, "no key", nil,
	)}
}

func (a *authority) about(token string) any {
	a.mu.Lock()
	defer a.mu.Unlock()
	if said, ok := a.tokens[token]; ok {
		return said
	}
	return map[string]any{"active": false}
}

// spoil answers in a way that no server should, and reports whether it did.
func (a *authority) spoil(w http.ResponseWriter, r *http.Request, state string) bool {
	events := strings.Contains(r.Header.Get("Accept"), "event-stream")
	switch state {
	case "away":
		if c, _, err := w.(http.Hijacker).Hijack(); err == nil {
			_ = c.Close()
		}
	case "hangs":
		<-r.Context().Done()
	case "buffered":
		if !events {
			return false
		}
		<-r.Context().Done()
	case "refused":
		http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
	case "limited":
		w.Header().Set("Retry-After", "20")
		http.Error(w, `{}`, http.StatusTooManyRequests)
	case "broken":
		http.Error(w, `{}`, http.StatusInternalServerError)
	case "html":
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<html>Sign in to the wifi</html>"))
	case "redirect":
		http.Redirect(w, r, a.url+"/elsewhere", http.StatusTemporaryRedirect)
	case "huge", "bomb":
		a.flood(w, state, events)
	default:
		return false
	}
	return true
}
