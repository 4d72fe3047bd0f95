package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// envoy plays what Envoy's ext_authz filter does over HTTP, by the lists of examples/gate/envoy.yaml itself: no Envoy runs in these
// tests. What the filter sends, and what it makes of answers, was read in its source (ext_authz_http_impl.cc).
type envoy struct {
	asks   *url.URL
	prefix string
	drops  []string // of what a caller sends
	passes []string // to the gate
	sets   []string // for the API, from the gate's answer
	tells  []string // to a caller who is refused
	api    http.Handler
}

// exact are the names that a list of matchers under a key of the file holds, or of its removals.
func exact(node *yaml.Node, key string) (names []string) {
	if node.Kind == yaml.MappingNode {
		for i := 0; i < len(node.Content); i += 2 {
			if node.Content[i].Value == key {
				names = append(names, leaves(node.Content[i+1])...)
			}
		}
	}
	for _, child := range node.Content {
		names = append(names, exact(child, key)...)
	}
	return names
}

// leaves are the texts at the ends of a tree.
func leaves(node *yaml.Node) (texts []string) {
	switch node.Kind {
	case yaml.ScalarNode:
		return []string{node.Value}
	case yaml.MappingNode:
		for i := 1; i < len(node.Content); i += 2 {
			texts = append(texts, leaves(node.Content[i])...)
		}
	default:
		for _, child := range node.Content {
			texts = append(texts, leaves(child)...)
		}
	}
	return texts
}

// startEnvoy plays one in front of the API, and returns who calls the API's address through it.
func (s *gated) startEnvoy() *http.Client {
	s.t.Helper()
	text, err := os.ReadFile("../../examples/gate/envoy.yaml")
	if err != nil {
		s.t.Fatal(err)
	}
	var file yaml.Node
	if err := yaml.Unmarshal(text, &file); err != nil {
		s.t.Fatal(err)
	}
	asks, err := url.Parse(s.asks)
	if err != nil {
		s.t.Fatal(err)
	}
	e := &envoy{
		asks: asks, prefix: exact(&file, "path_prefix")[0], drops: exact(&file, "remove"), passes: exact(&file, "allowed_headers"),
		sets: exact(&file, "allowed_upstream_headers"), api: http.HandlerFunc(s.hear),
		tells: append(exact(&file, "allowed_client_headers"), "Content-Length", "Www-Authenticate", "Location"),
	}
	if exact(&file, "status_on_error")[0] != "ServiceUnavailable" || len(e.drops) != 4 || len(e.sets) != 4 || len(e.passes) != 1 {
		s.t.Fatalf("the example is not as it is played: %+v", e)
	}
	serve := httptest.NewServer(e)
	s.t.Cleanup(serve.Close)
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, serve.Listener.Addr().String())
	}}}
}

// ServeHTTP lets a request through to the API, or answers what the gate does.
func (e *envoy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name := range r.Header {
		if strings.Contains(name, "_") { // headers_with_underscores_action: REJECT_REQUEST
			w.WriteHeader(http.StatusBadRequest)
			return
		}
	}
	for _, name := range e.drops {
		r.Header.Del(name)
	}
	answer, err := http.DefaultTransport.RoundTrip(e.question(r))
	if err != nil || answer.StatusCode >= http.StatusInternalServerError { // nothing of such an answer is passed on
		w.WriteHeader(http.StatusServiceUnavailable) // status_on_error
		return
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusOK {
		for _, name := range e.sets {
			if values := answer.Header.Values(name); len(values) > 0 {
				r.Header[http.CanonicalHeaderKey(name)] = values[:1]
			}
		}
		r.Header.Del("Authorization") // request_headers_to_remove
		r.Header.Del("Dpop")
		e.api.ServeHTTP(w, r)
		return
	}
	for _, name := range e.tells {
		for _, value := range answer.Header.Values(name) {
			w.Header().Add(name, value)
		}
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body)
}

// question is what the gate is asked: the method, the host and the path, with a prefix; Authorization and what allowed_headers names,
// each of which is one header, with commas, however often a caller sent it; no body.
func (e *envoy) question(r *http.Request) *http.Request {
	asked := &http.Request{
		Method: r.Method, Host: r.Host, Header: http.Header{}, Body: http.NoBody,
		URL: &url.URL{Scheme: "http", Host: e.asks.Host, Opaque: e.prefix + r.RequestURI}, // as it is written
	}
	for _, name := range append([]string{"Authorization"}, e.passes...) {
		if values := r.Header.Values(name); len(values) > 0 {
			asked.Header.Set(name, strings.Join(values, ","))
		}
	}
	return asked.WithContext(r.Context())
}

// What comes through Envoy by the configuration that we give away: who calls is what the gate says, a refusal is the gate's, and an answer
// that is none lets nobody through.
func TestGate_envoyLetsThroughOnlyWhatWasJudged(t *testing.T) {
	t.Parallel()
	s := openGate(t)
	caller := s.startEnvoy()
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
	for _, path := range []string{"/verify", "/metrics", "/healthz", "//a/../b", "/x?scope=none", "/%C3%A9%2F1", "/.well-known/oauth-protected-resource2"} {
		if got := ask("GET", path, "", "Authorization", bearer); got.status != http.StatusOK || s.heard()[0].RequestURI != path {
			t.Errorf("GET %s: %d, %s", path, got.status, got.body)
		}
		s.refused(path+" without a token", ask("GET", path, ""), 401, "Bearer ", ", DPoP ", `scope="notes.read"`)
	}

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
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPut, s.api+"/notes/%C3%A9t%C3%A9%2F1?page=3", strings.NewReader("text"))
	if err != nil {
		s.t.Fatal(err)
	}
	if got := s.send(apps, r); got.status != http.StatusOK || len(s.heard()) != 1 {
		s.t.Errorf("with a proof: %d, %v: %s", got.status, got.header, got.body)
	}
	token = sent.Get("Authorization")
	proof := sent.Get("Dpop")
	s.refused("a proof once more", ask("PUT", "/notes/%C3%A9t%C3%A9%2F1", "", "Authorization", token, "Dpop", proof), 401, "invalid_dpop_proof")
	s.refused("two proofs", ask("GET", "/notes", "", "Authorization", token, "Dpop", proof, "Dpop", proof), 401, "invalid_dpop_proof")
	s.refused("no proof", ask("GET", "/notes", "", "Authorization", token), 401, "invalid_dpop_proof")
	return token
}
