package identity

import (
	"net/url"
	"slices"
	"strings"
)

// cleanLogout judges where a client is led back to, and told of it, when people sign out. One that signs nobody in is
// told nothing.
func cleanLogout(m *Metadata) error {
	if !m.signsIn() {
		m.PostLogoutRedirectURIs, m.BackchannelLogoutURI, m.FrontchannelLogoutURI = nil, "", ""
	}
	m.BackchannelSession = m.BackchannelSession && m.BackchannelLogoutURI != ""
	m.FrontchannelSession = m.FrontchannelSession && m.FrontchannelLogoutURI != ""
	if err := cleanSignedOut(m); err != nil {
		return err
	}
	if err := checkLogoutURI("backchannel_logout_uri", m.BackchannelLogoutURI); err != nil {
		return err
	}
	if err := checkLogoutURI("frontchannel_logout_uri", m.FrontchannelLogoutURI); err != nil {
		return err
	}
	if m.FrontchannelLogoutURI != "" && !slices.ContainsFunc(m.RedirectURIs, m.sharesOrigin) {
		return RefuseField("frontchannel_logout_uri", // Front-Channel Logout 1.0 §2
			"Use the scheme, host and port of one of the redirect_uris: browsers are sent there in the client's name.")
	}
	return nil
}

// cleanSignedOut judges post_logout_redirect_uris like redirect_uris.
func cleanSignedOut(m *Metadata) error {
	const field = "post_logout_redirect_uris"
	if len(m.PostLogoutRedirectURIs) > maxRedirectURIs {
		return RefuseField(field, "Register at most 20.")
	}
	for _, uri := range m.PostLogoutRedirectURIs {
		if err := checkWayBack(field, uri, m.ApplicationType); err != nil {
			return err
		}
	}
	m.PostLogoutRedirectURIs = once(m.PostLogoutRedirectURIs)
	return nil
}

// checkLogoutURI judges an address that is called when a Session ends (Back-Channel Logout 1.0 §2.2, Front-Channel Logout
// 1.0 §2); empty is none.
func checkLogoutURI(field, uri string) error {
	switch {
	case uri == "":
		return nil
	case strings.Contains(uri, "#"):
		return RefuseField(field, "Use an address without a fragment (#).")
	}
	return checkPage(field, uri)
}

// sharesOrigin reports whether the front-channel address has scheme, host and port of a redirect URI. Loopback redirects
// match on any port (RFC 8252 §7.3), so there the port is no part of it.
func (m *Metadata) sharesOrigin(redirect string) bool {
	host, _, loopback := splitLoopback(redirect)
	h, _, ok := splitLoopback(m.FrontchannelLogoutURI)
	return loopback && ok && host == h || WebOrigin(redirect) != "" && WebOrigin(redirect) == WebOrigin(m.FrontchannelLogoutURI)
}

// SignedOutFrame returns what a browser loads to tell the client that a Session ended, or nothing if the client wants no
// such call. It always says which Session at which server (Front-Channel Logout 1.0 §2: MAY, even where it isn't required).
func (c Client) SignedOutFrame(issuer string, sessionID ID) string {
	if c.FrontchannelLogoutURI == "" {
		return ""
	}
	return withQuery(c.FrontchannelLogoutURI, url.Values{"iss": {issuer}, "sid": {sessionID.String()}})
}

// WebOrigin returns the origin of an http(s) address as browsers write it (RFC 6454 §6.2), or nothing: apps on a device
// have none.
func WebOrigin(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	host := strings.ToLower(u.Host)
	if u.Scheme == "https" {
		host = strings.TrimSuffix(host, ":443")
	} else {
		host = strings.TrimSuffix(host, ":80")
	}
	return u.Scheme + "://" + host
}

// cleanDevice cuts what a client says of the device that it was installed on.
func cleanDevice(m *Metadata) error {
	m.Device = m.Clean()
	return nil
}
