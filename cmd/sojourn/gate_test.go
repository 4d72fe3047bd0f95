package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// nginx asks the gate, by the configuration that we give away, word for word.
func TestGate_nginxLetsThroughOnlyWhatWasJudged(t *testing.T) {
	t.Parallel()
	s := openGate(t)
	metadata := `resource_metadata="` + s.api + `/.well-known/oauth-protected-resource"`

	s.refused("no token", s.ask("GET", s.api+"/notes"), 401, `Bearer `, `, DPoP `, `algs="ES256"`, metadata, `scope="notes.read"`)
	s.refused("a made-up token", s.ask("GET", s.api+"/notes", "Authorization", "Bearer x.y.z"), 401, "invalid_token")
	if got := s.ask("GET", s.api+"/notes", "Authorization", "Bearer x.y.z"); got.header.Get("Content-Type") != "application/json" {
		t.Errorf("the refusal is %q: %s", got.header.Get("Content-Type"), got.body)
	}

	s.refused("another scheme", s.ask("GET", s.api+"/notes", "Authorization", "Basic YTpi"), 401)
	s.refused("a token and more", s.ask("GET", s.api+"/notes", "Authorization", "Bearer a b"), 401)
	bearer := s.bearer(s.app("reader", true))
	got := s.ask("GET", s.api+"/notes?page=2", "Authorization", bearer, "X-Auth-Subject", "root", "X-Auth-Scope", "admin", "X-Original-URI", "/public/")
	through := s.heard()
	if got.status != http.StatusOK || len(through) != 1 {
		t.Fatalf("a good token is answered %d: %s", got.status, got.body)
	}
	h := through[0].Header
	if through[0].RequestURI != "/notes?page=2" || h.Get("X-Auth-Client") != "reader" || h.Get("X-Auth-Scope") != adasScopes ||
		len(h.Get("X-Auth-Subject")) != 22 || len(h.Get("X-Auth-Session")) != 36 || h.Get("Authorization") != "" {
		t.Errorf("the API hears %s with %v", through[0].RequestURI, h)
	}
	for name, values := range h {
		if strings.HasPrefix(name, "X-Auth-") && len(values) != 1 {
			t.Errorf("%s is %q", name, values)
		}
	}

	s.refused("a scope that is not granted", s.ask("GET", s.api+"/export", "Authorization", bearer), 403,
		"insufficient_scope", `scope="notes.read notes.export"`, metadata)
	s.refused("a step-up", s.ask("DELETE", s.api+"/erase", "Authorization", bearer), 401,
		"insufficient_user_authentication", `acr_values="mfa"`)
	s.refused("the gate's own address", s.ask("GET", s.api+"/_gate", "Authorization", bearer), 404)
	s.refused("an address beside it", s.ask("GET", s.api+"/_gate/export", "Authorization", bearer), 404)

	if got := s.ask("GET", s.api+"/.well-known/oauth-protected-resource"); got.status != http.StatusOK ||
		!strings.Contains(got.body, `"authorization_servers":["`+s.issuer+`"]`) {
		t.Errorf("the metadata is %d: %s", got.status, got.body)
	}
}

// What a caller says of who calls reaches nobody, on a location for everyone neither.
func TestGate_nginxDropsWhatCallersSayOfThemselves(t *testing.T) {
	t.Parallel()
	s := openGate(t)
	spoofed := []string{
		"X-Auth-Subject", "root", "X-Auth-Session", "s", "X-Auth-Client", "c", "X-Auth-Scope", "admin", "x_auth_subject", "root", "X-AUTH-SUBJECT", "root",
	}
	if got := s.ask("GET", s.api+"/public/", spoofed...); got.status != http.StatusOK {
		t.Errorf("what is for everyone is answered %d", got.status)
	}
	for _, r := range s.heard() {
		for name, values := range r.Header {
			if strings.HasPrefix(strings.ReplaceAll(name, "_", "-"), "X-Auth-") {
				t.Errorf("the API hears %s: %q", name, values)
			}
		}
	}
	s.refused("headers alone", s.ask("GET", s.api+"/notes", spoofed...), 401)
}

