package oauth

import (
	"context"

	"github.com/ory/fosite"

	"github.com/sojourn-auth/sojourn/identity"
)

// refreshGrant is our fosite.TokenEndpointHandler for refresh_token (RFC 6749 §6). The rotation rule is identity's.
type refreshGrant struct{ e *Endpoints }

// CanSkipClientAuth is never.
func (refreshGrant) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

// CanHandleTokenEndpointRequest tells which grant this is.
func (refreshGrant) CanHandleTokenEndpointRequest(_ context.Context, req fosite.AccessRequester) bool {
	return req.GetGrantTypes().ExactOne(grantRefresh)
}

// HandleTokenEndpointRequest refuses what is not an authentic refresh token of this client before the database is asked.
func (h refreshGrant) HandleTokenEndpointRequest(ctx context.Context, req fosite.AccessRequester) error {
	g, err := grantOf(req, grantRefresh)
	if err != nil {
		return err
	}
	text := g.param("refresh_token")
	if text == "" {
		return say(fosite.ErrInvalidRequest, "Send the refresh_token.")
	}
	t, err := h.e.o.Keys.ReadRefresh(text)
	if err != nil || !t.Of(g.client.ID) {
		return say(fosite.ErrInvalidGrant, "The refresh token is not one of this client. Sign in again.")
	}
	g.refresh, g.secret = t, t.Secret
	return h.within(ctx, g)
}

// within holds a request that names scopes or a resource to what was granted. It reads the Session before anything is
// written, so that a wrong one costs no generation. A request that names neither is spared that, unless the client is one
// that could have been granted several resources and must say which.
func (h refreshGrant) within(ctx context.Context, g grantRequest) error {
	wanted := identity.SplitScope(g.param("scope"))
	if len(wanted) == 0 && len(g.resources()) == 0 && len(g.client.Resources) < 2 {
		return nil
	}
	s, err := h.e.store.SessionByID(ctx, g.refresh.SessionID)
	if identity.KindOf(err) == identity.NotFound || err == nil && !g.refresh.Secret.Matches(s.SecretHash) {
		return nil // the refresh itself says what is wrong
	}
	if err != nil {
		return err
	}
	if err := h.e.address(g, s.Resources); err != nil {
		return err
	}
	return narrow(g, s, wanted)
}

// narrow takes a scope parameter to the access token of this answer; the Session keeps what was granted (RFC 6749 §6).
func narrow(g grantRequest, s identity.Session, wanted []string) error {
	for _, scope := range wanted {
		if !identity.HasScope(s.Scopes, scope) {
			return sayf(fosite.ErrInvalidScope, "The scope %s was not granted. Leave scope out to keep what was.", printable(scope))
		}
	}
	if len(wanted) > 0 {
		g.answer.scopes = wanted
	}
	return nil
}

// PopulateTokenEndpointResponse presents the token: one conditional UPDATE, which decides.
func (h refreshGrant) PopulateTokenEndpointResponse(
	ctx context.Context, req fosite.AccessRequester, resp fosite.AccessResponder,
) error {
	g, err := grantOf(req, grantRefresh)
	if err != nil {
		return err
	}
	s, next, err := h.e.o.Sessions.Refresh(ctx, g.refresh, g.holder())
	if err != nil {
		return err
	}
	if err := h.e.issue(ctx, g, s, g.client.IDTokenOnRefresh); err != nil {
		return err
	}
	h.e.giveRefresh(g, s, next)
	h.e.finish(g, resp)
	return nil
}
