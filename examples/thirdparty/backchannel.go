package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/coreos/go-oidc/v3/oidc"
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
