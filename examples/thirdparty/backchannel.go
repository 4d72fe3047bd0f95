package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/sojourn-auth/sojourn/sdk/go/app"
)

const (
	logoutPath  = "/backchannel-logout"
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
)

// backChannel is where the server tells this app that a session is over (OpenID Connect Back-Channel Logout 1.0). An app
// with accounts of its own would end what it keeps under that sid. It may be told twice.
type backChannel struct {
	verifier *oidc.IDTokenVerifier
	ended    chan string // sids
}

// newBackChannel reads what the server's logout tokens are signed with.
func newBackChannel(ctx context.Context, issuer, clientID string) (backChannel, error) {
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return backChannel{}, err
	}
	return backChannel{provider.Verifier(&oidc.Config{ClientID: clientID}), make(chan string, 1)}, nil
}

// ServeHTTP answers 200, or 400 to what is no logout token: the server then tries again (§2.8).
func (b backChannel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	sid, err := b.read(r.Context(), r.PostFormValue("logout_token"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	select {
	case b.ended <- sid:
	case <-r.Context().Done():
	}
}

// read does all that §2.6 asks for. Signature, iss, aud and exp are the verifier's to check.
func (b backChannel) read(ctx context.Context, text string) (sid string, err error) {
	token, err := b.verifier.Verify(ctx, text)
	if err != nil {
		return "", err
	}
	var claims struct {
		SessionID string                     `json:"sid"`
		Nonce     *string                    `json:"nonce"`
		Events    map[string]json.RawMessage `json:"events"`
	}
	if err := token.Claims(&claims); err != nil {
		return "", err
	}
	if _, is := claims.Events[logoutEvent]; !is || claims.Nonce != nil || claims.SessionID == "" {
		return "", errors.New("that is no logout token") // an ID token perhaps
	}
	return claims.SessionID, nil
}

// watching is whose session is watched, by which app.
type watching struct {
	clientID string
	who      app.Identity
}

// waitForLogout listens until the server tells that the session is over.
func (o options) waitForLogout(ctx context.Context, w watching, out io.Writer) error {
	channel, err := newBackChannel(ctx, o.issuer, w.clientID)
	if err != nil {
		return err
	}
	mine, _ := w.who.Claims["sid"].(string)
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.hear)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("POST "+logoutPath, channel)
	server := &http.Server{Handler: mux, ReadTimeout: 5 * time.Second}
	defer server.Close()
	go func() { _ = server.Serve(listener) }()
	fmt.Fprintf(out, "Listening at %s until session %s ends.\n", o.backChannel(), mine)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case sid := <-channel.ended:
			if sid == mine {
				fmt.Fprintln(out, "The session is over.")
				return nil
			}
		}
	}
}