// A proof is made for the address that callers use, and for one request.
func TestGate_nginxPassesOnWhatProofsAreFor(t *testing.T) {
	t.Parallel()
	s := openGate(t)
	bound := s.app("notes", false)
	var sent http.Header
	client := &http.Client{Transport: bound.Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
		sent = r.Header.Clone()
		return http.DefaultTransport.RoundTrip(r)
	}))}
	for _, path := range []string{"/notes", "/notes/on%20%C3%A9t%C3%A9?page=2", "/notes/%C3%A9t%C3%A9?next=//a/../b%2F;"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.api+path, strings.NewReader("text"))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.send(client, r); got.status != http.StatusOK || len(s.heard()) != 1 {
			t.Errorf("PUT %s with a proof is answered %d, %v", path, got.status, got.header)
		}
	}
	proof, token := sent.Get("DPoP"), sent.Get("Authorization")
	s.refused("a proof once more", s.ask("PUT", s.api+"/notes/%C3%A9t%C3%A9", "Authorization", token, "DPoP", proof), 401, "invalid_dpop_proof")
	s.refused("a proof for another address", s.ask("PUT", s.api+"/notes", "Authorization", token, "DPoP", proof), 401, "invalid_dpop_proof")
	s.refused("a proof for another method", s.ask("POST", s.api+"/notes/%C3%A9t%C3%A9", "Authorization", token, "DPoP", proof), 401, "invalid_dpop_proof")
	s.refused("a copy of a bound token", s.ask("PUT", s.api+"/notes", "Authorization", s.bearer(bound)), 401, "invalid_token")
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// An ended session is refused although its token lives; the same person's other session goes on.
func TestGate_refusesAnEndedSession(t *testing.T) {
	t.Parallel()
	s := openGate(t)
	one, other := s.bearer(s.app("reader", true)), s.bearer(s.app("notes", true))
	for _, bearer := range []string{one, other} {
		if got := s.ask("GET", s.api+"/notes", "Authorization", bearer); got.status != http.StatusOK {
			t.Fatalf("before anything ended: %d", got.status)
		}
	}
	s.end("reader")
	began := time.Now()
	s.gate.until("a refusal", func() bool {
		return s.ask("GET", s.api+"/notes", "Authorization", one).status == http.StatusUnauthorized
	})
	t.Logf("refused %v after the command that ended it", time.Since(began))
	s.heard()
	s.refused("the ended session", s.ask("GET", s.api+"/notes", "Authorization", one), 401, "invalid_token")
	if got := s.ask("GET", s.api+"/notes", "Authorization", other); got.status != http.StatusOK {
		t.Errorf("the other session is answered %d", got.status)
	}
}

func TestGate_awayIsNeverOpen(t *testing.T) {
	t.Parallel()
	s := openGate(t)
	bearer := s.bearer(s.app("reader", true))
	if err := s.gate.stop(); err != nil {
		t.Error(err)
	}
	for _, headers := range [][]string{nil, {"Authorization", bearer}} {
		got := s.ask("GET", s.api+"/notes", headers...)
		s.refused("a gate that is away", got, 503)
		if got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "temporarily_unavailable") {
			t.Errorf("it says %v: %s", got.header, got.body)
		}
	}
	if got := s.ask("GET", s.api+"/public/"); got.status != http.StatusOK {
		t.Errorf("what is for everyone is answered %d", got.status)
	}
}

// While the server is away, the operator's choice decides about tokens that were good: three gates of one server.
func TestGate_serverAway(t *testing.T) {
	t.Parallel()
	s := openGate(t)
	bearer := s.bearer(s.app("reader", true))
	want := map[string]int{"introspect": 503, "refuse": 503, "accept": 200}
	gates := map[string]*gated{}
	for stale := range want {
		g := &gated{street: s.street}
		g.startGate("127.0.0.1:"+freePorts(t, 1)[0], "--public-url", s.api, "--stale", stale)
		if got := g.ask("GET", g.asks+"/verify", "Authorization", bearer); got.status != http.StatusOK {
			t.Fatalf("%s, before: %d", stale, got.status)
		}
		gates[stale] = g
	}
	s.server.kill()
	for stale, g := range gates {
		g.gate.until("that the feed is known to be away", func() bool { return statusOf(g.asks+"/readyz") == http.StatusServiceUnavailable })
		got := g.ask("GET", g.asks+"/verify", "Authorization", bearer)
		if got.status != want[stale] {
			t.Errorf("%s: answered %d, want %d: %s", stale, got.status, want[stale], got.body)
		}
		if want[stale] == 503 && (got.header.Get("Retry-After") == "" || got.header.Get("WWW-Authenticate") != "") {
			t.Errorf("%s: it says %v", stale, got.header)
		}
		if healthy := statusOf(g.asks + "/healthz"); healthy != http.StatusOK {
			t.Errorf("%s: /healthz says %d", stale, healthy)
		}
	}
	s.gate.until("that nginx is told so", func() bool {
		got := s.ask("GET", s.api+"/notes", "Authorization", bearer) // introspect, the usual
		return got.status == http.StatusServiceUnavailable && got.header.Get("Retry-After") != "" && got.header.Get("WWW-Authenticate") == ""
	})
}

