package app

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// Client calls the app's APIs (Config.Resources) with a token and, where tokens are bound to a key, a proof.
func (a *App) Client() *http.Client { return &http.Client{Transport: a.Transport(nil)} }

// Transport adds tokens to requests for Config.Resources and the issuer, and passes the others on as they are; nil stands for
// http.DefaultTransport. When a token is refused it renews it and sends the request once more, if its body can be had again
// (http.Request.GetBody). An error is an *Ended or an *Error, and errors.As finds it: Offline where the API can't be reached.
func (a *App) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = a.base
	}
	return &transport{a, base}
}

type transport struct {
	app  *App
	base http.RoundTripper
}

// RoundTrip sends a request with a token.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !t.app.ours(r.URL) {
		return t.base.RoundTrip(r)
	}
	return t.carry(r)
}

// carry does so wherever it goes.
func (t *transport) carry(r *http.Request) (*http.Response, error) {
	refused := ""
	for tries := 0; ; tries++ {
		tokens, err := t.app.token(r.Context(), refused)
		if err != nil {
			closeBody(r)
			return nil, err
		}
		response, err := t.insist(r, tokens, tries)
		if err != nil || response.StatusCode != http.StatusUnauthorized {
			return response, err
		}
		needsNonce := response.Header.Get("DPoP-Nonce") != "" && strings.Contains(strings.Join(response.Header.Values("WWW-Authenticate"), " "), "use_dpop_nonce")
		if !needsNonce {
			t.app.refuse(tokens.Access)
			refused = tokens.Access
		}
		if tries == 2 || refused != "" && tries > 0 && !needsNonce || r.Body != nil && r.GetBody == nil {
			return response, nil
		}
		_, _ = io.CopyN(io.Discard, response.Body, 4<<10) // so that the connection serves again
		response.Body.Close()
	}
}

// insist sends a request, and once more with a new proof where a connection that was kept open breaks, as net/http does for
// requests without a proof.
func (t *transport) insist(r *http.Request, with *tokens, tries int) (*http.Response, error) {
	kept := false
	ctx := httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { kept = c.Reused }})
	response, err := t.send(r.WithContext(ctx), with, tries)
	mayRepeat := (r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions) && (r.Body == nil || r.Body == http.NoBody)
	if err == nil || !kept || !mayRepeat || with.Key == "" || r.Context().Err() != nil {
		return response, err
	}
	return t.send(r, with, tries)
}

// send sends a copy of a request with tokens.
func (t *transport) send(r *http.Request, with *tokens, tries int) (*http.Response, error) {
	r2 := r.Clone(r.Context())
	if tries > 0 && r.GetBody != nil {
		body, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		r2.Body = body
	}
	if err := t.app.authorize(r2, with); err != nil {
		closeBody(r2)
		return nil, err
	}
	response, err := t.base.RoundTrip(r2)
	if err != nil {
		return nil, &Error{Kind: Offline, Err: err}
	}
	t.app.takeNonce(r.URL, response.Header.Get("DPoP-Nonce"))
	return response, nil
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// authorize adds a token to a request, and the proof that goes with it.
func (a *App) authorize(r *http.Request, with *tokens) error {
	if with.Key == "" {
		r.Header.Set("Authorization", "Bearer "+with.Access)
		return nil
	}
	k, err := a.keyOf(r.Context(), with.Key)
	if err != nil {
		return err
	}
	proof, err := a.proof(k, r.Method, r.URL, with.Access)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "DPoP "+with.Access)
	r.Header.Set("DPoP", proof)
	if r.Body == nil || r.Body == http.NoBody {
		r.Body, r.GetBody = nothing{}, nil
	}
	return nil
}

// nothing is a body that net/http does not know to be empty. What it knows to be so, it sends again by itself on a new connection where
// an old one breaks: with the same proof, which is good for one request (RFC 9449 §11.1).
type nothing struct{}

// Read has nothing.
func (nothing) Read([]byte) (int, error) { return 0, io.EOF }

// Close closes nothing.
func (nothing) Close() error { return nil }

// ours reports whether tokens may be sent to an address.
func (a *App) ours(to *url.URL) bool {
	for _, base := range a.allowed {
		path := strings.TrimSuffix(base.Path, "/")
		if to.Scheme == base.Scheme && to.Host == base.Host && (to.Path == path || strings.HasPrefix(to.Path, path+"/")) {
			return true
		}
	}
	return false
}

// TokenSource is for libraries that take one, as long as ctx. Tokens that are bound to a key need a proof beside them, which
// only Client and Transport add: use those, or Config.NoDPoP.
func (a *App) TokenSource(ctx context.Context) oauth2.TokenSource { return source{ctx, a} }

type source struct {
	ctx context.Context //nolint:containedctx // as in x/oauth2
	app *App
}

// Token returns a token that is good now.
func (s source) Token() (*oauth2.Token, error) { return s.app.Token(s.ctx) }

// Token returns an access token that is good now, renewed if it was due. While there is no network it waits for up to 20
// seconds, as long as ctx lets it. Most apps use Client instead.
func (a *App) Token(ctx context.Context) (*oauth2.Token, error) {
	t, err := a.token(ctx, "")
	if err != nil {
		return nil, err
	}
	token := &oauth2.Token{AccessToken: t.Access, TokenType: t.Type}
	if t.life() > 0 {
		left := a.left(t)
		token.Expiry = time.Now().Add(left)
		token.ExpiresIn = int64(left / time.Second)
	}
	return token, nil
}
