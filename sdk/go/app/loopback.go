package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// SignIn returns who is signed in, and signs someone in by the system's browser if nobody is. It waits until the browser has
// come back, as long as ctx lets it. A sign-in that another process began, and was killed, comes back here too.
//
// It needs a RedirectURI on loopback. An app whose redirects come by the system calls Begin and Redirect.
func (a *App) SignIn(ctx context.Context) (Identity, error) {
	if state, err := a.State(); err != nil || state == StateSignedIn {
		who, _ := a.Identity()
		return who, err
	}
	if _, err := a.token(ctx, ""); err == nil { // a sign-in that had come back when the process was killed
		who, _ := a.Identity()
		return who, nil
	}
	home, err := url.Parse(a.cfg.RedirectURI)
	if err != nil || home.Scheme != "http" {
		return Identity{}, fail(Stop, "SignIn needs a redirect URI on loopback, not %q: use Begin and Redirect", a.cfg.RedirectURI)
	}
	listener, err := a.listenFor(ctx, home)
	if err != nil {
		return Identity{}, fmt.Errorf("listen for the browser: %w", err)
	}
	home.Host = net.JoinHostPort(home.Hostname(), fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)) //nolint:forcetypeassert // it is TCP
	back := &landing{app: a, path: home.Path, came: make(chan landed, 1)}
	server := &http.Server{Handler: back, ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(listener) //nolint:errcheck // it ends by Shutdown
	defer func() {
		brief, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = server.Shutdown(brief) // the browser should still get its page
	}()
	address, err := a.begin(ctx, asking{redirect: home.String()})
	if err != nil {
		return Identity{}, err
	}
	if err := a.cfg.Browser(ctx, address); err != nil {
		return Identity{}, fmt.Errorf("open the browser: %w", err)
	}
	select {
	case <-a.life.Done():
		return Identity{}, a.open()
	case <-ctx.Done():
		return Identity{}, fmt.Errorf("no answer from the browser: %w", ctx.Err())
	case end := <-back.came:
		return end.who, end.err
	}
}

// listenFor listens on the port of a sign-in that is pending, if it is free: the browser may still come back there. Otherwise
// on any.
func (a *App) listenFor(ctx context.Context, home *url.URL) (net.Listener, error) {
	host := home.Hostname()
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ports := []string{home.Port()}
	if r, err := a.current(); err == nil && ports[0] == "" {
		for _, p := range slices.Backward(r.Pending) {
			if u, err := url.Parse(p.Redirect); err == nil && !a.lapsed(p) {
				ports = append([]string{u.Port()}, ports...)
			}
		}
	}
	var problems []error
	for _, port := range ports {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, port))
		if err == nil {
			return listener, nil
		}
		problems = append(problems, err)
	}
	return nil, errors.Join(problems...)
}

// landing is the page that the browser comes back to.
type landing struct {
	app  *App
	path string
	came chan landed
}

// landed is how a sign-in ended.
type landed struct {
	who Identity
	err error
}

// ServeHTTP takes the answer to a sign-in of ours. Whatever else calls is turned away and changes nothing: any program and
// any page on this machine can.
func (l *landing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodGet || strings.TrimSuffix(r.URL.Path, "/") != strings.TrimSuffix(l.path, "/") {
		http.NotFound(w, r)
		return
	}
	who, err := l.app.Redirect(context.WithoutCancel(r.Context()), "http://"+r.Host+r.URL.String())
	if kind := KindOf(err); kind == NotMine || kind == WrongIssuer {
		http.Error(w, "That answer belongs to another sign-in.", http.StatusBadRequest)
		return
	}
	say(w, err == nil)
	select {
	case l.came <- landed{who, err}:
	default: // a reload; the first one counts
	}
}

// say shows the last page of a sign-in. Its icon is none, or browsers would ask for one.
func say(w http.ResponseWriter, done bool) {
	title, text := "Signed in", "Done. Go back to the app."
	if !done {
		title, text = "Not signed in", "That did not work. Go back to the app."
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'")
	fmt.Fprintf(w, `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>%s</title>
<style>body { font: 1.125rem/1.5 system-ui, sans-serif; margin: 15vh auto; max-width: 30rem; padding: 0 1rem }</style>
<main><h1>%s</h1><p>%s</p></main>
`, title, title, text)
}

// OpenBrowser opens the system's browser: what Config.Browser is where it is nil.
func OpenBrowser(ctx context.Context, address string) error {
	name, args := "xdg-open", []string{address}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", address}
	}
	command := exec.CommandContext(context.WithoutCancel(ctx), name, args...)
	if err := command.Start(); err != nil {
		return err
	}
	go command.Wait() //nolint:errcheck // whether it worked, the person sees
	return nil
}
