package identity

import (
	"errors"
	"slices"
	"strings"
)

// LeftOut is a redirect URI that a registration named and that was not registered.
type LeftOut struct {
	URI    string `json:"redirect_uri"`
	Reason string `json:"reason"` // what would be right
}

// Registered is a client as it was registered just now, with what its developer is told once and never again.
type Registered struct {
	Client
	Secret  string // empty where it has none
	Access  string // the registration access token
	LeftOut []LeftOut
}

// TakeRegistration is CleanRegistration for clients that no operator adds: it takes what it can of what is sent, since what
// such a client sends was written for other servers, and whoever is refused has nobody to ask. Redirect URIs that cannot be
// taken are left out and told, each with the reason; schemes without a dot are taken with a host behind them, or where
// schemes, the operator's list, has them. It still refuses what would leave a client that works for nobody, and what its
// developer could rely on for safety.
func TakeRegistration(m Metadata, schemes []string) (taken Metadata, left []LeftOut, err error) {
	w := ways{schemes: schemes, hosts: true}
	passOver(&m)
	if len(m.RedirectURIs) <= maxRedirectURIs {
		m.RedirectURIs, left = w.part(m.RedirectURIs)
	}
	taken, err = w.clean(m)
	if refusal, ok := errors.AsType[*Error](err); ok && refusal.Field == "redirect_uris" && len(left) > 0 {
		err = RefuseField("redirect_uris", left[0].Reason)
	}
	return taken, left, err
}

// part parts redirect URIs into those that can be taken and those that cannot.
func (w ways) part(uris []string) (good []string, left []LeftOut) {
	for _, uri := range once(uris) {
		if err := w.check("redirect_uris", uri); err != nil {
			left = append(left, LeftOut{URI: uri, Reason: err.Error()})
			continue
		}
		good = append(good, uri)
	}
	return good, left
}

// passOver leaves out what we have no equal of, so that the default takes its place and is returned (RFC 7591 §3.2.1), and
// algorithms that would have no effect.
func passOver(m *Metadata) {
	if !slices.Contains(idTokenAlgs, m.IDTokenAlg) {
		m.IDTokenAlg = ""
	}
	if m.RequestAlg == "none" { // what it signs is taken all the same, and nothing else
		m.RequestAlg = ""
	}
	if m.AuthMethod == "none" { // only who proves itself may introspect
		m.IntrospectionAlg = ""
	}
	if m.AuthMethod == "none" && m.allows(GrantTypeCode) {
		m.GrantTypes = slices.DeleteFunc(slices.Clone(m.GrantTypes), func(grant string) bool { return grant == GrantTypeClient })
	}
	if len(offered(SplitScope(m.Scope), Scopes)) == 0 && strings.TrimSpace(m.Scope) != "" {
		m.Scope = ""
	}
}
