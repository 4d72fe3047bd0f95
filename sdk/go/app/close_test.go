package app

import (
	"context"
	"net/http"
	"testing"
)

// Whoever waits when an app is closed, and whoever asks it later, is told so at once.
func TestClose_allCallsFailWithOneError(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	a := f.signedIn(t)
	hanging := make(chan struct{})
	a.http.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		close(hanging)
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	waits := make(chan error)
	go func() { waits <- a.Refresh(t.Context()) }()
	<-hanging
	a.Close()
	if err := <-waits; KindOf(err) != Closed {
		t.Error("who waits is told", err)
	}
	back := "http://127.0.0.1/callback?state=any&code=any"
	for name, call := range map[string]func(context.Context) error{
		"State":    func(context.Context) error { _, err := a.State(); return err },
		"Begin":    func(ctx context.Context) error { _, err := a.Begin(ctx, ""); return err },
		"Redirect": func(ctx context.Context) error { _, err := a.Redirect(ctx, back); return err },
		"SignIn":   func(ctx context.Context) error { _, err := a.SignIn(ctx); return err },
		"Token":    func(ctx context.Context) error { _, err := a.Token(ctx); return err },
		"Refresh":  a.Refresh,
		"SignOut":  func(ctx context.Context) error { _, err := a.SignOut(ctx); return err },
		"Client":   func(context.Context) error { _, err := a.Client().Get(f.URL + "/notes"); return err },
	} {
		if err := call(t.Context()); KindOf(err) != Closed {
			t.Errorf("%s: %v", name, err)
		}
	}
	if who, ok := a.Identity(); ok {
		t.Errorf("%v is known", who)
	}
	a.Listen()
	a.Close()
}

func TestClose_endsASignInWhoseBrowserIsOpen(t *testing.T) {
	t.Parallel()
	opened := make(chan struct{})
	a := newFake(t).app(t, func(c *Config) {
		c.Browser = func(context.Context, string) error { close(opened); return nil }
	})
	waits := make(chan error)
	go func() { _, err := a.SignIn(t.Context()); waits <- err }()
	<-opened
	a.Close()
	if err := <-waits; KindOf(err) != Closed {
		t.Error(err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

// RoundTrip is the function.
func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
