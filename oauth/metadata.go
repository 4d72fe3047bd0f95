package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/sojourn-auth/sojourn/identity"
)

// description is what discovery tells, at both well-known paths (OpenID Connect Discovery 1.0 §3, RFC 8414 §2). It holds
// only what is true.
type description struct {
	Issuer                string `json:"issuer"`
	AuthorizationEndpoint string `json:"authorization_endpoint"`
	TokenEndpoint         string `json:"token_endpoint"`
	UserinfoEndpoint      string `json:"userinfo_endpoint"`
	JWKSURI               string `json:"jwks_uri"`
	RegistrationEndpoint  string `json:"registration_endpoint,omitempty"`
	RevocationEndpoint    string `json:"revocation_endpoint"`
	IntrospectionEndpoint string `json:"introspection_endpoint"`
	EndingsEndpoint       string `json:"endings_endpoint"`     // of our own: what APIs must not believe any more
	EndSessionEndpoint    string `json:"end_session_endpoint"` // RP-Initiated Logout 1.0 §2.1
	CheckSessionFrame     string `json:"check_session_iframe"` // Session Management 1.0 §3.3
	SignOutEndpoint       string `json:"signout_endpoint"`     // of our own: without a browser
	MeEndpoint            string `json:"me_endpoint"`          // of our own: the app's session, its siblings, events, documents

	Scopes           []string `json:"scopes_supported"`
	Claims           []string `json:"claims_supported"`
	ResponseTypes    []string `json:"response_types_supported"`
	ResponseModes    []string `json:"response_modes_supported"`
	GrantTypes       []string `json:"grant_types_supported"`
	ACRValues        []string `json:"acr_values_supported"`
	SubjectTypes     []string `json:"subject_types_supported"`
	PromptValues     []string `json:"prompt_values_supported"` // OpenID Connect Prompt Create 1.0 §4.2
	ChallengeMethods []string `json:"code_challenge_methods_supported"`
	IDTokenAlgs      []string `json:"id_token_signing_alg_values_supported"`
	UserinfoAlgs     []string `json:"userinfo_signing_alg_values_supported"`
	// draft-ietf-oauth-refresh-token-expiration-03 §8
	RefreshExpirations []string `json:"refresh_token_expiration_types_supported"`

	TokenMethods      []string `json:"token_endpoint_auth_methods_supported"`
	TokenAlgs         []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	RevocationMethods []string `json:"revocation_endpoint_auth_methods_supported"`
	RevocationAlgs    []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	// A public client proves nothing, so it may not introspect.
	IntrospectionMethods []string `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectionAlgs    []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	IntrospectionSigned  []string `json:"introspection_signing_alg_values_supported"` // RFC 9701 §7

	ProofAlgs []jose.SignatureAlgorithm `json:"dpop_signing_alg_values_supported"` // RFC 9449 §5.1

	// OpenID Connect Back-Channel Logout 1.0 §2.1
	BackchannelLogout  bool `json:"backchannel_logout_supported"`
	BackchannelSession bool `json:"backchannel_logout_session_supported"`

	FrontLogout        bool `json:"frontchannel_logout_supported"` // Front-Channel Logout 1.0 §3
	FrontLogoutSession bool `json:"frontchannel_logout_session_supported"`

	IssInResponse bool `json:"authorization_response_iss_parameter_supported"` // RFC 9207 §3
	ClientDocs    bool `json:"client_id_metadata_document_supported,omitempty"`
	ClaimsParam   bool `json:"claims_parameter_supported"`

	RequestParam         bool     `json:"request_parameter_supported"`
	RequestURI           bool     `json:"request_uri_parameter_supported"`
	RegisteredRequestURI bool     `json:"require_request_uri_registration"`
	RequestAlgs          []string `json:"request_object_signing_alg_values_supported"`
	PushEndpoint         string   `json:"pushed_authorization_request_endpoint"` // RFC 9126 §5
}

// describe tells what these endpoints do.
func (e *Endpoints) describe() description {
	proving := []string{methodBasic, methodPost, methodJWT}
	all := append([]string{methodNone}, proving...)
	at := func(path string) string { return e.o.Issuer + path }
	d := description{
		Issuer:                e.o.Issuer,
		AuthorizationEndpoint: at(authorizePath), TokenEndpoint: at(tokenPath), UserinfoEndpoint: at(userinfoPath),
		JWKSURI: at(jwksPath), RevocationEndpoint: at(revokePath), IntrospectionEndpoint: at(introspectPath),
		EndingsEndpoint:    at(endingsPath),
		EndSessionEndpoint: at(logoutPath), CheckSessionFrame: at(framePath), SignOutEndpoint: at(signOutPath),
		MeEndpoint: at(mePath), Scopes: identity.Scopes,
		Claims: []string{
			"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash",
			"name", "updated_at", "email", "email_verified",
		},
		ResponseTypes: []string{"code"}, ResponseModes: []string{modeQuery, modeFormPost},
		GrantTypes: identity.GrantTypes, ACRValues: e.o.Policy.ACRValues(),
		SubjectTypes: identity.SubjectTypes, PromptValues: e.prompts(), ChallengeMethods: []string{"S256"},
		IDTokenAlgs: e.o.SigningKeys.Published(), UserinfoAlgs: e.o.SigningKeys.Published(),
		RefreshExpirations: []string{"authorization", "token_timeout"},
		TokenMethods:       all, TokenAlgs: identity.AssertionAlgs, RevocationMethods: all, RevocationAlgs: identity.AssertionAlgs,
		IntrospectionMethods: proving, IntrospectionAlgs: identity.AssertionAlgs,
		IntrospectionSigned: e.o.SigningKeys.Published(),
		ProofAlgs:           proofAlgs,
		BackchannelLogout:   true,
		BackchannelSession:  true,
		FrontLogout:         true, FrontLogoutSession: true,
		IssInResponse: true, ClaimsParam: true,
		RequestParam: true, RequestURI: true, RegisteredRequestURI: true, RequestAlgs: identity.AssertionAlgs,
		PushEndpoint: at(pushPath),
	}
	d.ClientDocs = e.o.Clients.On()
	for _, rule := range e.o.Claims {
		d.Claims = append(d.Claims, rule.Claim)
	}
	if e.o.Registration != "closed" {
		d.RegistrationEndpoint = at(registerPath)
	}
	return d
}

// prompts are the values of prompt that are taken: create only where people may sign up.
func (e *Endpoints) prompts() []string {
	return slices.DeleteFunc(slices.Clone(identity.Prompts), func(p string) bool { return p == identity.PromptCreate && !e.o.SignupOpen })
}

// discovery serves both well-known documents.
func (e *Endpoints) discovery(w http.ResponseWriter, r *http.Request) {
	e.described(r.Context()).serve(w, r, "application/json")
}

// published is a discovery document, and the scopes of resources that it tells.
type published struct {
	document
	open []string
}

// described returns the document with the scopes of open resources. Where they cannot be read it tells those of before: apps
// begin with this document, and it is right in all else.
func (e *Endpoints) described(ctx context.Context) document {
	kept := e.metadata.Load()
	all, err := e.store.Resources(ctx)
	if err != nil {
		return kept.document
	}
	open := all.OpenScopes()
	if slices.Equal(open, kept.open) {
		return kept.document
	}
	d := e.describe()
	d.Scopes = append(slices.Clone(d.Scopes), open...)
	made, err := newDocument(d)
	if err != nil {
		return kept.document
	}
	e.metadata.Store(&published{made, open})
	return made
}

// document is a public answer, made once and served from memory.
type document struct {
	body []byte
	etag string
}

func newDocument(v any) (document, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return document{}, fmt.Errorf("write a public document: %w", err)
	}
	return newText(body), nil
}

func newText(body []byte) document {
	sum := sha256.Sum256(body)
	return document{body: body, etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}

// serve answers GET and HEAD. Five minutes in a cache are short against the hours that a key is published before it signs.
func (d document) serve(w http.ResponseWriter, r *http.Request, contentType string) {
	h := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD, OPTIONS")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("ETag", d.etag)
	if strings.Contains(r.Header.Get("If-None-Match"), d.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", contentType)
	if r.Method == http.MethodGet {
		_, _ = w.Write(d.body)
	}
}
