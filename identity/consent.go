package identity

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
)

// consented is what a Grant must hold for a resource, or for a scope there: a scope's name, a quotation mark, which none has,
// and a digest of what the page says. Other words, or a resource that was added anew, are another thing to allow (DESIGN
// law 12).
func (r Resource) consented(scope string) string {
	said := struct {
		Mark   string
		Name   string            `json:",omitempty"`
		NameIn map[string]string `json:",omitempty"`
		Scope  *ResourceScope    `json:",omitempty"`
	}{Mark: r.Mark()}
	if i := slices.IndexFunc(r.Scopes, func(s ResourceScope) bool { return s.Name == scope }); i >= 0 {
		said.Scope = &r.Scopes[i]
	} else {
		said.Name, said.NameIn = r.Name, r.NameIn
	}
	text, _ := json.Marshal(said) // strings and maps of strings alone
	sum := sha256.Sum256(text)
	return scope + `"` + base64.RawURLEncoding.EncodeToString(sum[:12])
}

// consented is what a Grant must hold for scopes of the request, and for its resources.
func (d Demand) consented(scopes []string) (all []string) {
	for _, scope := range scopes {
		there := false
		for _, r := range d.Targets {
			if r.Offers(scope) {
				all, there = append(all, r.consented(scope)), true
			}
		}
		if !there {
			all = append(all, scope)
		}
	}
	for _, r := range d.Targets {
		if r.Described() {
			all = append(all, r.consented(""))
		}
	}
	return all
}

// told is what an Event says of it.
func (d Demand) told() string {
	parts := d.allowed()
	for _, r := range d.Targets {
		parts = append(slices.Clip(parts), r.URI)
	}
	return strings.Join(parts, " ")
}

// maxConsents is how much a Grant holds: five resources with all of their scopes, and as much again.
const maxConsents = 2 * MaxResources * maxResourceScopes

// withConsents adds to what was allowed before, and begins anew where that is more than a Grant holds: most of it is about words
// and resources of former days, and worth nothing.
func withConsents(now, before []string) []string {
	if all := once(append(slices.Clone(before), now...)); len(all) <= maxConsents {
		return all
	}
	return now
}

// AllowedAt returns the scopes of a Grant: those of this server, and by resource those that its page would say today.
func (g Grant) AllowedAt(all Resources) (here []string, there []Resource) {
	for _, scope := range g.Scopes {
		if !strings.Contains(scope, `"`) {
			here = append(here, scope)
		}
	}
	for _, r := range all {
		if !r.DeletedAt.IsZero() || !HasScope(g.Scopes, r.consented("")) {
			continue
		}
		r.Scopes = slices.DeleteFunc(slices.Clone(r.Scopes), func(s ResourceScope) bool {
			return !HasScope(g.Scopes, r.consented(s.Name))
		})
		there = append(there, r)
	}
	return here, there
}
