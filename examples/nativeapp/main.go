// Nativeapp is a terminal app that signs a person in: it opens the system's browser, waits for the answer on a loopback
// port, checks it, asks who that is, refreshes once, and signs out without the browser.
//
//	go run ./cmd/sojourn demo        # in one terminal
//	go run ./examples/nativeapp      # in another
//
// With --no-browser it only prints the address to open; with --listen it stays and prints what happens until its session is over.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/examples/loopback"
)

const (
	patience = 10 * time.Minute // for a person to sign in
	again    = time.Second      // between two streams
)

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
	if err := flags.Parse(args); err != nil {
		return err
	}
	app := loopback.App{
		Issuer: *issuer, ClientID: *client, Scopes: strings.Fields(*scope), Open: loopback.Browser(out, *printOnly),
	}
	soon, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	in, err := app.SignIn(soon)
	if err != nil {
		return err
	}
	if *listen {
		return hear(ctx, out, in)
	}
	return show(ctx, out, in)
}

// hear prints events until the app's session is over: a stream that closes says nothing of that, so it is opened again from
// where it was, with a fresh token.
func hear(ctx context.Context, out io.Writer, in *loopback.SignedIn) error {
	fmt.Fprintln(out, "Listening. End this app in Your devices and see.")
	for last := ""; ; {
		err := in.Listen(ctx, last, func(e loopback.Event) error {
			fmt.Fprintln(out, e.Name, e.Data)
			last = cmp.Or(e.ID, last)
			return nil
		})
		if ctx.Err() != nil {
			return nil // Ctrl-C
		}
		if in.Tokens.RefreshToken == "" {
			return err
		}
		if loopback.IsOver(in.Refresh(ctx)) {
			fmt.Fprintln(out, "The session is over. Sign in again.")
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
}

func show(ctx context.Context, out io.Writer, in *loopback.SignedIn) error {
	var who struct {
		Name  string   `json:"name"`
		Email string   `json:"email"`
		AMR   []string `json:"amr"`
	}
	if err := in.IDToken.Claims(&who); err != nil {
		return err
	}
	info, err := in.UserInfo(ctx)
	if err != nil {
		return err
	}
	if err := info.Claims(&who); err != nil {
		return err
	}
	fmt.Fprintf(out, "Signed in as %s <%s>, subject %s, by %s.\n", who.Name, who.Email, info.Subject, strings.Join(who.AMR, " + "))
	fmt.Fprintf(out, "The access token is good until %s.\n", in.Tokens.Expiry.Format(time.TimeOnly))
	if in.Tokens.RefreshToken == "" {
		fmt.Fprintln(out, "There is no refresh token: ask for one with the scope offline_access.")
		return nil
	}
	if err := in.Refresh(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "Refreshed: the new one is good until %s.\n", in.Tokens.Expiry.Format(time.TimeOnly))
	if err := in.SignOut(ctx); err != nil {
		return err
	}
	fmt.Fprintln(out, "Signed out. The browser was not needed for it.")
	return nil
}
