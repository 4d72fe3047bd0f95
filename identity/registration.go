package identity

import (
	"math"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The grant types that there are (RFC 6749 §4.1.3, §6, §4.4).
const (
	GrantTypeCode    = "authorization_code"
	GrantTypeRefresh = "refresh_token"
	GrantTypeClient  = "client_credentials"
)

// GrantTypes are all of them: what the token endpoint takes, discovery tells and a client may register for.
var GrantTypes = []string{GrantTypeCode, GrantTypeRefresh, GrantTypeClient}

// Scopes are those that people's apps may ask for, beside what an operator adds to a client. Codes hold one bit for each,
// by its place: new ones go to the end.
var Scopes = []string{"openid", "profile", "email", "offline_access", ScopeDevices}

// ScopeDevices lets an app see and end the person's other Sessions, not its own alone. Consent names it, and nobody gets
// it without asking.
const ScopeDevices = "devices"

// usualScopes are what a client gets that names none.
var usualScopes = Scopes[:4]

// AssertionAlgs are what clients may sign with, EdDSA by either name (RFC 9864). HMAC is none of them: we keep no client's secret in the clear.
var AssertionAlgs = []string{"RS256", "PS256", "ES256", "EdDSA", "Ed25519"}

// What a client that registers itself can be given (RFC 7591 §2). Everything else is the operator's to give.
var (
	authMethods = []string{"", "client_secret_basic", "client_secret_post", "private_key_jwt", "none"}
	idTokenAlgs = SigningAlgs
	acrValues   = []string{"pwd", "mfa"}
)

const maxRedirectURIs = 20

// CleanRegistration judges what a client says of itself, and returns it as it will be registered: with defaults filled in,
// and without what this server does not offer. Whoever registers is told the result (RFC 7591 §3.2.1), so each field is
// honoured, or returned as changed, or refused: an Invalid *Error whose Field is the member's name and whose message says
// what would be right. Cleaning twice changes nothing more. TakeRegistration refuses less.
//
// What is in jwks is not judged here: package oauth does, which knows keys.
//
// An empty token_endpoint_auth_method stays empty: client_secret_basic by default, with client_secret_post taken too.
func CleanRegistration(m Metadata) (Metadata, error) { return ways{}.clean(m) }

func (w ways) clean(m Metadata) (Metadata, error) {
	for _, clean := range []func(*Metadata) error{
		cleanType, cleanGrants, cleanResponses, cleanKeys, cleanAuth, w.cleanRedirects, cleanScope, cleanTexts, cleanPages,
		cleanTokens, cleanAccess, cleanRotation, cleanRequests, w.cleanLogout, cleanDevice,
	} {
		if err := clean(&m); err != nil {
			return Metadata{}, err
		}
	}
	return m, nil
}

// cleanKeys leaves one place where a client's keys are (RFC 7591 §2).
func cleanKeys(m *Metadata) error {
	if string(m.JWKS) == "null" || len(m.JWKS) == 0 {
		m.JWKS = nil
	}
	if m.JWKS != nil && m.JWKSURI != "" {
		return RefuseField("jwks", "Send jwks or jwks_uri, not both.")
	}
	return nil
}

// cleanType takes a client that says nothing for a web app, as OpenID Connect Registration 1.0 §2 does, unless its redirect
// URIs say otherwise (RFC 7591 knows no application_type): only a native app has a scheme of its own, whatever it says, and
// a public client that is reached on loopback alone is one.
func cleanType(m *Metadata) error {
	remote := func(uri string) bool { return !onLoopback(uri) }
	switch {
	case m.ApplicationType != "" && m.ApplicationType != webApp && m.ApplicationType != nativeApp:
		return RefuseField("application_type", "Use web or native.")
	case slices.ContainsFunc(m.RedirectURIs, ofAnApp),
		m.ApplicationType == "" && m.AuthMethod == "none" && !slices.ContainsFunc(m.RedirectURIs, remote):
		m.ApplicationType = nativeApp
	case m.ApplicationType == "":
		m.ApplicationType = webApp
	}
	return nil
}

// cleanGrants keeps the grants that are offered.
func cleanGrants(m *Metadata) error {
	asked := m.askedGrants()
	m.GrantTypes = offered(asked, GrantTypes)
	if !m.signsIn() { // refresh tokens begin with a code
		m.GrantTypes = offered(asked, []string{GrantTypeClient})
	}
	switch {
	case len(m.GrantTypes) == 0:
		return RefuseField("grant_types", "Ask for authorization_code, with refresh_token if you like, "+
			"or for client_credentials.")
	case m.AuthMethod == "none" && HasScope(m.GrantTypes, GrantTypeClient): // RFC 6749 §4.4
		return RefuseField("grant_types", "The grant client_credentials needs a token_endpoint_auth_method other than none.")
	}
	return nil
}

// askedGrants are the grants that a client means. An app on a device that names none, and whoever names none but wants
// offline_access, wants to stay signed in; whoever wants to refresh and says nothing of how it begins means a code.
func (m *Metadata) askedGrants() []string {
	offline := m.ApplicationType == nativeApp || HasScope(SplitScope(m.Scope), "offline_access")
	begins := len(m.ResponseTypes) == 0 || HasScope(m.ResponseTypes, "code")
	switch {
	case len(m.GrantTypes) == 0 && offline:
		return []string{GrantTypeCode, GrantTypeRefresh}
	case len(m.GrantTypes) == 0:
		return []string{GrantTypeCode}
	case m.allows(GrantTypeRefresh) && !m.allows(GrantTypeCode) && !m.allows(GrantTypeClient) && begins:
		return append([]string{GrantTypeCode}, m.GrantTypes...)
	}
	return m.GrantTypes
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
	if m.AuthSigningAlg != "" && !slices.Contains(AssertionAlgs, m.AuthSigningAlg) {
		return RefuseField("token_endpoint_auth_signing_alg", "Use RS256, PS256, ES256, EdDSA or Ed25519, or leave it out.")
	}
	if m.JWKSURI == "" && len(m.JWKS) == 0 {
		return RefuseField("jwks", "Send your public keys as jwks, or their address as jwks_uri: private_key_jwt needs one.")
	}
	return nil
}

// cleanRedirects has a client prove by PKCE that an answer is its own, where other apps could take the address that it goes to.
func (w ways) cleanRedirects(m *Metadata) error {
	if !m.signsIn() {
		m.RedirectURIs = nil
		return nil
	}
	if n := len(m.RedirectURIs); n == 0 || n > maxRedirectURIs {
		return RefuseField("redirect_uris", "Register between 1 and 20 redirect URIs: "+
			"the grant authorization_code leads back to one of them.")
	}
	for _, uri := range m.RedirectURIs {
		if err := w.check("redirect_uris", uri); err != nil {
			return err
		}
		m.RequirePKCE = m.RequirePKCE || m.AuthMethod != "none" && undotted(uri) // public clients always do
	}
	m.RedirectURIs = once(m.RedirectURIs)
	return nil
}

// cleanScope gives the usual scopes to a client that names none of ours (RFC 7591 §2): MCP clients name those of the API that sent
// them, which are the resource's to give. The usual ones are all about people, so a client that signs nobody in gets none.
func cleanScope(m *Metadata) error {
	asked := SplitScope(m.Scope)
	scopes := offered(asked, Scopes)
	switch {
	case len(scopes) == 0 && m.signsIn():
		scopes = usualScopes
	case len(asked) > 0 && len(scopes) == 0:
		return RefuseField("scope", "Ask for some of openid, profile, email, offline_access.")
	}
	m.Scope = strings.Join(scopes, " ")
	return nil
}

func cleanTokens(m *Metadata) error {
	if m.IDTokenAlg == "" {
		m.IDTokenAlg = "RS256" // OpenID Connect Registration 1.0 §2
	}
	if err := cleanSubject(m); err != nil {
		return err
	}
	switch {
	case !slices.Contains(idTokenAlgs, m.IDTokenAlg):
		return RefuseField("id_token_signed_response_alg", "Use RS256, PS256, ES256, EdDSA or Ed25519.")
	case m.UserinfoAlg != "" && !slices.Contains(idTokenAlgs, m.UserinfoAlg):
		return RefuseField("userinfo_signed_response_alg", "Use RS256, PS256, ES256, EdDSA or Ed25519, or leave it out for plain JSON.")
	case m.DefaultMaxAge != nil && (*m.DefaultMaxAge < 0 || *m.DefaultMaxAge > math.MaxInt32):
		return RefuseField("default_max_age", "Use a number of seconds from 0 to 2147483647.")
	}
	m.DefaultACRValues = offered(m.DefaultACRValues, acrValues)
	return nil
}

// signsIn reports whether the client gets tokens through a person's browser.
func (m *Metadata) signsIn() bool { return HasScope(m.GrantTypes, GrantTypeCode) }

// offered returns the asked names that are known, each once; nil when there are none.
func offered(asked, known []string) (out []string) {
	for _, name := range once(asked) {
		if slices.Contains(known, name) {
			out = append(out, name)
		}
	}
	return out
}

// once returns each name once, in the order in which they came. A stranger's list may be as long as a document is: going through
// what was found before for each of them would take minutes.
func once(names []string) (out []string) {
	seen := map[string]bool{}
	for _, name := range names {
		if !seen[name] {
			seen[name], out = true, append(out, name)
		}
	}
	return out
}

// cleanRotation keeps a refresh token that never changes from whoever could only ever show that token: a copy of it would
// be as good as the original, for ever and unseen (RFC 9700 §2.2.2).
func cleanRotation(m *Metadata) error {
	switch m.Rotation {
	case "", RotateForking, RotateStrict:
		return nil
	case RotateNone:
		if m.AuthMethod != "none" || m.DPoPBound {
			return nil
		}
		return RefuseField("refresh_rotation", "The value none needs a client that authenticates, or one with "+
			"dpop_bound_access_tokens. Use rotate or strict.")
	default:
		return RefuseField("refresh_rotation", "Use rotate, strict or none.")
	}
}

const (
	maxClientName = 100 // characters
	maxContacts   = 10
	maxSoftware   = 255 // bytes
)

// cleanTexts bounds what is shown to people or kept for operators.
func cleanTexts(m *Metadata) error {
	m.Name = strings.TrimSpace(m.Name)
	if !plain(m.Name) || utf8.RuneCountInString(m.Name) > maxClientName || m.Name != "" && !visible(m.Name) {
		return RefuseField("client_name", "Use a visible name of at most 100 characters on one line, "+
			"without characters that turn the direction of writing.")
	}
	if !plain(m.SoftwareID) || len(m.SoftwareID) > maxSoftware {
		return RefuseField("software_id", "Use at most 255 bytes on one line.")
	}
	if !plain(m.SoftwareVersion) || len(m.SoftwareVersion) > maxSoftware {
		return RefuseField("software_version", "Use at most 255 bytes on one line.")
	}
	if len(m.Contacts) > maxContacts {
		return RefuseField("contacts", "Give at most 10 contacts.")
	}
	for _, contact := range m.Contacts {
		if contact == "" || len(contact) > maxEmail || !plain(contact) {
			return RefuseField("contacts", "Give each contact as an e-mail address of at most 254 bytes.")
		}
	}
	m.Contacts = once(m.Contacts)
	return nil
}

// plain reports whether text stays on its line and in its direction: a name on the consent page must not be able to
// rearrange the words around it (Unicode TR36 §2.5).
func plain(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r)
	})
}

