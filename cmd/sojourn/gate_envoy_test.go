package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// startEnvoy starts a real Envoy with the configuration of examples/gate, but for the ports, and returns where, and who calls the API's address
// through it.
func (s *gated) startEnvoy() (caller *http.Client, at string) {
	s.t.Helper()
	envoy, err := filepath.Abs("../../test/envoy/.venv/bin/envoy")
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := exec.LookPath(envoy); err != nil {
		absent(s.t, "Envoy is not installed (test/run does it): no gate was driven by it")
	}
	example, err := os.ReadFile("../../examples/gate/envoy.yaml")
	if err != nil {
		s.t.Fatal(err)
	}
	listen := freePorts(s.t, 1)[0]
	pairs := []string{}
	for from, to := range map[string]string{"3000": s.upstream, "8000": listen, "8082": s.asks} {
		const written = "address: 127.0.0.1, port_value: "
		pairs = append(pairs, written+from, written+to[strings.LastIndex(to, ":")+1:])
	}
	dir := s.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "envoy.yaml"), []byte(strings.NewReplacer(pairs...).Replace(string(example))), 0o600); err != nil {
		s.t.Fatal(err)
	}
	p := start(s.t, dir, nil, envoy, "-c", "envoy.yaml", "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning")
	p.until("an answer", func() bool { return statusOf("http://127.0.0.1:"+listen+"/") != 0 })
	at = "127.0.0.1:" + listen
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, at)
	}}}, at
}

// What comes through Envoy by the configuration that we give away: who calls is what the gate says, a refusal is the gate's, and an answer
// that is none lets nobody through.
func TestGate_envoyLetsThroughOnlyWhatWasJudged(t *testing.T) {
	t.Parallel()
	s := openGate(t)
	caller, envoy := s.startEnvoy()
	var ask asking = func(method, path, body string, headers ...string) answer {
		r, err := http.NewRequestWithContext(t.Context(), method, s.api+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			r.Header[headers[i]] = append(r.Header[headers[i]], headers[i+1])
		}
		return s.send(caller, r)
	}
	bearer := s.bearer(s.app("reader", true))

	got := ask("POST", "/notes?page=2&acr_values=mfa", "a body that the gate does not need", "Authorization", bearer,
		"X-Auth-Subject", "root", "X-Auth-Scope", "admin", "X-Original-Method", "GET", "X-Original-Uri", "/public")
	through := s.heard()
	if got.status != http.StatusOK || len(through) != 1 || through[0].RequestURI != "/notes?page=2&acr_values=mfa" || through[0].Method != "POST" {
		t.Fatalf("a good token is answered %d: %s", got.status, got.body)
	}
	h := through[0].Header
	if h.Get("X-Auth-Client") != "reader" || h.Get("X-Auth-Scope") != adasScopes || len(h.Values("X-Auth-Subject")) != 1 ||
		len(h.Get("X-Auth-Subject")) != 22 || len(h.Get("X-Auth-Session")) != 36 || h.Get("Authorization") != "" {
		t.Errorf("the API hears %v", h)
	}
	for path, gets := range map[string]string{ // the API gets what the gate was asked about
		"/verify": "/verify", "/metrics": "/metrics", "/healthz": "/healthz", "//a/../b": "/b", "/x?scope=none": "/x?scope=none", "/%C3%A9": "/%C3%A9",
		"/.well-known/oauth-protected-resource2":                  "/.well-known/oauth-protected-resource2",
		"/.well-known/oauth-protected-resource/%2e%2e/../metrics": "/metrics",
	} {
		if got := ask("GET", path, "", "Authorization", bearer); got.status != http.StatusOK || s.heard()[0].RequestURI != gets {
			t.Errorf("GET %s: %d, %s", path, got.status, got.body)
		}
		s.refused(path+" without a token", ask("GET", path, ""), 401, "Bearer ", ", DPoP ", `scope="notes.read"`)
	}
	s.refused("an escaped slash", ask("GET", "/a%2Fb", "", "Authorization", bearer), 400)
	if got := ask("GET", "/.well-known/oauth-protected-resource", ""); got.status != 200 || !strings.Contains(got.body, `"authorization_servers":["`+s.issuer+`"]`) {
		t.Errorf("the metadata is %d: %s", got.status, got.body)
	}

	s.envoyAgreesAboutPaths(envoy, bearer)
	s.refused("headers alone", ask("GET", "/notes", "", "X-Auth-Subject", "root"), 401)
	if got := ask("GET", "/notes", "", "x_auth_subject", "root", "Authorization", bearer); got.status != 400 || len(s.heard()) != 0 {
		t.Errorf("a name with an underscore: %d", got.status)
	}
	s.refused("two tokens", ask("GET", "/notes", "", "Authorization", bearer, "Authorization", bearer), 401, "invalid_request")
	refused := ask("GET", "/notes", "", "Authorization", "Bearer x.y.z")
	s.refused("a made-up token", refused, 401, "invalid_token", "resource_metadata=")
	if refused.header.Get("Content-Type") != "application/json" || !strings.Contains(refused.body, "invalid_token") || refused.header.Get("X-Auth-Subject") != "" {
		t.Errorf("it is told %v: %s", refused.header, refused.body)
	}

	token := s.provesBy(caller, ask)
	s.end("reader")
	s.gate.until("that the ended session is refused", func() bool {
		return ask("GET", "/notes", "", "Authorization", bearer).status == http.StatusUnauthorized
	})
	s.heard()
	if err := s.gate.stop(); err != nil {
		t.Error(err)
	}
	s.refused("a gate that is away", ask("GET", "/notes", "", "Authorization", token), 503)
}

// asking sends a request, with headers in pairs.
type asking func(method, path, body string, headers ...string) answer

// provesBy has an app with a key call through Envoy, and others show what it sent. It returns the app's token.
func (s *gated) provesBy(caller *http.Client, ask asking) (token string) {
	s.t.Helper()
	bound := s.app("notes", false)
	var sent http.Header
	apps := &http.Client{Transport: bound.Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
		sent = r.Header.Clone()
		return caller.Transport.RoundTrip(r)
	}))}
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPut, s.api+"/notes/%C3%A9t%C3%A9?page=3", strings.NewReader("text"))
	if err != nil {
		s.t.Fatal(err)
	}
	if got := s.send(apps, r); got.status != http.StatusOK || len(s.heard()) != 1 {
		s.t.Errorf("with a proof: %d, %v: %s", got.status, got.header, got.body)
	}
	token = sent.Get("Authorization")
	proof := sent.Get("Dpop")
	s.refused("a proof once more", ask("PUT", "/notes/%C3%A9t%C3%A9", "", "Authorization", token, "Dpop", proof), 401, "invalid_dpop_proof")
	s.refused("two proofs", ask("GET", "/notes", "", "Authorization", token, "Dpop", proof, "Dpop", proof), 401, "invalid_dpop_proof")
	s.refused("no proof", ask("GET", "/notes", "", "Authorization", token), 401, "invalid_dpop_proof")
	return token
}
