package identity

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A client may publish what it says of itself at an address, which then is its client id
// (draft-ietf-oauth-client-id-metadata-document). Nobody registers it: who can put a document there is the client.

// MaxClientURL is how long such an id may be in bytes; any other is short.
const MaxClientURL = maxURI

// Publication tells when a client's document was read. Zero: the client has none.
type Publication struct {
	ReadAt     time.Time // what is known of the client was read then
	FreshUntil time.Time // and need not be read again before then
	GoneSince  time.Time // since when there is no document any more; zero: there is one, as far as is known
}

// FromDocument reports whether what is known of the client was read in its document.
func (c Client) FromDocument() bool { return !c.Published.ReadAt.IsZero() }

// IsClientURL reports whether a client id is meant as the address of a document.
func IsClientURL(id string) bool {
	return strings.HasPrefix(id, "https://") || strings.HasPrefix(id, "http://")
}

// ClientHost is the host of a client id that is an address, with the port where it has one, for people to read.
func ClientHost(id string) string {
	u, err := url.Parse(id)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

// DocumentRules say whose documents are taken for clients.
type DocumentRules struct {
	On       bool
	Allow    []string // hosts, *.example.com for all below example.com; none: any
	Deny     []string // the same; it wins
	Loopback bool     // the issuer is loopback: so may the documents be, by http
}

// Takes judges a client id that is an address: nil, or an Invalid refusal that says why no document of it is taken.
func (r DocumentRules) Takes(id string) error {
	if !r.On {
		return Refuse(Invalid, "A client_id that is an address is not taken here. Ask the operator of this server to add the app.")
	}
	if err := CheckClientURL(id, r.Loopback); err != nil {
		return err
	}
	u, _ := url.Parse(id) // was parsed just now
	host := strings.ToLower(u.Hostname())
	if among(host, r.Deny) || len(r.Allow) > 0 && !among(host, r.Allow) {
		return Refuse(Invalid, "The operator of this server takes no apps from the host of this client_id.")
	}
	return nil
}

// among reports whether a host is one of those, or below one that is written with a star.
func among(host string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		below, starred := strings.CutPrefix(pattern, "*")
		return host == pattern || starred && strings.HasSuffix(host, below)
	})
}

// CheckClientURL judges the form of a client id that is an address (draft-ietf-oauth-client-id-metadata-document §3): https,
// with a path, without user name, fragment and dot segments. On loopback http does too, for whoever builds an app: the
// draft allows documents there while this server is loopback itself (§8, SSRF).
func CheckClientURL(id string, loopback bool) error {
	if err := checkText("client_id", id); err != nil {
		return err
	}
	u, err := url.Parse(id)
	if err != nil || u.User != nil || strings.Contains(id, "#") || u.Path == "" {
		return RefuseField("client_id", "A client_id that is an address has a path, and no user name, password and fragment (#).")
	}
	if !(u.Scheme == "https" && wholeHost(u) && !strings.HasSuffix(u.Hostname(), ".")) && !(loopback && onLoopback(id)) {
		return RefuseField("client_id", "A client_id that is an address begins with https:// and a plain host name.")
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == "." || segment == ".." {
			return RefuseField("client_id", "A client_id that is an address has no path segments . and .. in it.")
		}
	}
	return nil
}

// optionalMembers are what of a document is left out where it cannot be taken: a client does without. What is not among them
// says who gets a code and who proves to be the client; there a mistake is refused.
var optionalMembers = map[string]func(*Metadata){
	"application_type":                  func(m *Metadata) { m.ApplicationType = "" },
	"client_name":                       func(m *Metadata) { m.Name = "" },
	"client_uri":                        func(m *Metadata) { m.URI = "" },
	"logo_uri":                          func(m *Metadata) { m.LogoURI = "" },
	"policy_uri":                        func(m *Metadata) { m.PolicyURI = "" },
	"tos_uri":                           func(m *Metadata) { m.TermsURI = "" },
	"contacts":                          func(m *Metadata) { m.Contacts = nil },
	"software_id":                       func(m *Metadata) { m.SoftwareID = "" },
	"software_version":                  func(m *Metadata) { m.SoftwareVersion = "" },
	"scope":                             func(m *Metadata) { m.Scope = "" },
	"response_types":                    func(m *Metadata) { m.ResponseTypes = nil },
	"id_token_signed_response_alg":      func(m *Metadata) { m.IDTokenAlg = "" },
	"introspection_signed_response_alg": func(m *Metadata) { m.IntrospectionAlg = "" },
	"access_token_format":               func(m *Metadata) { m.AccessFormat = "" },
	"refresh_rotation":                  func(m *Metadata) { m.Rotation = "" },
	"default_max_age":                   func(m *Metadata) { m.DefaultMaxAge = nil },
	"post_logout_redirect_uris":         func(m *Metadata) { m.PostLogoutRedirectURIs = nil },
	"initiate_login_uri":                func(m *Metadata) { m.InitiateLoginURI = "" },
	"request_uris":                      func(m *Metadata) { m.RequestURIs = nil },
	"request_object_signing_alg":        func(m *Metadata) { m.RequestAlg = "" },
	"userinfo_signed_response_alg":      func(m *Metadata) { m.UserinfoAlg = "" },
	"backchannel_logout_uri":            func(m *Metadata) { m.BackchannelLogoutURI = "" },
	"frontchannel_logout_uri":           func(m *Metadata) { m.FrontchannelLogoutURI = "" },
}

// CleanDocument is TakeRegistration for what a client publishes. Nobody is there to be told what was changed, and the document
// is written for other servers too, so what cannot be taken is left out, and refused (Invalid) only where nothing is left or
// where it says how the client proves itself. Who names no grant of ours gets code and refresh, a challenge (PKCE) is always
// needed, and there are no secrets (draft §4.1) and no tokens without a person.
func CleanDocument(m Metadata, schemes []string) (Metadata, error) {
	m.GrantTypes = offered(m.GrantTypes, []string{GrantTypeCode, GrantTypeRefresh})
	if !m.signsIn() {
		m.GrantTypes = []string{GrantTypeCode, GrantTypeRefresh}
	}
	m.Device, m.Resources, m.RequirePKCE = Device{}, nil, true
	m.SubjectType, m.SectorURI = SubjectPublic, "" // its hosts may be others with the next reading, and people would be, too
	for range len(optionalMembers) {
		clean, _, err := TakeRegistration(m, schemes)
		if err == nil {
			return clean, nil
		}
		refusal, _ := errors.AsType[*Error](err)
		leaveOut, optional := optionalMembers[refusal.Field]
		if !optional {
			return Metadata{}, err
		}
		leaveOut(&m)
	}
	clean, _, err := TakeRegistration(m, schemes)
	return clean, err
}

// SaysTheSame reports whether two readings of a client differ in nothing.
func (c Client) SaysTheSame(as Client) bool { return len(c.Settings().changedTo(as.Settings())) == 0 }
