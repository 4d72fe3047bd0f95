package server

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// relyingParty is an app written with golang.org/x/oauth2 and go-oidc.
type relyingParty struct {
	app      *app
	provider *oidc.Provider
	oauth2.Config
}

func (a *app) relyingParty(t *testing.T, style oauth2.AuthStyle) relyingParty {
	t.Helper()
	provider, err := oidc.NewProvider(t.Context(), a.w.issuer)
	if err != nil {
		t.Fatal(err)
	}
	endpoint := provider.Endpoint()
	endpoint.AuthStyle = style
	return relyingParty{a, provider, oauth2.Config{
		ClientID: a.client.ID, ClientSecret: a.secret, Endpoint: endpoint,
		RedirectURL: a.client.RedirectURIs[0], Scopes: strings.Fields(appScope),
	}}
}

// walk signs someone in, reads who it is, and refreshes twice.
func (rp relyingParty) walk(t *testing.T, p *person, alg string) {
	t.Helper()
	pkce := oauth2.GenerateVerifier()
	v := newVisitor(t)
	address := rp.AuthCodeURL("st&te", oidc.Nonce("n-0S6"), oauth2.S256ChallengeOption(pkce))
	answer := v.carryOn(t, v.open(t, address), rp.app, p)
	token, err := rp.Exchange(t.Context(), answer.Get("code"), oauth2.VerifierOption(pkce))
	if err != nil {
		t.Fatal(err)
	}
	rp.checkIDToken(t, token, p, alg)
	for range 2 {
		rp.checkUserInfo(t, token, p)
		before := token
		if token, err = rp.TokenSource(t.Context(), &oauth2.Token{RefreshToken: before.RefreshToken}).Token(); err != nil {
			t.Fatal(err)
		}
		if token.RefreshToken == before.RefreshToken || token.AccessToken == before.AccessToken {
			t.Error("a refresh brought the same tokens again")
		}
	}
	rp.checkUserInfo(t, token, p)
}

func (rp relyingParty) checkIDToken(t *testing.T, token *oauth2.Token, p *person, alg string) {
	t.Helper()
	text, _ := token.Extra("id_token").(string)
	id, err := rp.provider.Verifier(&oidc.Config{ClientID: rp.ClientID}).Verify(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	if id.Nonce != "n-0S6" || id.Subject != p.user.Sub || headerOf(t, text)["alg"] != alg {
		t.Errorf("the ID token has nonce %q, sub %q, header %v", id.Nonce, id.Subject, headerOf(t, text))
	}
	if err := id.VerifyAccessToken(token.AccessToken); err != nil {
		t.Error("at_hash:", err)
	}
}

func (rp relyingParty) checkUserInfo(t *testing.T, token *oauth2.Token, p *person) {
	t.Helper()
	about, err := rp.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token))
	if err != nil {
		t.Fatal(err)
	}
	if about.Subject != p.user.Sub || about.Email != p.email || !about.EmailVerified {
		t.Errorf("userinfo: %+v", about)
	}
}

func TestGoOIDC_wholeLifeOfASession(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		for name, c := range map[string]struct {
			app   *app
			style oauth2.AuthStyle
			alg   string
		}{
			"public, RS256":             {w.app(t), oauth2.AuthStyleInParams, "RS256"},
			"public, ES256":             {w.app(t, withES256), oauth2.AuthStyleInParams, "ES256"},
			"confidential basic, EdDSA": {w.app(t, confidential, withEdDSA), oauth2.AuthStyleInHeader, "EdDSA"},
			"confidential post, RS256":  {w.app(t, confidential), oauth2.AuthStyleInParams, "RS256"},
			"confidential, tried out":   {w.app(t, confidential, trusted), oauth2.AuthStyleAutoDetect, "RS256"},
		} {
			t.Run(name, func(t *testing.T) {
				c.app.relyingParty(t, c.style).walk(t, w.enrolled(t), c.alg)
			})
		}
	})
}

func TestGoOIDC_readsPS256WhereItIsPublished(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		a := w.app(t, func(a *app) { a.client.IDTokenAlg = "PS256" })
		a.relyingParty(t, oauth2.AuthStyleInParams).walk(t, w.person(t), "PS256")
	}, "signing_algs", "ES256,RS256,PS256")
}

func TestGoOIDC_clientThatRegisteredItself(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		for _, method := range []string{"none", "client_secret_basic"} {
			t.Run(method, func(t *testing.T) {
				a := w.app(t)
				a.client.ID, a.secret = w.register(t, map[string]any{
					"client_name": "Third", "redirect_uris": a.client.RedirectURIs, "application_type": "native",
					"token_endpoint_auth_method": method, "grant_types": a.client.GrantTypes,
					"id_token_signed_response_alg": "ES256", "unknown_field": 7,
				})
				style := map[string]oauth2.AuthStyle{"none": oauth2.AuthStyleInParams}[method] // 0: finds out
				a.relyingParty(t, style).walk(t, w.person(t), "ES256")
			})
		}
	})
}

// register registers a client over plain HTTP (RFC 7591 §3.1).
func (w *world) register(t *testing.T, metadata map[string]any) (id, secret string) {
	t.Helper()
	body, err := json.Marshal(metadata)
	if err != nil {
		t.Fatal(err)
	}
	got := w.post(t, w.issuer+"/oauth2/register", "application/json", string(body))
	var info struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
		Token  string `json:"registration_access_token"`
		Scope  string `json:"scope"`
	}
	if got.status != http.StatusCreated || json.Unmarshal([]byte(got.body), &info) != nil || info.Scope != appScope {
		t.Fatalf("registration: %d %s", got.status, got.body)
	}
	w.journal.hide(info.Secret, info.Token)
	return info.ID, info.Secret
}

func TestGoOIDC_serviceGetsATokenForItself(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		a := w.app(t, confidential, serviceToo)
		r := a.form(t, "/oauth2/token", "grant_type", "client_credentials")
		got := a.tokens(t, r)
		if got.RefreshToken != "" || got.IDToken != "" || claimsOf(t, got.AccessToken)["sub"] != a.client.ID {
			t.Errorf("a service gets %s", r.body)
		}
		if r := a.userinfo(t, got.AccessToken); r.status/100 != 4 {
			t.Errorf("userinfo of a service: %d %s", r.status, r.body)
		}
	})
}
