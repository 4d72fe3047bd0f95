// Nativeapp is a terminal app that signs a person in with sdk/go: it opens the system's browser, keeps the person signed in,
// asks who that is, refreshes once, and signs out without the browser.
//
//	go run ./cmd/sojourn demo        # in one terminal
//	go run ./examples/nativeapp      # in another
//
// With --no-browser it only prints the address to open. With --listen it stays signed in, prints what happens until its session is
// over, and needs no browser when it is started again. With --api, such as http://127.0.0.1:8091/notes of examples/api, it calls an API
// each second, until that refuses a session that is over.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/sdk/go/app"
)

const patience = 10 * time.Minute // for a person to sign in

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "nativeapp:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("nativeapp", flag.ContinueOnError)
	issuer := flags.String("issuer", "http://localhost:8080", "the server")
	client := flags.String("client", "demo-native", "the client id this app is registered under")
	scope := flags.String("scope", "openid profile email offline_access", "what to ask for")
	printOnly := flags.Bool("no-browser", false, "print the address instead of opening it")
	listen := flags.Bool("listen", false, "stay signed in and print what happens, until the session is ended elsewhere")
	api := flags.String("api", "", "an API's address, to call each second until the session is over")
	if err := flags.Parse(args); err != nil {
		return err
	}
	cfg := app.Config{Scopes: strings.Fields(*scope)}
	if *api != "" {
		cfg.Resources, cfg.Scopes = []string{*api}, append(cfg.Scopes, "notes.read", "notes.write")
	}
	events := make(chan app.Event, 64)
	cfg.Issuer, cfg.ClientID, cfg.Language = *issuer, *client, os.Getenv("LANG")
	cfg.Browser, cfg.Notify = browser(out, *printOnly), func(e app.Event) {
		if e.Ended != nil || e.Name != "" {
			events <- e
		}
	}
	notes, err := app.Open(cfg)
	if err != nil {
		return err
	}
	defer notes.Close()
	soon, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	who, err := notes.SignIn(soon)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Signed in as %s <%s>, subject %s, by %v.\n", who.Name, who.Email, who.Subject, who.Claims["amr"])
	if *api != "" {
		return call(ctx, out, notes, *api)
	}
	if *listen {
		return hear(ctx, out, notes, events)
	}
	return show(ctx, out, notes)
}

// browser prints the address and, unless only printing is wanted, opens it.
func browser(out io.Writer, printOnly bool) func(context.Context, string) error {
	return func(ctx context.Context, address string) error {
		fmt.Fprintf(out, "Sign in here:\n\n  %s\n\n", address)
		if !printOnly {
			_ = app.OpenBrowser(ctx, address) // where there is none that we know of, the address was printed
		}
		return nil
	}
}

// hear prints events until the session is over.
func hear(ctx context.Context, out io.Writer, notes *app.App, events <-chan app.Event) error {
	fmt.Fprintln(out, "Listening. End this app in Your devices and see.")
	notes.Listen()
	for {
		select {
		case <-ctx.Done():
			return nil // Ctrl-C
		case e := <-events:
			if e.Ended != nil {
				fmt.Fprintln(out, e.Ended.Sentence)
				return nil
			}
			fmt.Fprintln(out, e.Name, string(e.Data))
		}
	}
}

// call calls an API each second. That is refused once the session is over, and then the app learns why.
func call(ctx context.Context, out io.Writer, notes *app.App, api string) error {
	for ; ; time.Sleep(time.Second) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, api, nil)
		if err != nil {
			return err
		}
		response, err := notes.Client().Do(r)
		var ended *app.Ended
		switch {
		case errors.As(err, &ended):
			fmt.Fprintln(out, ended.Sentence)
			return nil
		case ctx.Err() != nil:
			return nil // Ctrl-C
		case err != nil:
			return err
		}
		body, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
		response.Body.Close()
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s %s: %s\n", response.Status, api, strings.TrimSpace(string(body)))
	}
}

func show(ctx context.Context, out io.Writer, notes *app.App) error {
	token, err := notes.Token(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "The access token is good until %s.\n", token.Expiry.Format(time.TimeOnly))
	if err := notes.Refresh(ctx); err != nil {
		return err
	}
	if token, err = notes.Token(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "Refreshed: the new one is good until %s.\n", token.Expiry.Format(time.TimeOnly))
	heard, err := notes.SignOut(ctx)
	if err != nil {
		return err
	}
	if !heard {
		return errors.New("signed out here; the server could not be told yet, the next start will")
	}
	fmt.Fprintln(out, "Signed out. The browser was not needed for it.")
	return nil
}
