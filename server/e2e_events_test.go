package server

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// soon is sooner than a stream looks by itself, which it does every 15 seconds.
const soon = 10 * time.Second

// heard is a server-sent event.
type heard struct{ name, data string }

// listener is an app that listens at /me/events.
type listener struct {
	resp   *http.Response
	events chan heard // closed when the stream is
}

// listen opens a stream and waits for its greeting.
func (a *app) listen(t *testing.T, access string) *listener {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.base+"/me/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+access)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	l := &listener{resp: resp, events: make(chan heard, 100)}
	go l.hear()
	l.next(t, "ready", patience)
	return l
}

func (l *listener) hear() {
	defer close(l.events)
	var now heard
	for lines := bufio.NewScanner(l.resp.Body); lines.Scan(); {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case field == "event":
			now.name = value
		case field == "data":
			now.data = value
		case field == "" && now.name != "":
			l.events <- now
			now = heard{}
		}
	}
}

// next waits for an event of this name.
func (l *listener) next(t *testing.T, name string, within time.Duration) heard {
	t.Helper()
	limit := time.After(within)
	for {
		select {
		case got, open := <-l.events:
			if !open {
				t.Fatalf("the stream ended before %s", name)
			}
			if got.name == name {
				return got
			}
		case <-limit:
			t.Fatalf("no %s within %v", name, within)
		}
	}
}

// closed waits for the end of the stream.
func (l *listener) closed(t *testing.T) {
	t.Helper()
	limit := time.After(patience)
	for {
		select {
		case _, open := <-l.events:
			if !open {
				return
			}
		case <-limit:
			t.Fatal("the stream does not end")
		}
	}
}

// whoIs is the Session of an access token.
func whoIs(t *testing.T, w *world, access string) identity.ID {
	t.Helper()
	var me struct {
		Session struct{ SID identity.ID } `json:"session"`
	}
	got := w.bearing(t, http.MethodGet, w.issuer+"/me", access)
	if got.status != http.StatusOK || json.Unmarshal([]byte(got.body), &me) != nil {
		t.Fatalf("/me: %d %s", got.status, got.body)
	}
	return me.Session.SID
}

// neighbour is another process on the world's database.
func (w *world) neighbour(t *testing.T, dsn string) *world {
	t.Helper()
	other := &world{keys: w.keys, passwords: w.passwords, journal: w.journal, issuer: w.issuer}
	var err error
	if other.db, err = storage.Open(t.Context(), dsn, storage.Options{Keys: w.keys, Now: w.now, MaxConns: 8}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.db.Close() })
	return other
}

// TestEvents_anEndingIsHeardSoonEverywhere has one stream in the process that ends a Session and one in another, which asks
// twice a second (storage.WatchChanges).
func TestEvents_anEndingIsHeardSoonEverywhere(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dsn := storagetest.DSN(t, kind)
			w := newWorldAt(t, dsn)
			there := w.neighbour(t, dsn)
			elsewhere := there.replica(t)
			p, a := w.person(t), w.app(t, trusted)
			doomed := a.redeem(t, newVisitor(t).signIn(t, a, p))
			witness := a.redeem(t, newVisitor(t).signIn(t, a, p))
			sid := whoIs(t, w, doomed.AccessToken)
			streams := map[string]*listener{
				"its own, here": a.listen(t, doomed.AccessToken), "its own, there": a.at(elsewhere).listen(t, doomed.AccessToken),
				"a sibling's, here": a.listen(t, witness.AccessToken), "a sibling's, there": a.at(elsewhere).listen(t, witness.AccessToken),
			}
			if r := w.bearing(t, http.MethodDelete, w.issuer+"/me/sessions/"+sid.String(), witness.AccessToken); r.status != http.StatusNoContent {
				t.Fatalf("%d %s", r.status, r.body)
			}
			for name, l := range streams {
				if got := l.next(t, "session.ended", soon); !strings.Contains(got.data, `"reason":"ended_by_user"`) {
					t.Errorf("%s: heard %s", name, got.data)
				}
				if strings.HasPrefix(name, "its own") {
					l.closed(t)
				}
			}
			if r := w.bearing(t, http.MethodGet, elsewhere+"/me/events", doomed.AccessToken); r.status != http.StatusUnauthorized {
				t.Errorf("the ended one may listen again: %d", r.status)
			}
			third := a.redeem(t, newVisitor(t).signIn(t, a, p))
			streams["a sibling's, there"].next(t, "session.started", soon)
			w.journal.hide(third.AccessToken)
		})
	}
}

