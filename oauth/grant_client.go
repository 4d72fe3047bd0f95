package oauth

import (
	"context"
	"strings"

	"github.com/ory/fosite"

	"github.com/sojourn-auth/sojourn/identity"
)

// clientGrant is our fosite.TokenEndpointHandler for client_credentials (RFC 6749 §4.4). It writes nothing.
type clientGrant struct{ e *Endpoints }

// CanSkipClientAuth is never.
func (clientGrant) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

// CanHandleTokenEndpointRequest tells which grant this is.
func (clientGrant) CanHandleTokenEndpointRequest(_ context.Context, req fosite.AccessRequester) bool {
	return req.GetGrantTypes().ExactOne(grantClient)
}

// HandleTokenEndpointRequest checks the client and the scopes.
func (clientGrant) HandleTokenEndpointRequest(_ context.Context, req fosite.AccessRequester) error {
	g, err := grantOf(req, grantClient)
	if err != nil {
		return err
	}
	if g.client.Public() {
		return say(fosite.ErrUnauthorizedClient, "client_credentials is for clients that authenticate (RFC 6749 section 4.4).")
	}
	g.answer.scopes = identity.SplitScope(g.param("scope"))
	for _, scope := range g.answer.scopes {
		// Both speak of a person; there is none.
		if scope == "openid" || scope == "offline_access" || !identity.HasScope(identity.SplitScope(g.client.Scope), scope) {
			return sayf(fosite.ErrInvalidScope, "This client may not get the scope %s for itself.", printable(scope))
		}
	}
	return nil
}

// PopulateTokenEndpointResponse signs an access token whose subject is the client (RFC 9068 §2.2).
func (h clientGrant) PopulateTokenEndpointResponse(
	_ context.Context, req fosite.AccessRequester, resp fosite.AccessResponder,
) error {
	g, err := grantOf(req, grantClient)
	if err != nil {
		return err
	}
	g.answer.AccessToken, err = h.e.signAccess(AccessClaims{
		Subject: g.client.ID, ClientID: g.client.ID, Scope: strings.Join(g.answer.scopes, " "),
	})
	if err != nil {
		return err
	}
	h.e.finish(g, resp)
	return nil
}
