// Mcp is the notes of a person for their agents: an MCP server over streamable HTTP, on the official Go SDK, guarded by the access
// tokens of a Sojourn server. An agent that the person signs out is refused at its next message.
//
//	go run ./cmd/sojourn demo        # in one terminal
//	go run -C examples/mcp .         # in another, once README.md's resource is added
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

	"github.com/sojourn-auth/sojourn/sdk/go/resource"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mcp:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("mcp", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:8092", "where it answers")
	address := flags.String("url", "http://localhost:8092/mcp", "where agents find it: the resource that tokens are for")
	issuer := flags.String("issuer", "http://localhost:8080", "the server whose tokens it takes")
	client := flags.String("client-id", "demo-api", "the server's own client, which may introspect")
	secretFile := flags.String("secret-file", "../../sojourn-demo/api-secret", "the file with that client's secret")
	if err := flags.Parse(args); err != nil {
		return err
	}
	secret, err := os.ReadFile(*secretFile)
	if err != nil {
		return fmt.Errorf("-secret-file: %w", err)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", *listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	log := slog.New(slog.NewTextHandler(out, nil))
	guard, err := resource.Open(resource.Config{
		Issuer: *issuer, ClientID: *client, ClientSecret: strings.TrimSpace(string(secret)),
		Audience: *address, BaseURL: *address, // RFC 9728 §3.3: the resource is the address, letter by letter
		Name: "Your notes", Scopes: scopes, Log: log,
	})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer guard.Close()
	server := &http.Server{
		Handler: routes(guard, newNotes(), *address), MaxHeaderBytes: 32 << 10,
		ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, // no stream outlives its token by much
	}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	fmt.Fprintf(out, "Notes for agents at %s, for tokens of %s\n", *address, *issuer)
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