// TestEvents_idlenessClosesAStreamByItself: nobody writes or rings anything.
func TestEvents_idlenessClosesAStreamByItself(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		p, a := w.person(t), w.app(t, trusted, func(a *app) { a.client.Lives.Idle = 8 * time.Second })
		l := a.listen(t, a.redeem(t, newVisitor(t).signIn(t, a, p)).AccessToken)
		if got := l.next(t, "session.ended", patience); !strings.Contains(got.data, `"reason":"idle"`) {
			t.Errorf("ended by %s", got.data)
		}
		l.closed(t)
	})
}

// TestEvents_outliveTheLimitsOfOrdinaryRequests has a connection that says nothing cut off, and a stream that is older go on.
func TestEvents_outliveTheLimitsOfOrdinaryRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.SQLite)
	s, err := New(t.Context(), load(t, []string{"issuer", w.issuer}), w.db, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.limits = limits{read: 5 * time.Second, write: 5 * time.Second, answer: 5 * time.Second}
	quick, port := s.httpServer(s.handler), listen(t)
	go func() { _ = quick.Serve(port) }()
	t.Cleanup(func() { _ = quick.Close() })
	p, a := w.person(t), w.app(t, trusted)
	tokens := a.redeem(t, newVisitor(t).signIn(t, a, p))
	l := a.at("http://"+port.Addr().String()).listen(t, tokens.AccessToken)
	mute, err := net.Dial("tcp", port.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	if _, err := io.WriteString(mute, "POST /signin HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, mute)
	if _, err := w.db.End(t.Context(), identity.Ending{Session: whoIs(t, w, tokens.AccessToken), Cause: identity.EndOperator}); err != nil {
		t.Fatal(err)
	}
	l.next(t, "session.ended", soon)
}

// TestEvents_doNotKeepAServerFromStopping stops one that has a stream open.
func TestEvents_doNotKeepAServerFromStopping(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.SQLite)
	p, a := w.person(t), w.app(t, trusted)
	tokens := a.redeem(t, newVisitor(t).signIn(t, a, p))
	s, err := New(t.Context(), load(t, []string{"issuer", w.issuer}), w.db, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.ports = ports{public: listen(t), admin: listen(t)}
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan error, 1)
	base := "http://" + s.ports.public.Addr().String()
	go func() { over <- s.Serve(ctx) }()
	l := a.at(base).listen(t, tokens.AccessToken)
	stop()
	select {
	case err := <-over:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(soon): // a server waits for its requests for 20 seconds
		t.Fatal("the server waits for the stream")
	}
	l.closed(t)
}

func TestMe_isForAppsOfAnyOrigin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storage.SQLite)
	p, a := w.person(t), w.app(t, trusted)
	tokens := a.redeem(t, newVisitor(t).signIn(t, a, p))
	for path, method := range map[string]string{
		"/me": "GET", "/me/events": "GET", "/me/state": "GET", "/me/state/k": "PATCH", "/me/sessions/x": "DELETE",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, w.issuer+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := send(t, r).header
		if got.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(got.Get("Access-Control-Allow-Methods"), method) ||
			!strings.Contains(got.Get("Access-Control-Allow-Headers"), "If-Match") || got.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %v", path, got)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, w.issuer+"/me/state/k", strings.NewReader(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Origin", "https://app.example")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if got := send(t, r); got.status != http.StatusCreated || !strings.Contains(got.header.Get("Access-Control-Expose-Headers"), "ETag") {
		t.Errorf("%d %s %v", got.status, got.body, got.header)
	}
	head, err := http.NewRequestWithContext(t.Context(), http.MethodHead, w.issuer+"/me/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := send(t, head); got.status != http.StatusMethodNotAllowed {
		t.Errorf("HEAD of the events: %d", got.status)
	}
	if got := w.bearing(t, http.MethodGet, w.issuer+"/me/nothing", tokens.AccessToken); got.status != http.StatusNotFound || got.Error == "" {
		t.Errorf("no such endpoint: %d %s", got.status, got.body)
	}
}
