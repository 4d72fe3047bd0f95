package identity

import (
	"net/url"
	"slices"
	"strings"
)

// cleanRequests judges how a client asks for authorization: by request objects that it signs (RFC 9101 §10.5, OpenID Connect
// Registration 1.0 §2), by pushing requests (RFC 9126 §6), and where somebody else may have it begin to ask (OpenID Connect
// Core 1.0 §4).
func cleanRequests(m *Metadata) error {
	if !m.signsIn() {
		m.InitiateLoginURI, m.RequestURIs, m.RequestAlg, m.RequestSigned, m.RequirePushed = "", nil, "", false, false
		return nil
	}
	if len(m.RequestURIs) > maxRedirectURIs {
		return RefuseField("request_uris", "Register at most 20.")
	}
	for _, uri := range m.RequestURIs {
		if err := checkPage("request_uris", uri); err != nil {
			return err
		}
	}
	m.RequestURIs = once(m.RequestURIs)
	switch {
	case m.RequestAlg != "" && !slices.Contains(AssertionAlgs, m.RequestAlg):
		return RefuseField("request_object_signing_alg", "Use RS256, PS256, ES256, EdDSA or Ed25519, or leave it out.")
	case m.RequestSigned && m.JWKSURI == "" && len(m.JWKS) == 0:
		return RefuseField("require_signed_request_object",
			"Send your public keys as jwks, or their address as jwks_uri: request objects are signed with one of them.")
	case m.InitiateLoginURI == "":
		return nil
	}
	return checkPage("initiate_login_uri", m.InitiateLoginURI)
}

// KeepsRequestAt reports whether a client registered an address as one of its request objects. A fragment names one content
// of the address (OpenID Connect Core 1.0 §6.2), and is no part of what is registered.
func (c Client) KeepsRequestAt(uri string) bool {
	place, _, _ := strings.Cut(uri, "#")
	return slices.ContainsFunc(c.RequestURIs, func(registered string) bool {
		registered, _, _ = strings.Cut(registered, "#")
		return registered == place
	})
}

// BeginAt is where a person who comes from us begins a sign-in to the client (OpenID Connect Core 1.0 §4), or nothing where it
// has no such page. It says who sends them, and nothing of who they are.
func (c Client) BeginAt(issuer string) string {
	if c.InitiateLoginURI == "" {
		return ""
	}
	return AddQuery(c.InitiateLoginURI, url.Values{"iss": {issuer}})
}