// Whoever asks at /verify itself, as a script does, gets a plain answer; a proxy that is set up wrongly gets none that is a yes.
func TestGate_answersAtVerify(t *testing.T) {
	t.Parallel()
	s := openGate(t)
	bearer := s.bearer(s.app("reader", true))
	for _, c := range []struct {
		query   string
		headers []string
		want    int
	}{
		{"", nil, 401},
		{"", []string{"Authorization", bearer}, 200},
		{"?scope=notes.write", []string{"Authorization", bearer}, 200},
		{"?scope=notes.write+notes.export", []string{"Authorization", bearer}, 403},
		{"?scope=notes.write&scope=notes.export", []string{"Authorization", bearer}, 403},
		{"?acr_values=mfa", []string{"Authorization", bearer}, 401},
		{"?scop=notes.export", []string{"Authorization", bearer}, 500},
		{"?max_age=soon", []string{"Authorization", bearer}, 500},
		{"?max_age=0", []string{"Authorization", bearer}, 500},
		{"?scope=%22", []string{"Authorization", bearer}, 500},
		{"?a;b", []string{"Authorization", bearer}, 500},
		{"", []string{"Authorization", bearer, "X-Original-URI", "/notes"}, 500},
		{"", []string{"Authorization", bearer, "X-Original-Method", "GET"}, 500},
		{"", []string{"Authorization", bearer, "X-Original-Method", "GET", "X-Original-URI", "notes"}, 400},
		{"", []string{"Authorization", bearer, "X-Original-Method", "GET", "X-Original-URI", "http://evil.example/notes"}, 400},
		{"", []string{"Authorization", bearer, "X-Original-Method", "GET", "X-Original-URI", "/%zz"}, 400},
		{"", []string{"Authorization", bearer, "X-Original-Method", "GET", "X-Original-URI", "/notes#/../export"}, 400},
		{"", []string{"Authorization", bearer, "X-Original-Method", "GET", "X-Original-URI", `/notes\..\export`}, 400},
		{"", []string{"Authorization", bearer, "X-Original-Method", "GET", "X-Original-URI", `/notes%20%C3%A9?x=\`}, 200},
		{"", []string{"Authorization", bearer, "X-Original-Method", "GET", "X-Original-URI", "/notes"}, 200},
	} {
		if got := s.ask("GET", s.asks+"/verify"+c.query, c.headers...); got.status != c.want || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("/verify%s with %q: %d, want %d: %s", c.query, c.headers, got.status, c.want, got.body)
		}
	}
	if got := statusOf(s.asks + "/elsewhere"); got != 404 {
		t.Errorf("elsewhere: %d", got)
	}
	metrics := s.ask("GET", s.asks+"/metrics").body
	for _, line := range []string{
		`sojourn_gate_requests_total{outcome="allowed"} 4`, `sojourn_gate_requests_total{outcome="invalid_request"} 5`, `sojourn_gate_requests_total{outcome="insufficient_scope"} 2`,
		`sojourn_gate_requests_total{outcome="misconfigured"} 7`, `sojourn_gate_requests_total{outcome="no_token"} `, "sojourn_gate_feed_current 1\n",
	} {
		if !strings.Contains(metrics, line) {
			_, ours, _ := strings.Cut(metrics, "sojourn_gate_")
			t.Errorf("no %q in %s", line, ours)
		}
	}
}

func TestGate_saysWhichFlagIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := map[string]string{
		"listen": "127.0.0.1:0", "issuer": "https://id.example", "client-id": "gate", "secret-file": file("good", gateSecret+"\n"),
	}
	taken := freePorts(t, 1)[0]
	busy := start(t, dir, nil, "sojourn", "gate", "--issuer", "https://id.example", "--client-id", "gate", "--secret-file", good["secret-file"], "--listen", "127.0.0.1:"+taken)
	busy.says("gate at") // also while the server is away
	if got := statusOf("http://127.0.0.1:" + taken + "/readyz"); got != http.StatusServiceUnavailable {
		t.Errorf("a gate whose server was never there says %d", got)
	}
	for _, c := range []struct{ flag, value, says string }{
		{"listen", "8082", "is no HOST:PORT, such as 127.0.0.1:8082"},
		{"listen", "127.0.0.1:" + taken, "address already in use"},
		{"issuer", "id.example.com", "say the server's, such as https://id.example.com"},
		{"issuer", "http://id.example.com", "must be https"},
		{"issuer", "https://id.example.com/?x", "is no issuer"},
		{"client-id", "", "say which client the gate is"},
		{"secret-file", "", "say which file"},
		{"secret-file", filepath.Join(dir, "none"), "no such file"},
		{"secret-file", file("empty", "\n"), "must hold the secret on its only line"},
		{"secret-file", file("two", "a\nb\n"), "must hold the secret on its only line"},
		{"secret-file", file("large", strings.Repeat("x", 5000)), "must hold the secret on its only line"},
		{"audience", "the API", "say the resource"},
		{"scope", "notes.read notes.write", "say each by a --scope of its own"},
		{"public-url", "https://api.example.com/v1", "say scheme and host alone"},
		{"public-url", "api.example.com", "say scheme and host alone"},
		{"stale", "open", "none of introspect, refuse and accept"},
	} {
		args := []string{"sojourn", "gate"}
		for flag, value := range good {
			if flag != c.flag {
				args = append(args, "--"+flag, value)
			}
		}
		p := start(t, dir, nil, append(args, "--"+c.flag, c.value)...)
		err := p.wait()
		said := p.out.String()
		if err == nil || !strings.Contains(said, "sojourn: --"+c.flag+": ") || !strings.Contains(said, c.says) || strings.Count(said, "\n") != 1 {
			t.Errorf("--%s %q: %v: %s", c.flag, c.value, err, said)
		}
	}
}
