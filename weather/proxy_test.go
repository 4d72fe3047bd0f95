package weather_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/weather"
)

// events opens the stream and returns its lines.
func events(t *testing.T, p *weather.Proxy) *bufio.Reader {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	t.Cleanup(stop)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL()+"/me/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("the stream was answered %d", resp.StatusCode)
	}
	return bufio.NewReader(resp.Body)
}

// Events come one by one, and a stream that is cut says so: it does not look as if it had ended.
func TestProxy_passesStreamsAndCutsThem(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]func(*weather.Proxy){
		"by a fault": func(*weather.Proxy) {},
		"offline":    func(p *weather.Proxy) { p.Offline(0) },
		"closed":     func(p *weather.Proxy) { _ = p.Close() },
	} {
		p, _ := under(t, weather.Options{})
		if name == "by a fault" {
			next(t, p, weather.Fault{Path: "/me/events", Do: weather.Cut, After: 300 * time.Millisecond})
		}
		lines := events(t, p)
		if line, err := lines.ReadString('\n'); err != nil || line != "event: ready\n" {
			t.Fatalf("%s: %q, %v", name, line, err)
		}
		cut(p)
		if _, err := io.Copy(io.Discard, lines); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: the stream ended with %v", name, err)
		}
	}
}

// A stream does not outlive the weather that it was opened in.
func TestProxy_streamsEndWithTheProfilesPhase(t *testing.T) {
	t.Parallel()
	var notes []weather.Do
	p, _ := under(t, weather.Options{Profile: "lift", Speed: 100, Tell: func(n weather.Note) { notes = append(notes, n.Did) }})
	if _, err := io.Copy(io.Discard, events(t, p)); err == nil {
		t.Error("the stream ended as if that had been all")
	}
	if err := p.Close(); err != nil || len(notes) != 1 || notes[0] != weather.Cut {
		t.Errorf("it told of %v, %v", notes, err)
	}
}

// The issuer is the address that the app knows, so the server is asked under that name.
func TestProxy_keepsTheHostAndTheRequestAsItCame(t *testing.T) {
	t.Parallel()
	var came *http.Request
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		came = r
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "1")
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		w.WriteHeader(http.StatusSeeOther)
	}))
	t.Cleanup(site.Close)
	p, err := weather.New(weather.Options{Upstream: site.URL})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	r, err := http.NewRequest(http.MethodGet, p.URL()+"/a%2Fb/c?d=e%20f&d=g", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "DPoP token")
	r.Header.Set(weather.DeviceHeader, "phone 1")
	r.Header.Set("User-Agent", "")
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if came.Host != strings.TrimPrefix(p.URL(), "http://") || came.RequestURI != "/a%2Fb/c?d=e%20f&d=g" {
		t.Errorf("the server was asked for %s at %s", came.RequestURI, came.Host)
	}
	if came.Header.Get("Authorization") != "DPoP token" || came.Header.Get(weather.DeviceHeader) != "" || came.UserAgent() != "" {
		t.Errorf("the server got %v", came.Header)
	}
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Set-Cookie") != "a=b" || resp.Header.Get("X-Hop") != "" {
		t.Errorf("the client got %d %v", resp.StatusCode, resp.Header)
	}
	if e := p.Log()[0]; e.Device != "phone 1" {
		t.Errorf("the log knows it as %q", e.Device)
	}
}

