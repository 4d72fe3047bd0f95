package weather_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/weather"
)

// patience is how long a test waits for what should take a moment; the machine may be busy.
const patience = 4 * time.Minute

// tokens is a server that answers every form with JSON, and remembers what came.
type tokens struct {
	mu   sync.Mutex
	came []string // the field "n" of every form
}

const good = `{"access_token":"a","refresh_token":"r","token_type":"Bearer","expires_in":600}`

func (s *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/me/events" {
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			if _, err := io.WriteString(w, "event: ready\ndata: {}\n\n"); err != nil || http.NewResponseController(w).Flush() != nil {
				return
			}
			select {
			case <-time.After(10 * time.Millisecond):
			case <-r.Context().Done():
				return
			}
		}
	}
	s.mu.Lock()
	s.came = append(s.came, r.FormValue("n"))
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Seen-Host", r.Host)
	fmt.Fprint(w, good)
}

func (s *tokens) seen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.came, " ")
}

// under starts a proxy in front of a server of tokens.
func under(t *testing.T, o weather.Options) (*weather.Proxy, *tokens) {
	t.Helper()
	s := &tokens{}
	site := httptest.NewServer(s)
	t.Cleanup(site.Close)
	o.Upstream = site.URL
	p, err := weather.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p, s
}

// got is what a client ends up with.
type got struct {
	status int
	header http.Header
	body   string
	err    error
}

// ask posts a form once, on a connection of its own: HTTP clients try again by themselves where an old one breaks.
func ask(t *testing.T, ctx context.Context, p *weather.Proxy, n string) got {
	t.Helper()
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {"notes"}, "refresh_token": {"secret-" + n}, "n": {n}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL()+"/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(r)
	if err != nil {
		return got{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 200<<20))
	return got{resp.StatusCode, resp.Header, string(body), err}
}

// next asks for a fault.
func next(t *testing.T, p *weather.Proxy, faults ...weather.Fault) {
	t.Helper()
	if err := p.Next(faults...); err != nil {
		t.Fatal(err)
	}
}

func isReset(g got) bool { return errors.Is(g.err, syscall.ECONNRESET) || errors.Is(g.err, io.EOF) }

func isHTML(g got, status int) bool {
	return g.err == nil && g.status == status && strings.HasPrefix(g.header.Get("Content-Type"), "text/html") &&
		strings.Contains(g.body, "<html>")
}