// visible reports whether there is something to read in text. Some letters show nothing (Hangul's fillers), and neither does
// Braille's pattern without dots.
func visible(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool {
		return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) &&
			r != '\u2800' && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
	})
}

// cleanPages judges the addresses of the client's own pages and keys.
func cleanPages(m *Metadata) error {
	for _, page := range []struct{ field, uri string }{
		{"client_uri", m.URI},
		{"logo_uri", m.LogoURI},
		{"policy_uri", m.PolicyURI},
		{"tos_uri", m.TermsURI},
		{"jwks_uri", m.JWKSURI},
	} {
		if page.uri == "" {
			continue
		}
		if err := checkPage(page.field, page.uri); err != nil {
			return err
		}
	}
	return nil
}

func checkPage(field, uri string) error {
	if err := checkText(field, uri); err != nil {
		return err
	}
	u, err := url.Parse(uri)
	if err != nil || u.User != nil || !(u.Scheme == "https" && wholeHost(u) || onLoopback(uri)) {
		return RefuseField(field, "Use an https address, or http on 127.0.0.1, [::1] or localhost.")
	}
	return nil
}

// cleanLogout judges where a client is led back to, and told of it, when people sign out. One that signs nobody in is
// told nothing.
func (w ways) cleanLogout(m *Metadata) error {
	if !m.signsIn() {
		m.PostLogoutRedirectURIs, m.BackchannelLogoutURI, m.FrontchannelLogoutURI = nil, "", ""
	}
	m.BackchannelSession = m.BackchannelSession && m.BackchannelLogoutURI != ""
	m.FrontchannelSession = m.FrontchannelSession && m.FrontchannelLogoutURI != ""
	if err := w.cleanSignedOut(m); err != nil {
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
func (w ways) cleanSignedOut(m *Metadata) error {
	const field = "post_logout_redirect_uris"
	if len(m.PostLogoutRedirectURIs) > maxRedirectURIs {
		return RefuseField(field, "Register at most 20.")
	}
	for _, uri := range m.PostLogoutRedirectURIs {
		if err := w.check(field, uri); err != nil {
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
	return AddQuery(c.FrontchannelLogoutURI, url.Values{"iss": {issuer}, "sid": {sessionID.String()}})
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
