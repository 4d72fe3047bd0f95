// Package loopback signs a person in to a program on their own machine (RFC 8252): the system browser shows the pages, and
// the answer comes to a port on 127.0.0.1 that is open just for it.
//
// Its one rule: nothing that comes back is believed before it is checked: state, iss (RFC 9207), then the ID token's
// signature, audience, time and nonce. It uses golang.org/x/oauth2 and go-oidc only, so any OpenID provider will do.
package loopback

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"runtime"
	"time"

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

// IsOver reports whether an error of Refresh says that the session is over, so that only signing in again helps. Any other
// is no reason to forget the tokens.
func IsOver(err error) bool {
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	return ok && refused.ErrorCode == "invalid_grant"
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

// Browser returns an Open that prints the address to out and, unless only printing is wanted, opens the system's browser.
func Browser(out io.Writer, printOnly bool) func(ctx context.Context, url string) error {
	return func(ctx context.Context, url string) error {
		fmt.Fprintf(out, "Sign in here:\n\n  %s\n\n", url)
		if printOnly {
			return nil
		}
		command := opener(context.WithoutCancel(ctx), url)
		if err := command.Start(); err != nil {
			return nil //nolint:nilerr // no browser that we know of: the address was printed
		}
		go command.Wait() //nolint:errcheck // whether it worked, the person sees
		return nil
	}
}

func opener(ctx context.Context, url string) *exec.Cmd {
	switch runtime.GOOS {
	case "darwin":
		return exec.CommandContext(ctx, "open", url)
	case "windows":
		return exec.CommandContext(ctx, "rundll32", "url.dll,FileProtocolHandler", url)
	default:
		return exec.CommandContext(ctx, "xdg-open", url)
	}
}

const callback = "/callback"

// expected is what an answer must carry to be ours.
type expected struct {
	state  string
	issuer string // empty: not promised
}

// answer is a code, or why there is none.
type answer struct {
	code string
	err  error
}

// wait serves the callback until an answer of this request came. Others are turned away and change nothing: any program
// and any page on this machine can call the port.
func wait(ctx context.Context, listener net.Listener, want expected) (code string, err error) {
	answers := make(chan answer, 1)
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: want.handler(answers)}
	defer func() {
		// The browser should still get its page.
		brief, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = server.Shutdown(brief)
	}()
	go server.Serve(listener) //nolint:errcheck // it ends by Shutdown; a listener that broke ends by the caller's ctx
	select {
	case a := <-answers:
		return a.code, a.err
	case <-ctx.Done():
		return "", fmt.Errorf("no answer from the browser: %w", ctx.Err())
	}
}

func (e expected) handler(answers chan<- answer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+callback, func(w http.ResponseWriter, r *http.Request) {
		got := r.URL.Query()
		if subtle.ConstantTimeCompare([]byte(got.Get("state")), []byte(e.state)) != 1 {
			http.Error(w, "That answer belongs to another sign-in.", http.StatusBadRequest)
			return
		}
		code, err := e.read(got)
		w.Header().Set("Referrer-Policy", "no-referrer")
		if err != nil {
			fmt.Fprintln(w, "That did not work. Go back to the terminal.")
		} else {
			fmt.Fprintln(w, "Done. Go back to the terminal.")
		}
		select {
		case answers <- answer{code, err}:
		default: // a reload; the first one counts
		}
	})
	return mux
}

func (e expected) read(got url.Values) (code string, err error) {
	switch {
	case e.issuer != "" && got.Get("iss") != e.issuer:
		return "", errors.New("the answer comes from another server") // RFC 9207 §2.4
	case got.Has("error"):
		return "", fmt.Errorf("%s: %s", got.Get("error"), got.Get("error_description"))
	case got.Get("code") == "":
		return "", errors.New("the answer has no code")
	}
	return got.Get("code"), nil
}
