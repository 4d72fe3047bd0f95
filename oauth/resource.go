package oauth

import (
	"context"
	"net/url"
	"slices"

	"github.com/sojourn-auth/sojourn/identity"
)

// checkResources asks that the client may have access tokens for what it names at authorize (RFC 8707 §2.1). Naming this
// server alone says what naming none does.
func (e *Endpoints) checkResources(_ context.Context, a *authorization) error {
	a.resources = e.resources(a.asked.Params)
	if len(a.resources) == 1 && a.resources[0] == e.o.Issuer {
		a.resources = nil
	}
	return e.checkTargets(a.client, a.resources)
}

func (e *Endpoints) checkTargets(c identity.Client, asked []string) error {
	if len(asked) > identity.MaxResources {
		return sayf(invalidTarget, "Name at most %d resources.", identity.MaxResources)
	}
	for _, resource := range asked {
		if resource == e.o.Issuer {
			continue // userinfo and /me are for every client
		}
		if identity.CheckResource(resource) != nil {
			return say(invalidTarget, "resource must be an absolute URI without a fragment, of at most 512 characters.")
		}
		if !c.Reaches(resource) {
			return sayf(invalidTarget, "This client may not ask for the resource %s.", printable(resource))
		}
	}
	return nil
}

// resources returns the resources that a request names (RFC 8707 §2), this server by its one name.
func (e *Endpoints) resources(params url.Values) (named []string) {
	for _, resource := range identity.ResourcesOf(params) {
		if e.ours(resource) {
			resource = e.o.Issuer
		}
		if !slices.Contains(named, resource) {
			named = append(named, resource)
		}
	}
	return named
}

// address decides whom the access token is for, of the resources that were granted: one, since a token for two could be
// passed on by the first to the second (RFC 8707 §3). Where none was asked for, that is this server itself; where it was
// asked for beside others, it must be named. What the client may not reach any more counts as not granted. It is asked
// before anything is written, and says the same afterwards.
func (e *Endpoints) address(x *exchange, granted []string) error {
	others := slices.DeleteFunc(slices.Clone(granted), func(r string) bool { return r == e.o.Issuer })
	ours := len(others) == 0 || len(others) < len(granted)
	asked, lost := e.resources(x.form), x.client.Lost(others)
	others = x.client.StillReaches(others)
	a := &x.answer
	switch {
	case lost:
		return identity.ErrLost
	case len(asked) > 1:
		return say(invalidTarget, "An access token is for one resource: name one, and ask again for the next.")
	case len(asked) == 1 && !slices.Contains(others, asked[0]) && !(ours && asked[0] == e.o.Issuer):
		return sayf(invalidTarget, "The resource %s was not granted.", printable(asked[0]))
	case len(asked) == 1:
		a.audience = asked[0]
	case len(others) > 1:
		return say(invalidTarget, "Several resources were granted. Say with resource which one the access token is for.")
	case len(others) == 1:
		a.audience = others[0]
	default:
		a.audience = e.o.Issuer
	}
	return nil
}
