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

// HandleTokenEndpointRequest checks the client, the scopes and the resource.
func (h clientGrant) HandleTokenEndpointRequest(_ context.Context, req fosite.AccessRequester) error {
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
	asked := g.resources()
	if err := checkTargets(g.client, asked); err != nil {
		return err
	}
	return h.e.address(g, asked)
}

// PopulateTokenEndpointResponse makes an access token whose subject is the client (RFC 9068 §2.2).
func (h clientGrant) PopulateTokenEndpointResponse(
	_ context.Context, req fosite.AccessRequester, resp fosite.AccessResponder,
) error {
	g, err := grantOf(req, grantClient)
	if err != nil {
		return err
	}
	g.answer.AccessToken, err = h.e.ownToken(g)
	if err != nil {
		return err
	}
	h.e.finish(g, resp)
	return nil
}

// ownToken makes an access token that no Session stands behind, in the client's format.
func (e *Endpoints) ownToken(g grantRequest) (string, error) {
	if g.client.AccessFormat == identity.FormatReference {
		return e.o.Keys.AccessText(e.newReference(g))
	}
	return e.signAccess(AccessClaims{
		Subject: g.client.ID, ClientID: g.client.ID, Audience: g.answer.audience,
		Scope: strings.Join(g.answer.scopes, " "), Confirm: confirm(g.key),
	})
}
