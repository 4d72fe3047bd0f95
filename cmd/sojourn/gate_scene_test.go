package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// gated is a gate and a real nginx with the configuration of examples/gate, in front of an API that believes what it is told.
type gated struct {
	*street
	gate *process
	asks string // where the gate is asked

	upstream string // where the API is that believes it

	mu   sync.Mutex
	seen []*http.Request // what came through to the API
}

// openGate starts all of it.
func openGate(t *testing.T) *gated {
	t.Helper()
	ports := freePorts(t, 2)
	s := &gated{street: openServer(t)}
	s.api = "http://127.0.0.1:" + ports[0]
	upstream := httptest.NewServer(http.HandlerFunc(s.hear))
	t.Cleanup(upstream.Close)
	s.upstream = upstream.Listener.Addr().String()
	s.startGate("127.0.0.1:"+ports[1], "--scope", "notes.read", "--public-url", s.api)
	s.startNginx(strings.NewReplacer(
		"127.0.0.1:3000", s.upstream, "127.0.0.1:8000", "127.0.0.1:"+ports[0], "127.0.0.1:8082", "127.0.0.1:"+ports[1],
	))
	return s
}

// startGate starts the gate and waits until it knows the endings.
func (s *gated) startGate(listen string, flags ...string) {
	s.t.Helper()
	s.gate = start(s.t, s.dir, nil, append([]string{
		"sojourn", "gate", "--listen", listen, "--issuer", s.issuer, "--client-id", "gate", "--secret-file", s.secretFile(),
	}, flags...)...)
	s.asks = "http://" + listen
	s.gate.says("gate at " + s.asks + "/verify")
	s.gate.until("readiness", func() bool { return statusOf(s.asks+"/readyz") == http.StatusOK })
}

// startNginx starts the nginx of Debian's nginx-light with the example's configuration, but for the ports.
func (s *gated) startNginx(ports *strings.Replacer) {
	s.t.Helper()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		if nginx, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			absent(s.t, "nginx (Debian: nginx-light) is not installed: no gate was driven by it")
		}
	}
	example, err := os.ReadFile("../../examples/gate/nginx.conf")
	if err != nil {
		s.t.Fatal(err)
	}
	dir := s.t.TempDir()
	conf := "daemon off; master_process off; pid pid; error_log stderr; events {}\nhttp { access_log off;\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		conf += kind + "_temp_path " + kind + ";\n"
	}
	for name, text := range map[string]string{"gate.conf": ports.Replace(string(example)), "nginx.conf": conf + "include gate.conf; }\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	p := start(s.t, dir, nil, nginx, "-p", dir, "-c", "nginx.conf")
	p.until("an answer", func() bool { return statusOf(s.api+"/") != 0 })
}

// hear is the API.
func (s *gated) hear(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, r)
	_, _ = io.WriteString(w, "the API")
}

// heard returns what came through since it was asked last.
func (s *gated) heard() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen
	s.seen = nil
	return seen
}

// refused checks a refusal, and that nothing reached the API.
func (s *gated) refused(what string, got answer, status int, says ...string) {
	s.t.Helper()
	s.street.refused(what, got, status, says...)
	if through := s.heard(); len(through) != 0 {
		s.t.Errorf("%s: the API heard of %d requests", what, len(through))
	}
}
