package oauth_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// event is a server-sent event as it arrives.
type event struct {
	id, name, data string
}

func (e event) json(t testing.TB) (data map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(e.data), &data); err != nil {
		t.Fatalf("%s says %q: %v", e.name, e.data, err)
	}
	return data
}

// ear is an app that listens.
type ear struct {
	*stage
	header http.Header
	events chan event // closed when the stream is
}

// listen opens a stream. The first thing that it says is left to be heard.
func (s *stage) listen(token string, edit ...func(*http.Request)) *ear {
	s.Helper()
	server := httptest.NewServer(s.server)
	s.Cleanup(server.Close)
	r, err := http.NewRequestWithContext(s.Context(), http.MethodGet, server.URL+"/me/events", nil)
	if err != nil {
		s.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(changedRequest(r, append([]func(*http.Request){bearer(token)}, edit...)))
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		s.Fatalf("no stream: %s %s", resp.Status, resp.Header.Get("Content-Type"))
	}
	e := &ear{stage: s, header: resp.Header, events: make(chan event, 1000)}
	go e.hear(bufio.NewScanner(resp.Body))
	return e
}

func (e *ear) hear(lines *bufio.Scanner) {
	defer close(e.events)
	var now event
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "id":
			now.id = value
		case "event":
			now.name = value
		case "data":
			now.data = value
		case "":
			if now.name != "" {
				e.events <- now
			}
			now = event{}
		}
	}
}

// next is the next event; it must be called so, and come within a second.
func (e *ear) next(name string) event {
	e.Helper()
	select {
	case got, open := <-e.events:
		if !open || got.name != name {
			e.Fatalf("heard %+v (open: %v), want %s", got, open, name)
		}
		return got
	case <-time.After(time.Second):
		e.Fatalf("no %s within a second", name)
	}
	return event{}
}

// first is the next event that is not the one of ring.
func (e *ear) first(name string) event {
	e.Helper()
	for {
		select {
		case got, open := <-e.events:
			if open && got.name == "profile.changed" {
				continue
			}
			if !open || got.name != name {
				e.Fatalf("heard %+v (open: %v), want %s", got, open, name)
			}
			return got
		case <-time.After(time.Second):
			e.Fatalf("no %s within a second", name)
		}
	}
}

// over checks that the stream ends and says nothing more.
func (e *ear) over() {
	e.Helper()
	select {
	case got, open := <-e.events:
		if open {
			e.Fatalf("heard %+v after the end", got)
		}
	case <-time.After(time.Second):
		e.Fatal("the stream does not end")
	}
}

// silent checks that nothing more is heard for a while, and that the stream is open.
func (e *ear) silent() {
	e.Helper()
	select {
	case got, open := <-e.events:
		e.Errorf("heard %+v (open: %v)", got, open)
	case <-time.After(200 * time.Millisecond):
	}
}
