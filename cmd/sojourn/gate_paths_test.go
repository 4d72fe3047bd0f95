package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// unclear are paths that two programs read differently: what a proxy takes for one operation may be another to the API behind it.
var unclear = []string{
	"/notes#/../export", "/notes#", "/notes?page=2#/../export", "/public/#/../../notes", `/public\..\notes`, "/public/..;/notes", "/export;v=1", "/export%3Bv=1",
	"/public/%2e%2e/notes", "/public/%2E./notes", "/public/..", "/notes/.?x", "/export/../notes", "//export", "/public//../notes", "/public/..%2fnotes",
	"/public%2F..%2Fnotes", "/public/..%5Cnotes", "/export%23", "/export%3Fx", "/notes%0d%0aX-Auth-Subject:root", "/export%7F", "/export%09",
	"/.well-known/oauth-protected-resource/../../metrics",
}

// clear are ones that everybody reads alike.
var clear = []string{
	"/notes/on%20the%20way", "/notes/%C3%A9t%C3%A9", "/notes/\u00e9", "/notes/..a/b..", "/notes/.hidden", "/notes/...", "/notes/100%25", "/notes/a+b,c:d@e=f&g",
	"/notes?next=//a/../b;c%2F..%5C", "/notes/", "/%6eotes",
}

// written sends a request line as it is, which no client of Go does, and returns the answer.
func (s *gated) written(at, line, authorization string) answer {
	s.t.Helper()
	c, err := new(net.Dialer).DialContext(s.t.Context(), "tcp", at)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	request := line + "\r\nHost: " + strings.TrimPrefix(s.api, "http://") + "\r\nConnection: close\r\n"
	if authorization != "" {
		request += "Authorization: " + authorization + "\r\n"
	}
	if _, err := io.WriteString(c, request+"\r\n"); err != nil {
		s.t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		s.t.Fatalf("%s: %v", line, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(body)}
}

// The path decides which scopes are asked, so nginx refuses one that the API may read in another way, with a token and without, and
// where none is needed too.
func TestGate_nginxRefusesPathsThatAreReadInTwoWays(t *testing.T) {
	t.Parallel()
	s := openGate(t)
	bearer, nginx := s.bearer(s.app("reader", true)), strings.TrimPrefix(s.api, "http://")
	for _, path := range unclear {
		for _, credential := range []string{"", bearer} {
			got := s.written(nginx, "GET "+path+" HTTP/1.1", credential)
			s.refused(path, got, http.StatusBadRequest)
			if got.header.Get("Content-Type") != "application/json" || !strings.Contains(got.body, "read in more than one way") {
				t.Errorf("%s is told %v: %s", path, got.header, got.body)
			}
		}
	}
	for _, path := range clear {
		if got := s.written(nginx, "GET "+path+" HTTP/1.1", bearer); got.status != http.StatusOK {
			t.Errorf("%s is answered %d: %s", path, got.status, got.body)
		} else if through := s.heard(); len(through) != 1 || through[0].RequestURI != path {
			t.Errorf("of %s the API hears %v", path, through)
		}
	}
	for line, status := range map[string]int{ // nginx reads these by itself, and passes on what it read
		"GET http://evil.example/export HTTP/1.1": 403, "GET http://evil.example/notes/../export HTTP/1.1": 400,
		"GET /notes\x01 HTTP/1.1": 400, "GET /notes\x00 HTTP/1.1": 400, "GET /notes%00 HTTP/1.1": 400, "GET /notes%zz HTTP/1.1": 400,
		"GET notes HTTP/1.1": 400, "OPTIONS * HTTP/1.1": 400, "GET /notes /export HTTP/1.1": 400,
	} {
		s.refused(line, s.written(nginx, line, bearer), status)
	}
}

// envoyAgreesAboutPaths checks that Envoy either refuses a path that is read in two ways, or makes it one that is read in one, before
// anybody is asked.
func (s *gated) envoyAgreesAboutPaths(envoy, bearer string) {
	s.t.Helper()
	for _, path := range unclear {
		got := s.written(envoy, "GET "+path+" HTTP/1.1", bearer)
		through := s.heard()
		if got.status == http.StatusBadRequest && len(through) == 0 {
			continue
		}
		if len(through) != 1 || slices.Contains(unclear, through[0].RequestURI) || strings.ContainsAny(through[0].RequestURI, "#;\\%") {
			s.t.Errorf("%s is answered %d, and the API hears %v", path, got.status, through)
		}
	}
	for _, path := range clear {
		if strings.ContainsRune(path, '\u00e9') { // no URI (RFC 3986 §2.1), says Envoy itself
			continue
		}
		if got := s.written(envoy, "GET "+path+" HTTP/1.1", bearer); got.status != http.StatusOK {
			s.t.Errorf("%s is answered %d: %s", path, got.status, got.body)
		}
	}
	s.heard()
}