// Each fault is looked at from both sides: what the client gets, and how often the server heard of it.
func TestFault_isSeenByTheClientAndCountedAtTheServer(t *testing.T) {
	t.Parallel()
	for do, want := range map[weather.Do]struct {
		heard int
		ok    func(got) bool
	}{
		weather.Pass:        {1, func(g got) bool { return g.err == nil && g.body == good }},
		weather.DropRequest: {0, isReset},
		weather.DropAnswer:  {1, isReset},
		weather.HalfAnswer: {1, func(g got) bool {
			return errors.Is(g.err, io.ErrUnexpectedEOF) && g.status == 200 && g.body == good[:len(good)/2]
		}},
		weather.Truncated:     {1, func(g got) bool { return g.err == nil && g.status == 200 && g.body == good[:len(good)/2] }},
		weather.Delay:         {1, func(g got) bool { return g.body == good }},
		weather.DelayAnswer:   {1, func(g got) bool { return g.body == good }},
		weather.Twice:         {2, func(g got) bool { return g.body == good }},
		weather.LateDuplicate: {1, func(g got) bool { return g.body == good }},
		weather.LateRequest:   {0, isReset},
		weather.BadGateway:    {0, func(g got) bool { return isHTML(g, 502) }},
		weather.Unavailable:   {0, func(g got) bool { return isHTML(g, 503) && g.header.Get("Retry-After") == "1" }},
		weather.TooMany:       {0, func(g got) bool { return isHTML(g, 429) && g.header.Get("Retry-After") == "1" }},
		weather.Portal:        {0, func(g got) bool { return isHTML(g, 200) }},
		weather.PortalRedirect: {0, func(g got) bool {
			return isHTML(g, 302) && strings.HasSuffix(g.header.Get("Location"), "/weather/portal")
		}},
		weather.Garbage: {0, func(g got) bool { return g.err != nil && strings.Contains(g.err.Error(), "malformed HTTP") }},
		weather.Redirect: {0, func(g got) bool {
			return g.status == 307 && strings.HasSuffix(g.header.Get("Location"), "/weather/elsewhere")
		}},
		weather.WrongType: {1, func(g got) bool {
			return g.body == good && strings.HasPrefix(g.header.Get("Content-Type"), "text/html")
		}},
		weather.GzipBomb: {0, isBomb},
		weather.Answer:   {0, func(g got) bool { return g.status == 400 && g.body == `{"error":"invalid_grant"}` && g.err == nil }},
		weather.Huge:     {0, func(g got) bool { return len(g.body) == 100_000_000 && g.err == nil }},
	} {
		t.Run(string(do), func(t *testing.T) {
			t.Parallel()
			p, s := under(t, weather.Options{})
			next(t, p, weather.Fault{Path: "/oauth2/token", Do: do, After: 300 * time.Millisecond, Status: 400, Body: `{"error":"invalid_grant"}`})
			g := ask(t, t.Context(), p, "1")
			if len(g.body) > 500 {
				defer func() { g.body = g.body[:500] }()
			}
			if heard := len(strings.Fields(s.seen())); !want.ok(g) || heard != want.heard {
				t.Errorf("%d %v %.500s; %v; the server heard of it %d times, not %d", g.status, g.header, g.body, g.err, heard, want.heard)
			}
			e := p.Log()[0]
			if e.Did != do || e.Committed() != (want.heard > 0) || len(e.Deliveries) != want.heard || e.Form.Get("refresh_token") != "secret-1" {
				t.Errorf("the log has %+v", e)
			}
			if after := ask(t, t.Context(), p, "2"); after.body != good {
				t.Errorf("the next one got %+v", after)
			}
		})
	}
}

func isBomb(g got) bool {
	z, err := gzip.NewReader(bytes.NewReader([]byte(g.body)))
	if err != nil {
		return false
	}
	n, err := io.Copy(io.Discard, z)
	return err == nil && n > 256<<20 && len(g.body) < 1<<20 && g.header.Get("Content-Type") == "application/json"
}

// Silence lasts until the client has had enough.
func TestFault_silenceEndsWithTheClientsPatience(t *testing.T) {
	t.Parallel()
	for do, heard := range map[weather.Do]string{weather.SilentRequest: "", weather.SilentAnswer: "1"} {
		p, s := under(t, weather.Options{})
		next(t, p, weather.Fault{Do: do})
		ctx, stop := context.WithTimeout(t.Context(), 500*time.Millisecond)
		g := ask(t, ctx, p, "1")
		stop()
		if !errors.Is(g.err, context.DeadlineExceeded) || s.seen() != heard {
			t.Errorf("%s: %v, the server heard %q", do, g.err, s.seen())
		}
		next(t, p, weather.Fault{Do: do, After: 10 * time.Millisecond})
		if g := ask(t, t.Context(), p, "2"); !isReset(g) {
			t.Errorf("%s: after its time: %+v", do, g)
		}
	}
}

func TestFault_whatIsLateArrivesWhenItIsToldTo(t *testing.T) {
	t.Parallel()
	p, s := under(t, weather.Options{})
	next(t, p, weather.Fault{Do: weather.LateDuplicate, After: time.Hour}, weather.Fault{Do: weather.LateRequest, After: time.Hour})
	ask(t, t.Context(), p, "1")
	ask(t, t.Context(), p, "2")
	ask(t, t.Context(), p, "3")
	p.Deliver()
	if seen := s.seen(); seen != "1 3 1 2" && seen != "1 3 2 1" {
		t.Errorf("the server heard %s", seen)
	}
	if e := p.Log()[0]; len(e.Deliveries) != 2 || !e.Deliveries[1].Late || p.Summary().DeliveredLate != 2 {
		t.Errorf("the log has %+v, the summary %+v", e, p.Summary())
	}
}

