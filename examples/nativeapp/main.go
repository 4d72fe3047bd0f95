// Nativeapp is a terminal app that signs a person in: it opens the system's browser, waits for the answer on a loopback
// port, checks it, asks who that is, and refreshes once.
//
//	go run ./cmd/sojourn demo        # in one terminal
//	go run ./examples/nativeapp      # in another
//
// With --no-browser it only prints the address to open.
package main

import (
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
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	app := loopback.App{
		Issuer: *issuer, ClientID: *client, Scopes: strings.Fields(*scope), Open: loopback.Browser(out, *printOnly),
	}
	in, err := app.SignIn(ctx)
	if err != nil {
		return err
	}
	return show(ctx, out, in)
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
	return nil
}
