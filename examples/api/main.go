// Api serves the notes of examples/api/notes: an API that checks each token by itself, and refuses an ended session within the
// second, without a call to the server per request.
//
//	go run ./cmd/sojourn demo        # in one terminal
//	go run ./examples/api            # in another
//
// At another server its client is one that the operator added with a secret:
//
//	sojourn client add --id notes-api --secret-stdin --grant-type client_credentials
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/sojourn-auth/sojourn/examples/api/notes"
	"github.com/sojourn-auth/sojourn/sdk/go/resource"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "api:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("api", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:8091", "where the API answers")
	issuer := flags.String("issuer", "http://localhost:8080", "the server whose tokens it takes")
	audience := flags.String("audience", "", "who tokens must be for (default: the issuer)")
	client := flags.String("client-id", "demo-api", "the API's own client, which may introspect")
	secretFile := flags.String("secret-file", "sojourn-demo/api-secret", "the file with that client's secret")
	stale := flags.String("stale", string(resource.Introspect), "while the feed of endings is away: introspect, refuse or accept")
	if err := flags.Parse(args); err != nil {
		return err
	}
	secret, err := os.ReadFile(*secretFile)
	if err != nil {
		return fmt.Errorf("-secret-file: %w (sojourn demo makes sojourn-demo/api-secret where it is started: start it first, in this folder)", err)
	}
	if *audience == "" {
		*audience = *issuer
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", *listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	address := "http://" + l.Addr().String()
	guard, err := resource.Open(resource.Config{
		Issuer: *issuer, Audience: *audience, ClientID: *client, ClientSecret: strings.TrimSpace(string(secret)),
		Stale: resource.Stale(*stale), BaseURL: address, Name: "Notes", Scopes: notes.Scopes,
		Log: slog.New(slog.NewTextHandler(out, nil)),
	})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer guard.Close()
	server := &http.Server{Handler: notes.New(guard), ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 32 << 10}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	fmt.Fprintf(out, "Notes at %s/notes, for tokens of %s\n", address, *issuer)
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
