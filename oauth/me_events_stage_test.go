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

// patience is how long a test waits for what must happen, on the busiest of machines.
const patience = 4 * time.Minute

// any is the next event; false when the stream ended.
func (e *ear) any(wanted string) (got event, open bool) {
	e.Helper()
	select {
	case got, open = <-e.events:
	case <-time.After(patience):
		e.Fatalf("nothing is heard, want %s", wanted)
	}
	return got, open
}

// next is the next event, which must be called so.
func (e *ear) next(name string) event {
	e.Helper()
	got, open := e.any(name)
	if !open || got.name != name {
		e.Fatalf("heard %+v (open: %v), want %s", got, open, name)
	}
	return got
}

// first is the next event that is not the one of ring.
func (e *ear) first(name string) event {
	e.Helper()
	for {
		got, open := e.any(name)
		if open && got.name == "profile.changed" {
			continue
		}
		if !open || got.name != name {
			e.Fatalf("heard %+v (open: %v), want %s", got, open, name)
		}
		return got
	}
}

// over checks that the stream ends and says nothing more.
func (e *ear) over() {
	e.Helper()
	if got, open := e.any("the end"); open {
		e.Fatalf("heard %+v after the end", got)
	}
}

// silent checks that streams of the person's are open and have nothing more to tell: each hears what rings now, and
// nothing before or between.
func (s *stage) silent(ears ...*ear) {
	s.Helper()
	for range 2 { // what one look finds has no order
		s.no(s.ring())
		for _, e := range ears {
			e.next("profile.changed")
		}
	}
}