func TestProxy_refusesLongRequestsAndKeepsTheNewestExchanges(t *testing.T) {
	t.Parallel()
	p, s := under(t, weather.Options{})
	resp, err := http.Post(p.URL(), "text/plain", strings.NewReader(strings.Repeat("a", 1<<20+1)))
	if err != nil {
		t.Fatal(err)
	}
	if _ = resp.Body.Close(); resp.StatusCode != http.StatusRequestEntityTooLarge || s.seen() != "" {
		t.Errorf("it was answered %d", resp.StatusCode)
	}
	for range 40 { // 40 MiB of them
		resp, err := http.Post(p.URL(), "application/x-www-form-urlencoded", strings.NewReader("a="+strings.Repeat("a", 1<<20-2)))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	if log := p.Log(); len(log) > 16 || log[len(log)-1].N != 40 {
		t.Errorf("it keeps %d", len(log))
	}
}

func TestProxy_saysWhereItsUpstreamIsDown(t *testing.T) {
	t.Parallel()
	var notes []weather.Note
	p, err := weather.New(weather.Options{Upstream: "http://127.0.0.1:1", Tell: func(n weather.Note) { notes = append(notes, n) }})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if g := ask(t, t.Context(), p, "1"); !isHTML(g, http.StatusBadGateway) {
		t.Errorf("%+v", g)
	}
	if err := p.Close(); err != nil || len(notes) != 1 || notes[0].Did != "upstream_down" {
		t.Errorf("%v, %v", notes, err)
	}
}

// Close returns when nothing goes on any more: whoever is kept waiting is let go, what is late is forgotten.
func TestProxy_closesUnderWay(t *testing.T) {
	t.Parallel()
	p, s := under(t, weather.Options{})
	next(t, p, weather.Fault{Do: weather.SilentRequest, After: time.Hour}, weather.Fault{Do: weather.Delay, After: time.Hour},
		weather.Fault{Do: weather.LateRequest, After: time.Hour}, weather.Fault{Do: weather.DelayAnswer, After: time.Hour})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { ask(t, t.Context(), p, "1") })
	}
	for began := time.Now(); len(p.Log()) < 4 || s.seen() == ""; time.Sleep(time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatal("they never came")
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	if s.seen() != "1" {
		t.Errorf("the server heard %q", s.seen())
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// Many at once, of every kind, and all come to an end.
func TestProxy_manyAtOnce(t *testing.T) {
	t.Parallel()
	p, s := under(t, weather.Options{})
	for range 8 {
		for _, do := range []weather.Do{weather.DropAnswer, weather.Twice, weather.LateDuplicate, weather.Pass, weather.HalfAnswer} {
			next(t, p, weather.Fault{Do: do, After: 50 * time.Millisecond})
		}
	}
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() { ask(t, t.Context(), p, "x") })
	}
	all.Wait()
	p.Deliver()
	if n := len(strings.Fields(s.seen())); n != 8*7 {
		t.Errorf("the server heard of them %d times, not 56", n)
	}
}

// It may be the handler of a server with TLS, which is not its own.
func TestProxy_isAHandlerForAnotherServer(t *testing.T) {
	t.Parallel()
	s := &tokens{}
	upstream := httptest.NewServer(s)
	t.Cleanup(upstream.Close)
	p, err := weather.New(weather.Options{Upstream: upstream.URL, Profile: "train"})
	if err != nil {
		t.Fatal(err)
	}
	site := httptest.NewTLSServer(p)
	t.Cleanup(site.Close)
	t.Cleanup(func() { _ = p.Close() })
	client := site.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	next(t, p, weather.Fault{Do: weather.DropAnswer}, weather.Fault{Do: weather.Offline}, weather.Fault{Do: weather.Redirect}, weather.Fault{Do: weather.Pass})
	for i, want := range []int{0, 0, http.StatusTemporaryRedirect, http.StatusOK} {
		got, to := 0, ""
		resp, err := client.Post(site.URL+"/oauth2/token", "application/x-www-form-urlencoded", strings.NewReader("n=1"))
		if err == nil {
			got, to = resp.StatusCode, resp.Header.Get("Location")
			_ = resp.Body.Close()
		}
		if got != want || to != "" && to != site.URL+"/weather/elsewhere" {
			t.Errorf("request %d: %d %s", i, got, to)
		}
	}
	if s.seen() != "1 1" {
		t.Errorf("the server heard %s", s.seen())
	}
}

func TestProxy_saysWhatIsWrongWithItsOptions(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]weather.Options{
		"upstream: ": {Upstream: "localhost:8080"},
		"profile: ":  {Upstream: "http://localhost", Profile: "hail"},
		"speed: ":    {Upstream: "http://localhost", Speed: -1},
	} {
		if _, err := weather.New(o); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
