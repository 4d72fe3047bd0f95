package identity

import (
	"net/url"
	"slices"
)

// Resources are all resources that an operator added, deleted ones too: what was granted for one of those is void.
type Resources []Resource

// ByURI returns the resource that is meant by a name, deleted or not.
func (rs Resources) ByURI(uri string) (Resource, bool) {
	i := slices.IndexFunc(rs, func(r Resource) bool { return r.URI == uri }) // as marks have it: nothing is parsed for it
	if i < 0 {
		key := ResourceKey(uri)
		i = slices.IndexFunc(rs, func(r Resource) bool { return ResourceKey(r.URI) == key })
	}
	if i < 0 {
		return Resource{}, false
	}
	return rs[i], true
}

// There returns those that are not deleted.
func (rs Resources) There() []Resource {
	return slices.DeleteFunc(slices.Clone(rs), func(r Resource) bool { return !r.DeletedAt.IsZero() })
}

// For returns the resource that client c may ask people for by this name. Those that it lists are the operator's word for
// this client, whether they were described or not; a deleted one is nobody's. What is open is asked for in a person's name
// alone: no client gets it for itself.
func (rs Resources) For(c Client, uri string) (Resource, bool) {
	r, known := rs.ByURI(uri)
	switch {
	case known && !r.DeletedAt.IsZero():
		return Resource{}, false
	case known:
		return r, r.isFor(c)
	}
	spelled, listed := c.lists(uri)
	return Resource{URI: spelled}, listed
}

// isFor reports whether client c may ask people for a resource that was described.
func (r Resource) isFor(c Client) bool {
	if !r.DeletedAt.IsZero() {
		return false
	}
	if r.Open && c.signsIn() {
		return true
	}
	_, listed := c.lists(r.URI)
	return listed
}

// ForItself is For where no person is asked: of what is listed alone.
func (rs Resources) ForItself(c Client, uri string) (Resource, bool) {
	r, ok := rs.For(c, uri)
	_, listed := c.lists(uri)
	return r, ok && listed
}

// Granted returns the resource that a mark names, if client c may still have tokens for it, and it is the one that was
// granted.
func (rs Resources) Granted(c Client, mark string) (Resource, bool) {
	uri, epoch := CutMark(mark)
	r, ok := rs.For(c, uri)
	return r, ok && epoch == r.Epoch
}

// AllFor returns everything that client c may ask for.
func (rs Resources) AllFor(c Client) (all []Resource) {
	for _, r := range rs {
		if r.isFor(c) { // each refresh comes by here: one must not be looked for among all
			all = append(all, r)
		}
	}
	for _, uri := range c.Resources {
		if _, known := rs.ByURI(uri); !known {
			all = append(all, Resource{URI: uri})
		}
	}
	return all
}

// OpenScopes returns the scopes of all open resources, each once.
func (rs Resources) OpenScopes() (names []string) {
	for _, r := range rs {
		if !r.Open || !r.DeletedAt.IsZero() {
			continue
		}
		for _, s := range r.Scopes {
			names = append(names, s.Name)
		}
	}
	return once(names)
}

// lists returns how the client's list spells a resource, if it does.
func (c Client) lists(uri string) (spelled string, listed bool) {
	if len(c.Resources) == 0 || slices.Contains(c.Resources, uri) {
		return uri, len(c.Resources) > 0
	}
	key := ResourceKey(uri)
	for _, spelled := range c.Resources {
		if ResourceKey(spelled) == key {
			return spelled, true
		}
	}
	return "", false
}

// Known returns what of the scopes asked client c can be granted beside these targets: what it is registered for, and what
// the targets offer it. The others are left out (OpenID Connect Core 1.0 §3.1.2.1: "Scope values used that are not
// understood by an implementation SHOULD be ignored"; RFC 6749 §3.3). Who names targets but no scope asks for all that they
// offer: clients do that who were never told of any scope.
func (c Client) Known(asked []string, targets ...Resource) []string {
	registered := SplitScope(c.Scope)
	if len(asked) == 0 {
		for _, r := range targets {
			for _, s := range r.Scopes {
				asked = append(asked, s.Name)
			}
		}
		asked = once(asked)
	}
	return slices.DeleteFunc(slices.Clone(asked), func(scope string) bool {
		return !HasScope(registered, scope) && !slices.ContainsFunc(targets, func(r Resource) bool { return r.gives(c, scope) })
	})
}

// gives reports whether tokens of client c for the resource may say the scope because the resource offers it. An operator
// says of a client of theirs by its scope what it may do at a resource that is not open; one that registered itself cannot.
func (r Resource) gives(c Client, scope string) bool {
	return r.Offers(scope) && (r.Open || c.SelfRegistered || HasScope(SplitScope(c.Scope), scope))
}

// Carried returns what of the scopes granted an access token of client c for a resource says; the zero Resource is this
// server. A token for one resource never says what another offers (RFC 8707 §2.2): whoever is shown it could go there.
func (rs Resources) Carried(c Client, r Resource, granted []string) []string {
	registered := SplitScope(c.Scope)
	return slices.DeleteFunc(slices.Clone(granted), func(scope string) bool {
		switch {
		case slices.Contains(Scopes, scope): // of this server
			return false
		case r.URI == "":
			return !HasScope(registered, scope)
		case r.Offers(scope):
			return !r.gives(c, scope)
		}
		return !HasScope(registered, scope) || rs.offered(scope)
	})
}

// offered reports whether a scope is a resource's.
func (rs Resources) offered(scope string) bool {
	return slices.ContainsFunc(rs, func(r Resource) bool { return r.Offers(scope) })
}

// targets returns the resources that a request of client c names and that it may ask for.
func (rs Resources) targets(c Client, params url.Values) (targets []Resource) {
	seen := map[string]bool{}
	for _, uri := range ResourcesOf(params) {
		if r, ok := rs.For(c, uri); ok && !seen[r.URI] {
			seen[r.URI] = true
			targets = append(targets, r)
		}
	}
	return targets
}
