// Thirdparty is an app that nobody registered beforehand: it registers itself (RFC 7591), keeps what it got in a file,
// reads its registration back (RFC 7592), and signs a person in with sdk/go.
//
//	go run ./cmd/sojourn demo        # in one terminal
//	go run ./examples/thirdparty     # in another
//
// A server that asks for it gets an initial access token by --initial-token; `sojourn registration-token` makes one.
// With --hear it waits for the server to tell that the session is over (OpenID Connect Back-Channel Logout 1.0).
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

	"github.com/sojourn-auth/sojourn/sdk/go/app"
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

// options are what the command line said.
type options struct {
	issuer, file, initial string
	hear                  string // host:port of the back channel; empty for none
	printOnly             bool
}

func (o options) backChannel() string { return "http://" + o.hear + logoutPath }

func run(ctx context.Context, args []string, out io.Writer) error {
	var o options
	flags := flag.NewFlagSet("thirdparty", flag.ContinueOnError)
	flags.StringVar(&o.issuer, "issuer", "http://localhost:8080", "the server")
	flags.StringVar(&o.file, "file", "thirdparty.json", "where the registration is kept")
	flags.StringVar(&o.initial, "initial-token", "", "the initial access token, where the server asks for one")
	flags.StringVar(&o.hear, "hear", "", "listen here for the end of the session, like 127.0.0.1:9090")
	flags.BoolVar(&o.printOnly, "no-browser", false, "print the address instead of opening it")
	if err := flags.Parse(args); err != nil {
		return err
	}
	me, err := o.registered(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Registered as %q, client id %s, for %s.\n", me.Name, me.ClientID, me.Scope)
	who, err := o.signIn(ctx, me, out)
	if err != nil || o.hear == "" {
		return err
	}
	return o.waitForLogout(ctx, watching{me.ClientID, who}, out)
}

// signIn has the person sign in by the browser, unless an earlier run did.
func (o options) signIn(ctx context.Context, me registration, out io.Writer) (app.Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	notes, err := app.Open(app.Config{
		Issuer: o.issuer, ClientID: me.ClientID, Scopes: strings.Fields(me.Scope),
		Browser: func(ctx context.Context, address string) error {
			fmt.Fprintf(out, "Sign in here:\n\n  %s\n\n", address)
			if !o.printOnly {
				_ = app.OpenBrowser(ctx, address) // where there is none that we know of, the address was printed
			}
			return nil
		},
	})
	if err != nil {
		return app.Identity{}, err
	}
	defer notes.Close()
	who, err := notes.SignIn(ctx)
	if err != nil {
		return who, err
	}
	fmt.Fprintf(out, "Signed in as %s, subject %s.\n", who.Email, who.Subject)
	return who, nil
}

// registered returns the registration that the file keeps, as the server knows it now, or makes one.
func (o options) registered(ctx context.Context) (registration, error) {
	kept, err := load(o.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kept, err = o.register(ctx)
	case err == nil:
		kept, err = kept.readBack(ctx)
	}
	if err == nil {
		err = kept.save(o.file)
	}
	if err == nil && o.hear != "" && kept.BackChannel != o.backChannel() {
		err = fmt.Errorf("%s keeps a registration without this back channel: remove it, or name another --file", o.file)
	}
	return kept, err
}
