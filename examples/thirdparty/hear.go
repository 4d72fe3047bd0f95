package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/sojourn-auth/sojourn/examples/loopback"
)

// waitForLogout listens until the server tells that the session is over.
func (o options) waitForLogout(ctx context.Context, in *loopback.SignedIn, out io.Writer) error {
	channel, err := newBackChannel(ctx, o.issuer, in.IDToken.Audience[0])
	if err != nil {
		return err
	}
	var mine struct {
		SessionID string `json:"sid"`
	}
	if err := in.IDToken.Claims(&mine); err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.hear)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("POST "+logoutPath, channel)
	server := &http.Server{Handler: mux, ReadTimeout: 5 * time.Second}
	defer server.Close()
	go func() { _ = server.Serve(listener) }()
	fmt.Fprintf(out, "Listening at %s until session %s ends.\n", o.backChannel(), mine.SessionID)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case sid := <-channel.ended:
			if sid == mine.SessionID {
				fmt.Fprintln(out, "The session is over.")
				return nil
			}
		}
	}
}
