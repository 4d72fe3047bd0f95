package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// provider is what is known of the server: its discovery document (OpenID Connect Discovery 1.0 §3) and its keys.
type provider struct {
	metadata
	Read     time.Time          `json:"read"` // by the wall clock
	Keys     jose.JSONWebKeySet `json:"keys,omitzero"`
	KeysRead time.Time          `json:"keys_read,omitzero"`
}

// metadata is as much of a discovery document as an app needs.
type metadata struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	UserInfo      string   `json:"userinfo_endpoint,omitempty"`
	JWKS          string   `json:"jwks_uri"`
	Revocation    string   `json:"revocation_endpoint,omitempty"`
	SignOut       string   `json:"signout_endpoint,omitempty"` // Sojourn's: without a browser
	Me            string   `json:"me_endpoint,omitempty"`      // Sojourn's: the session, and what happens to it
	ProofAlgs     []string `json:"dpop_signing_alg_values_supported,omitempty"`
	IDTokenAlgs   []string `json:"id_token_signing_alg_values_supported,omitempty"`
	SaysIssuer    bool     `json:"authorization_response_iss_parameter_supported,omitempty"` // RFC 9207 §3
}

const (
	wellKnown     = "/.well-known/openid-configuration"
	discoveryLife = 24 * time.Hour
	keysRest      = time.Minute // between two looks for a key that is unknown
)

// provider returns what is known of the server, and reads it where it is not known or old, or an endpoint has moved. It must be called
// under the store's lock, before r is changed. An old document goes on serving while no good one is to be had.
func (a *App) provider(ctx context.Context, r *record) (*provider, error) {
	known, moved := r.Provider, a.moved.Swap(false) // once for each failure, whatever it brings
	if known != nil && !moved {
		age := a.clock.Wall().Sub(known.Read)
		if age > -discoveryLife && age < discoveryLife {
			return known, nil
		}
	}
	fresh, err := a.discover(ctx)
	switch {
	case err == nil:
		if known != nil {
			fresh.Keys, fresh.KeysRead = known.Keys, known.KeysRead
		}
		r.Provider = fresh
		_ = a.save(r) // it serves unwritten
		return fresh, nil
	case known != nil:
		return known, nil
	}
	return nil, err
}

// served is provider for who does not hold the lock.
func (a *App) served(ctx context.Context) (p *provider, err error) {
	r, err := a.current()
	if err != nil || r.Provider != nil && !a.moved.Load() {
		return r.Provider, err
	}
	err = a.change(ctx, func(r *record) error {
		p, err = a.provider(ctx, r)
		return err
	})
	return p, err
}

// endpoints is the network for requests to what the discovery document names. Where nothing is there, the document is read anew
// before the next try.
type endpoints struct{ a *App }

// RoundTrip sends a request.
func (e endpoints) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := e.a.base.RoundTrip(r)
	if (err != nil || notHere(response.StatusCode)) && !strings.HasSuffix(r.URL.Path, wellKnown) {
		e.a.moved.Store(true)
	}
	return response, err
}

// notHere reports whether a status says that no endpoint is at that address (any more).
func notHere(status int) bool {
	return status == http.StatusNotFound || status == http.StatusMethodNotAllowed || status == http.StatusGone
}

// discover reads the discovery document.
func (a *App) discover(ctx context.Context) (*provider, error) {
	p := &provider{Read: a.clock.Wall()}
	if err := a.getJSON(ctx, strings.TrimSuffix(a.cfg.Issuer, "/")+wellKnown, &p.metadata); err != nil {
		return nil, err
	}
	if p.Issuer != a.cfg.Issuer { // §4.3
		return nil, fail(Stop, "the discovery document of %s is that of %q", a.cfg.Issuer, p.Issuer)
	}
	for name, endpoint := range map[string]string{"authorization_endpoint": p.Authorization, "token_endpoint": p.Token, "jwks_uri": p.JWKS} {
		if u, err := url.Parse(endpoint); err != nil || u.Host == "" || !a.mayCall(u) {
			return nil, fail(Stop, "%s of %s is %q: no https address", name, a.cfg.Issuer, endpoint)
		}
	}
	return p, nil
}

