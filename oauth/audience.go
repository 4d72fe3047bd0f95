package oauth

import (
	"context"
	"net/http"
	"slices"

	"github.com/ory/fosite"

	"github.com/sojourn-auth/sojourn/identity"
)

// errTarget refuses a resource (RFC 8707 §2).
var errTarget = &fosite.RFC6749Error{ErrorField: "invalid_target", CodeField: http.StatusBadRequest}

// checkResources asks that the client may have access tokens for what it names at authorize (RFC 8707 §2.1).
func checkResources(_ context.Context, a *authorization) error {
	return checkTargets(a.client, identity.ResourcesOf(a.asked.Params))
}

func checkTargets(c identity.Client, asked []string) error {
	if len(asked) > identity.MaxResources {
		return sayf(errTarget, "Name at most %d resources.", identity.MaxResources)
	}
	for _, resource := range asked {
		if identity.CheckResource(resource) != nil {
			return say(errTarget, "resource must be an absolute URI without a fragment, of at most 512 characters.")
		}
		if !c.Reaches(resource) {
			return sayf(errTarget, "This client may not ask for the resource %s.", printable(resource))
		}
	}
	return nil
}

// resources returns the resources that a token request names (RFC 8707 §2.2).
func (g grantRequest) resources() []string { return identity.ResourcesOf(g.GetRequestForm()) }

// address decides whom the access token is for, of the resources that were granted: one, since a token for two could be
// passed on by the first to the second (RFC 8707 §3). Where none was asked for, that is this server itself.
func (e *Endpoints) address(g grantRequest, granted []string) error {
	asked := g.resources()
	a := &g.answer
	switch {
	case len(asked) > 1:
		return say(errTarget, "An access token is for one resource: name one, and ask again for the next.")
	case len(asked) == 1 && !slices.Contains(granted, asked[0]):
		return sayf(errTarget, "The resource %s was not granted.", printable(asked[0]))
	case len(asked) == 1:
		a.audience = asked[0]
	case len(granted) > 1:
		return say(errTarget, "Several resources were granted. Say with resource which one the access token is for.")
	case len(granted) == 1:
		a.audience = granted[0]
	default:
		a.audience = e.o.Issuer
	}
	return nil
}
