package main

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// What a caller writes into an address or a header brings nobody past the gate, and nobody to its other addresses.
func TestGate_isNotTalkedRound(t *testing.T) {
	t.Parallel()
	s := openGate(t)
	bearer := s.bearer(s.app("reader", true))

	for _, path := range []string{"/verify", "/metrics", "/verify/.well-known/oauth-protected-resource", "/notes", "/x/public/"} {
		s.refused(path, s.ask("GET", s.api+path), 401)
	}
	s.refused("an escaped letter", s.ask("GET", s.api+"/%65xport", "Authorization", bearer), 403, `scope="notes.read notes.export"`)
	s.refused("an empty header", s.ask("GET", s.api+"/notes", "Authorization", ""), 401)
	s.refused("a token in the query", s.ask("GET", s.api+"/notes?access_token="+strings.TrimPrefix(bearer, "Bearer ")), 401)
	s.refused("a WebSocket", s.ask("GET", s.api+"/notes", "Connection", "Upgrade", "Upgrade", "websocket"), 401)
	if got := s.ask("HEAD", s.api+"/notes", "Authorization", bearer); got.status != http.StatusOK || len(s.heard()) != 1 {
		t.Errorf("HEAD is answered %d", got.status)
	}
	if got := s.ask("GET", s.api+"/"+strings.Repeat("x", 7000), "Authorization", bearer); got.status != http.StatusOK || len(s.heard()) != 1 {
		t.Errorf("a long address is answered %d", got.status)
	}
}

// Who speaks HTTP/1.0 need not say for whom a request is, and is judged as everybody is.
func TestGate_judgesWhoSaysNoHost(t *testing.T) {
	t.Parallel()
	s := openGate(t)
	for credential, want := range map[string]string{"": " 401 ", "Authorization: " + s.bearer(s.app("reader", true)) + "\r\n": " 200 "} {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.api, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET /notes HTTP/1.0\r\n"+credential+"\r\n"); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(c)
		if status, _, _ := strings.Cut(string(answer), "\r\n"); err != nil || !strings.Contains(status, want) {
			t.Errorf("it is answered %q, want%s: %v", status, want, err)
		}
	}
}

// A proxy that adds its word to the caller's instead of replacing it is set up wrongly: it asks about whatever a caller likes.
func TestGate_twoWordsAboutOneRequestAreNone(t *testing.T) {
	t.Parallel()
	s := openGate(t)
	bearer := s.bearer(s.app("reader", true))
	for _, doubled := range []string{"X-Original-Method", "X-Original-URI"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.asks+"/verify", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Authorization": {bearer}, "X-Original-Method": {"GET"}, "X-Original-Uri": {"/notes"}}
		r.Header.Add(doubled, r.Header.Get(doubled))
		if got := s.send(http.DefaultClient, r); got.status != http.StatusInternalServerError || !strings.Contains(got.body, doubled+" came twice") {
			t.Errorf("%s twice: %d, %s", doubled, got.status, got.body)
		}
	}
}
