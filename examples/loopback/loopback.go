package loopback

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// App is a native app: a public client, registered with the redirect URI http://127.0.0.1/callback (any port will do,
// RFC 8252 §7.3).
type App struct {
	Issuer   string
	ClientID string
	Scopes   []string
	Open     func(ctx context.Context, url string) error // shows a person the sign-in page
}

// SignedIn is what an app holds afterwards.
type SignedIn struct {
	Tokens   *oauth2.Token
	IDToken  *oidc.IDToken // checked
	provider *oidc.Provider
	config   oauth2.Config
}

// SignIn opens the browser, waits for the answer and redeems it.
func (a App) SignIn(ctx context.Context) (*SignedIn, error) {
	provider, err := oidc.NewProvider(ctx, a.Issuer)
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	config := oauth2.Config{
		ClientID: a.ClientID, Endpoint: provider.Endpoint(), Scopes: a.Scopes,
		RedirectURL: fmt.Sprintf("http://%s%s", listener.Addr(), callback),
	}
	config.Endpoint.AuthStyle = oauth2.AuthStyleInParams // a public client has nothing but its client_id

	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	url := config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier))
	if err := a.Open(ctx, url); err != nil {
		return nil, fmt.Errorf("open the browser: %w", err)
	}
	code, err := wait(ctx, listener, expected{state: state, issuer: issuerOf(provider, a.Issuer)})
	if err != nil {
		return nil, err
	}
	tokens, err := config.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, fmt.Errorf("redeem the code: %w", err)
	}
	in := &SignedIn{Tokens: tokens, provider: provider, config: config}
	return in, in.check(ctx, nonce)
}

// check verifies the ID token (OpenID Connect Core §3.1.3.7).
func (s *SignedIn) check(ctx context.Context, nonce string) error {
	raw, _ := s.Tokens.Extra("id_token").(string)
	token, err := s.provider.Verifier(&oidc.Config{ClientID: s.config.ClientID}).Verify(ctx, raw)
	if err != nil {
		return fmt.Errorf("check the ID token: %w", err)
	}
	if token.Nonce != nonce {
		return errors.New("check the ID token: it answers another request")
	}
	s.IDToken = token
	return nil
}

// UserInfo asks the server who is signed in.
func (s *SignedIn) UserInfo(ctx context.Context) (*oidc.UserInfo, error) {
	info, err := s.provider.UserInfo(ctx, oauth2.StaticTokenSource(s.Tokens))
	if err != nil {
		return nil, fmt.Errorf("userinfo: %w", err)
	}
	if info.Subject != s.IDToken.Subject { // OpenID Connect Core §5.3.4
		return nil, errors.New("userinfo: it is about someone else")
	}
	return info, nil
}

// Refresh trades the refresh token for new tokens. An app keeps the new ones before it does anything else.
func (s *SignedIn) Refresh(ctx context.Context) error {
	tokens, err := s.config.TokenSource(ctx, &oauth2.Token{RefreshToken: s.Tokens.RefreshToken}).Token()
	if err != nil {
		return fmt.Errorf("refresh: %w", err)
	}
	s.Tokens = tokens
	return nil
}

// issuerOf returns what the iss parameter of an answer must be, or "" where the server does not promise one.
func issuerOf(provider *oidc.Provider, issuer string) string {
	var said struct {
		Promised bool `json:"authorization_response_iss_parameter_supported"`
	}
	if err := provider.Claims(&said); err != nil || !said.Promised {
		return ""
	}
	return issuer
}
