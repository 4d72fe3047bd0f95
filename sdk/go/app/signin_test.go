package app

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/sdk/go/internal/clock"
)

func TestSignIn_comesBackByLoopbackAndAsksOnce(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	opened := 0
	a := f.app(t, func(c *Config) {
		c.Browser = func(ctx context.Context, address string) error { opened++; return browse(ctx, address) }
	})
	for range 2 {
		who, err := a.SignIn(t.Context())
		if err != nil || who.Subject != "ada" || who.Name != "Ada Lovelace" {
			t.Fatalf("%+v, %v", who, err)
		}
	}
	if opened != 1 {
		t.Errorf("the browser was opened %d times", opened)
	}
	back, err := url.Parse(f.asked.Get("redirect_uri"))
	if err != nil || back.Hostname() != "127.0.0.1" || back.Port() == "" || back.Path != "/callback" {
		t.Errorf("the redirect URI is %v", back)
	}
	if f.asked.Get("code_challenge_method") != "S256" || f.asked.Get("dpop_jkt") == "" || f.asked.Get("nonce") == "" {
		t.Errorf("asked for %v", f.asked)
	}
	if f.asked.Has("device_name") || f.asked.Has("install_id") {
		t.Error("a stranger is told where the app runs")
	}
}

// Any program and any page on the machine can call the port.
func TestSignIn_whatDoesNotBelongToItChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	a := f.app(t, func(c *Config) {
		c.Browser = func(ctx context.Context, address string) error {
			asked, err := url.Parse(address)
			if err != nil {
				return err
			}
			back := asked.Query().Get("redirect_uri")
			for _, path := range []string{"?code=theirs&state=another", "?error=access_denied", "", "/elsewhere", "?code=x&iss=https://evil.example&state=" + asked.Query().Get("state")} {
				response, err := http.Get(back + path)
				if err != nil {
					return err
				}
				_ = response.Body.Close()
				if response.StatusCode != http.StatusBadRequest && response.StatusCode != http.StatusNotFound {
					t.Errorf("%s is answered %s", path, response.Status)
				}
			}
			return browse(ctx, address)
		}
	})
	if who, err := a.SignIn(t.Context()); err != nil || who.Subject != "ada" {
		t.Errorf("%+v, %v", who, err)
	}
}

// What the person sees last is a page for phones too, and asks the port for nothing more.
func TestSignIn_endsOnAPage(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	pages := make(chan string, 1)
	a := f.app(t, func(c *Config) {
		c.Browser = func(_ context.Context, address string) error {
			response, err := http.Get(address)
			if err != nil {
				return err
			}
			defer response.Body.Close()
			page, err := io.ReadAll(response.Body)
			pages <- response.Header.Get("Content-Type") + "\n" + response.Header.Get("Content-Security-Policy") + "\n" + string(page)
			return err
		}
	})
	if _, err := a.SignIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	page := <-pages
	for _, part := range []string{
		"text/html; charset=utf-8\n", "default-src 'none'", `<html lang="en">`, `name="viewport"`, `rel="icon" href="data:,"`,
		"Done. Go back to the app.",
	} {
		if !strings.Contains(page, part) {
			t.Errorf("no %s in\n%s", part, page)
		}
	}
}

// The browser of a process that was killed comes back to the port that it knows.
func TestSignIn_ofAKilledProcessComesBackToTheNextOne(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	address := make(chan string, 1)
	first := f.app(t, func(c *Config) {
		c.Browser = func(_ context.Context, to string) error { address <- to; return errors.New("killed") }
	})
	if _, err := first.SignIn(t.Context()); err == nil {
		t.Fatal("signed in")
	}
	second := f.app(t, func(c *Config) {
		c.Storage = first.store
		c.Browser = func(ctx context.Context, _ string) error { return browse(ctx, <-address) }
	})
	if who, err := second.SignIn(t.Context()); err != nil || who.Subject != "ada" {
		t.Errorf("%+v, %v", who, err)
	}
}

func TestSignIn_needsLoopback(t *testing.T) {
	t.Parallel()
	a := newFake(t).app(t, func(c *Config) { c.RedirectURI = "com.example.notes:/callback" })
	if _, err := a.SignIn(t.Context()); KindOf(err) != Stop || !strings.Contains(err.Error(), "Begin and Redirect") {
		t.Error(err)
	}
}

func TestOpen_saysWhatIsMissing(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"issuer":   {ClientID: "notes"},
		"client":   {Issuer: "https://id.example"},
		"openid":   {Issuer: "https://id.example", ClientID: "notes", Scopes: []string{"email"}},
		"resource": {Issuer: "https://id.example", ClientID: "notes", Resources: []string{"api.example"}},
	} {
		if a, err := Open(cfg); err == nil {
			a.Close()
			t.Errorf("without a good %s it opens", name)
		}
	}
}

func TestHeard_readsEachEventAndNoSignOfLife(t *testing.T) {
	t.Parallel()
	var got []heard
	var now heard
	for _, line := range strings.Split("retry: 1000\n\nid: a\nevent: ready\ndata: {\ndata: }\n\n:\n\nevent: session.ended\ndata: {\"sid\":\"s: 1\"}\n\nevent: cut", "\n") {
		if now.take(line) {
			got = append(got, now)
			now = heard{}
		}
	}
	want := []heard{{"a", "ready", []byte("{\n}")}, {"", "session.ended", []byte(`{"sid":"s: 1"}`)}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("heard %q", got)
	}
}

// A process that lives for months signs many people in.
func TestSignIn_nothingIsRememberedOfOneThatIsOver(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	passing := &passing{Clock: clock.New()}
	f := newFake(t)
	a := f.app(t, func(c *Config) { c.RedirectURI, c.Clock = "com.example.notes:/callback", passing })
	begin := func() string {
		address, err := a.Begin(ctx, "")
		if err != nil {
			t.Fatal(err)
		}
		asked, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.asked = asked.Query()
		return "com.example.notes:/callback?iss=" + url.QueryEscape(f.URL) + "&state=" + f.asked.Get("state")
	}
	remembers := func(n int, what string) {
		t.Helper()
		if len(a.stamps) != n {
			t.Errorf("%s: %d moments are remembered, want %d", what, len(a.stamps), n)
		}
	}
	begin()
	remembers(1, "begun")
	passing.by = 2 * pendingLife
	refused := begin()
	remembers(1, "after the first one's life")
	if _, err := a.Redirect(ctx, refused+"&error=access_denied"); KindOf(err) != Refused {
		t.Fatal(err)
	}
	remembers(0, "refused")
	if _, err := a.Redirect(ctx, begin()+"&code=code"); err != nil {
		t.Fatal(err)
	}
	remembers(0, "redeemed")
	begin()
	if _, err := a.SignOut(ctx); err != nil {
		t.Fatal(err)
	}
	remembers(0, "signed out")
}

// passing is a clock that can be put ahead.
type passing struct {
	Clock
	by time.Duration
}

// Wall is ahead.
func (p *passing) Wall() time.Time { return p.Clock.Wall().Add(p.by) }

// Elapsed is ahead.
func (p *passing) Elapsed() time.Duration { return p.Clock.Elapsed() + p.by }