// mayCall reports whether an address is https, or http as the issuer itself is (on this machine).
func (a *App) mayCall(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && strings.HasPrefix(a.cfg.Issuer, "http://")
}

// getJSON reads a document of the server. What is no JSON came from someone in between.
func (a *App) getJSON(ctx context.Context, address string, to any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fail(Stop, "%w", err)
	}
	r.Header.Set("Accept", "application/json")
	got, err := a.do(r)
	switch {
	case err != nil:
		return &again{0, err}
	case got.status != http.StatusOK || !got.isJSON():
		return &again{
			retryAfter(got.header.Get("Retry-After"), a.serverTime()),
			fmt.Errorf("%s answers %d %s", address, got.status, got.header.Get("Content-Type")),
		}
	}
	if err := json.Unmarshal(got.body, to); err != nil {
		return &again{0, fmt.Errorf("%s: %w", address, err)}
	}
	a.learnFrom(got.header)
	return nil
}

// keySet verifies signatures with the server's keys (go-oidc's KeySet). A key that is unknown is looked for once.
type keySet struct {
	app *App
	r   *record
}

// VerifySignature returns what was signed.
func (s keySet) VerifySignature(ctx context.Context, text string) ([]byte, error) {
	p := s.r.Provider
	signed, err := jose.ParseSignedCompact(text, signatureAlgs(p.IDTokenAlgs))
	if err != nil {
		return nil, err
	}
	id := signed.Signatures[0].Header.KeyID
	if !p.knows(id) || len(p.Keys.Keys) == 0 {
		if err := s.app.readKeys(ctx, p); err != nil {
			return nil, err
		}
	}
	for _, key := range p.Keys.Keys {
		if id != "" && key.KeyID != id || key.Use == "enc" {
			continue
		}
		if payload, err := signed.Verify(key); err == nil {
			return payload, nil
		}
	}
	return nil, fmt.Errorf("no key %q of the server made the signature", id)
}

func (p *provider) knows(id string) bool {
	return id == "" || slices.ContainsFunc(p.Keys.Keys, func(k jose.JSONWebKey) bool { return k.KeyID == id })
}

// readKeys reads jwks_uri, but not twice within a minute.
func (a *App) readKeys(ctx context.Context, p *provider) error {
	if rest := a.clock.Wall().Sub(p.KeysRead); rest >= 0 && rest < keysRest && len(p.Keys.Keys) > 0 {
		return nil
	}
	// One key that can't be read is passed over, the others serve (RFC 7517 §5).
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := a.getJSON(ctx, p.JWKS, &raw); err != nil {
		return err
	}
	fresh := jose.JSONWebKeySet{}
	for _, text := range raw.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(text) == nil && k.IsPublic() {
			fresh.Keys = append(fresh.Keys, k)
		}
	}
	p.Keys, p.KeysRead = fresh, a.clock.Wall()
	return nil
}

// asymmetric are the signatures that a server can make and an app can only check.
var asymmetric = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

func names(algs []jose.SignatureAlgorithm) (all []string) {
	for _, alg := range algs {
		all = append(all, string(alg))
	}
	return all
}

// signatureAlgs are those of the server that aren't symmetric.
func signatureAlgs(named []string) (algs []jose.SignatureAlgorithm) {
	for _, name := range named {
		if alg := jose.SignatureAlgorithm(name); slices.Contains(asymmetric, alg) {
			algs = append(algs, alg)
		}
	}
	if len(algs) == 0 {
		algs = []jose.SignatureAlgorithm{jose.RS256} // OpenID Connect Core §3.1.3.7
	}
	return algs
}
