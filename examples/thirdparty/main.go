// Thirdparty is an app that nobody registered beforehand: it registers itself (RFC 7591), keeps what it got in a file,
// reads its registration back (RFC 7592), and signs a person in.
//
//	go run ./cmd/sojourn demo        # in one terminal
//	go run ./examples/thirdparty     # in another
//
// A server that asks for it gets an initial access token by --initial-token; `sojourn registration-token` makes one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
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
		fmt.Fprintln(os.Stderr, "thirdparty:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("thirdparty", flag.ContinueOnError)
	issuer := flags.String("issuer", "http://localhost:8080", "the server")
	file := flags.String("file", "thirdparty.json", "where the registration is kept")
	initial := flags.String("initial-token", "", "the initial access token, where the server asks for one")
	printOnly := flags.Bool("no-browser", false, "print the address instead of opening it")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	me, err := registered(ctx, *file, *issuer, *initial)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Registered as %q, client id %s, for %s.\n", me.Name, me.ClientID, me.Scope)
	app := loopback.App{
		Issuer: *issuer, ClientID: me.ClientID, Scopes: strings.Fields(me.Scope), Open: loopback.Browser(out, *printOnly),
	}
	in, err := app.SignIn(ctx)
	if err != nil {
		return err
	}
	info, err := in.UserInfo(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Signed in as %s, subject %s.\n", info.Email, info.Subject)
	return nil
}

// registered returns the registration that file keeps, as the server knows it now, or makes one.
func registered(ctx context.Context, file, issuer, initial string) (registration, error) {
	kept, err := load(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kept, err = register(ctx, issuer, initial)
	case err == nil:
		kept, err = kept.readBack(ctx)
	}
	if err != nil {
		return kept, err
	}
	return kept, kept.save(file)
}