func TestFault_aDuplicateComesAfterTheNextRefresh(t *testing.T) {
	t.Parallel()
	p, s := under(t, weather.Options{})
	next(t, p, weather.Fault{Do: weather.LateDuplicate, AfterNext: true}, weather.Fault{Do: weather.DropRequest})
	for _, n := range []string{"1", "dropped", "2"} {
		ask(t, t.Context(), p, n)
	}
	for began := time.Now(); s.seen() != "1 2 1"; time.Sleep(time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("the server heard %s", s.seen())
		}
	}
}

// A slow request arrives, however long its sender waited.
func TestFault_aDelayOutlastsTheClient(t *testing.T) {
	t.Parallel()
	p, s := under(t, weather.Options{})
	next(t, p, weather.Fault{Do: weather.Delay, After: time.Second})
	ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	if g := ask(t, ctx, p, "1"); g.err == nil || s.seen() != "" {
		t.Fatalf("%+v, and the server heard %q", g, s.seen())
	}
	for began := time.Now(); s.seen() != "1"; time.Sleep(time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatal("it never arrived")
		}
	}
}

func TestFault_offlineRefusesConnectionsForAWhile(t *testing.T) {
	t.Parallel()
	p, s := under(t, weather.Options{})
	next(t, p, weather.Fault{Do: weather.Offline, After: time.Second})
	if g := ask(t, t.Context(), p, "1"); !isReset(g) {
		t.Errorf("%+v", g)
	}
	if g := ask(t, t.Context(), p, "2"); !errors.Is(g.err, syscall.ECONNREFUSED) {
		t.Errorf("offline: %+v", g)
	}
	for began := time.Now(); ask(t, t.Context(), p, "3").err != nil; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatal("it stays offline")
		}
	}
	p.Offline(0)
	if g := ask(t, t.Context(), p, "4"); !errors.Is(g.err, syscall.ECONNREFUSED) {
		t.Errorf("offline: %+v", g)
	}
	if err := p.Online(); err != nil {
		t.Fatal(err)
	}
	if g := ask(t, t.Context(), p, "5"); g.body != good || s.seen() != "3 5" {
		t.Errorf("online again: %+v, the server heard %s", g, s.seen())
	}
}

func TestFault_isForItsPathGrantAndNumber(t *testing.T) {
	t.Parallel()
	p, _ := under(t, weather.Options{})
	next(t, p, weather.Fault{Path: "/me", Do: weather.DropAnswer}, weather.Fault{Grant: "authorization_code", Do: weather.DropAnswer},
		weather.Fault{Path: "/oauth2/*", Do: weather.BadGateway, Times: 2}, weather.Fault{Path: "/oauth2/token", Do: weather.TooMany})
	var seen []int
	for range 4 {
		seen = append(seen, ask(t, t.Context(), p, "1").status)
	}
	if fmt.Sprint(seen) != "[502 502 429 200]" {
		t.Errorf("%v", seen)
	}
	p.Clear()
	if resp, err := http.Get(p.URL() + "/me"); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("a fault that was cleared: %v %v", resp, err)
	}
}

func TestFault_nonsenseIsRefused(t *testing.T) {
	t.Parallel()
	p, _ := under(t, weather.Options{})
	for _, f := range []weather.Fault{
		{Do: "explode"},
		{},
		{Do: weather.Cut, Times: -1},
		{Do: weather.Cut, Times: 1001},
		{Do: weather.Cut, After: -1},
		{Do: weather.Cut, After: 25 * time.Hour},
		{Do: weather.Cut, Path: "token"},
		{Do: weather.Redirect, To: "http://a\r\nb"},
		{Do: weather.Answer, Status: 101},
		{Do: weather.Answer, Body: strings.Repeat("a", 17<<10)},
		{Do: weather.Cut, Path: "/" + strings.Repeat("a", 3000)},
	} {
		if err := p.Next(f); err == nil {
			t.Errorf("taken: %+v", f)
		}
	}
	many := make([]weather.Fault, 1001)
	for i := range many {
		many[i].Do = weather.Pass
	}
	if err := p.Next(many...); err == nil {
		t.Error("1,001 faults were taken")
	}
}
