package app

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
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
	for _, line := range strings.Split("retry: 1000\n\nid: a\nevent: ready\ndata: {}\n\n:\n\nevent: session.ended\ndata: {\"sid\":\"s: 1\"}\n\nevent: cut", "\n") {
		if now.take(line) {
			got = append(got, now)
			now = heard{}
		}
	}
	want := []heard{{"a", "ready", "{}"}, {"", "session.ended", `{"sid":"s: 1"}`}}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("heard %v", got)
	}
}
