package identity

import (
	"math"
	"slices"
	"strings"
)

// What a client that registers itself can be given (RFC 7591 §2). Everything else is the operator's to give.
var (
	selfGrants    = []string{codeGrant, refreshGrant, clientGrant}
	selfScopes    = []string{"openid", "profile", "email", "offline_access"}
	authMethods   = []string{"", "client_secret_basic", "client_secret_post", "private_key_jwt", "none"}
	idTokenAlgs   = []string{"RS256", "ES256", "EdDSA"}
	assertionAlgs = []string{"RS256", "PS256", "ES256", "EdDSA"}
	acrValues     = []string{"pwd", "mfa"}
)

const (
	codeGrant    = "authorization_code"
	refreshGrant = "refresh_token"
	clientGrant  = "client_credentials"

	maxRedirectURIs = 20
)

// CleanRegistration judges what a client that registers itself says of itself, and returns it as it will be registered:
// with defaults filled in, and without what this server does not offer. Whoever registers is told the result (RFC 7591
// §3.2.1), so each field is honoured, or returned as changed, or refused: an Invalid *Error whose Field is the member's
// name and whose message says what would be right. Cleaning twice changes nothing more.
//
// An empty token_endpoint_auth_method stays empty: client_secret_basic by default, with client_secret_post taken too.
func CleanRegistration(m Metadata) (Metadata, error) {
	for _, clean := range []func(*Metadata) error{
		cleanType, cleanGrants, cleanResponses, cleanKeys, cleanAuth, cleanRedirects, cleanScope, cleanTexts, cleanPages,
		cleanTokens, cleanAccess, cleanRotation, cleanLogout, cleanDevice,
	} {
		if err := clean(&m); err != nil {
			return Metadata{}, err
		}
	}
	return m, nil
}

// cleanType takes a client that says nothing for a web app, as OpenID Connect Registration 1.0 §2 does, unless one of its
// redirect URIs can only be a native app's: RFC 7591 knows no application_type.
func cleanType(m *Metadata) error {
	onlyNative := func(uri string) bool {
		return CheckRedirectURI(uri, webApp) != nil && CheckRedirectURI(uri, nativeApp) == nil
	}
	switch m.ApplicationType {
	case "":
		m.ApplicationType = webApp
		if slices.ContainsFunc(m.RedirectURIs, onlyNative) {
			m.ApplicationType = nativeApp
		}
	case webApp, nativeApp:
	default:
		return RefuseField("application_type", "Use web or native.")
	}
	return nil
}

// cleanGrants keeps the grants that are offered. Who asks for offline_access without naming grants wants a refresh token.
func cleanGrants(m *Metadata) error {
	asked := m.GrantTypes
	if len(asked) == 0 {
		asked = []string{codeGrant}
		if HasScope(SplitScope(m.Scope), "offline_access") {
			asked = append(asked, refreshGrant)
		}
	}
	m.GrantTypes = offered(asked, selfGrants)
	if !m.signsIn() { // refresh tokens begin with a code
		m.GrantTypes = offered(asked, []string{clientGrant})
	}
	switch {
	case len(m.GrantTypes) == 0:
		return RefuseField("grant_types", "Ask for authorization_code, with refresh_token if you like, "+
			"or for client_credentials.")
	case m.AuthMethod == "none" && HasScope(m.GrantTypes, clientGrant): // RFC 6749 §4.4
		return RefuseField("grant_types", "The grant client_credentials needs a token_endpoint_auth_method other than none.")
	}
	return nil
}

// cleanResponses keeps response types and grants in step (RFC 7591 §2.1).
func cleanResponses(m *Metadata) error {
	asked := m.ResponseTypes
	code := HasScope(asked, "code")
	switch {
	case !m.signsIn() && code:
		return RefuseField("grant_types", "The response type code needs the grant authorization_code.")
	case m.signsIn() && len(asked) > 0 && !code:
		return RefuseField("response_types", "Use code: it is the only response type here.")
	}
	m.ResponseTypes = nil
	if m.signsIn() {
		m.ResponseTypes = []string{"code"}
	}
	return nil
}

func cleanAuth(m *Metadata) error {
	if !slices.Contains(authMethods, m.AuthMethod) {
		return RefuseField("token_endpoint_auth_method",
			"Use none, client_secret_basic, client_secret_post or private_key_jwt.")
	}
	if m.AuthMethod != "private_key_jwt" {
		m.AuthSigningAlg = ""
		return nil
	}
	if m.AuthSigningAlg != "" && !slices.Contains(assertionAlgs, m.AuthSigningAlg) {
		return RefuseField("token_endpoint_auth_signing_alg", "Use RS256, PS256, ES256 or EdDSA, or leave it out.")
	}
	if m.JWKSURI == "" && len(m.JWKS) == 0 {
		return RefuseField("jwks", "Send your public keys as jwks, or their address as jwks_uri: private_key_jwt needs one.")
	}
	return nil
}

func cleanRedirects(m *Metadata) error {
	if !m.signsIn() {
		m.RedirectURIs = nil
		return nil
	}
	if n := len(m.RedirectURIs); n == 0 || n > maxRedirectURIs {
		return RefuseField("redirect_uris", "Register between 1 and 20 redirect URIs: "+
			"the grant authorization_code leads back to one of them.")
	}
	for _, uri := range m.RedirectURIs {
		if err := CheckRedirectURI(uri, m.ApplicationType); err != nil {
			return err
		}
	}
	m.RedirectURIs = once(m.RedirectURIs)
	return nil
}

// cleanScope gives the usual scopes to a client that names none (RFC 7591 §2); they are all about people, so one that
// signs nobody in gets none.
func cleanScope(m *Metadata) error {
	asked := SplitScope(m.Scope)
	scopes := offered(asked, selfScopes)
	switch {
	case len(asked) > 0 && len(scopes) == 0:
		return RefuseField("scope", "Ask for some of openid, profile, email, offline_access.")
	case len(asked) == 0 && m.signsIn():
		scopes = selfScopes
	}
	m.Scope = strings.Join(scopes, " ")
	return nil
}

func cleanTokens(m *Metadata) error {
	if m.IDTokenAlg == "" {
		m.IDTokenAlg = "RS256" // OpenID Connect Registration 1.0 §2
	}
	if m.SubjectType == "" {
		m.SubjectType = "public"
	}
	switch {
	case !slices.Contains(idTokenAlgs, m.IDTokenAlg):
		return RefuseField("id_token_signed_response_alg", "Use RS256, ES256 or EdDSA.")
	case m.SubjectType != "public":
		return RefuseField("subject_type", "Use public: it is the only subject type here.")
	case m.DefaultMaxAge != nil && (*m.DefaultMaxAge < 0 || *m.DefaultMaxAge > math.MaxInt32):
		return RefuseField("default_max_age", "Use a number of seconds from 0 to 2147483647.")
	}
	m.DefaultACRValues = offered(m.DefaultACRValues, acrValues)
	return nil
}

// signsIn reports whether the client gets tokens through a person's browser.
func (m *Metadata) signsIn() bool { return HasScope(m.GrantTypes, codeGrant) }

// offered returns the asked names that are known, each once; nil when there are none.
func offered(asked, known []string) (out []string) {
	for _, name := range once(asked) {
		if slices.Contains(known, name) {
			out = append(out, name)
		}
	}
	return out
}

func once(names []string) (out []string) {
	for _, name := range names {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}
