package oauth

import (
	"context"

	"github.com/ory/fosite"

	"github.com/sojourn-auth/sojourn/identity"
)

// refreshGrant is our fosite.TokenEndpointHandler for refresh_token (RFC 6749 §6). The rotation rule is identity's.
type refreshGrant struct{ handler }

// HandleTokenEndpointRequest refuses what is not an authentic refresh token of this client before the database is asked.
func (h refreshGrant) HandleTokenEndpointRequest(ctx context.Context, req fosite.AccessRequester) error {
	x, err := h.exchange(req)
	if err != nil {
		return err
	}
	text := x.param("refresh_token")
	if text == "" {
		return say(invalidRequest, "Send the refresh_token.")
	}
	t, err := h.e.o.Keys.ReadRefresh(text)
	if err != nil || !t.Of(x.client.ID) {
		return say(invalidGrant, "The refresh token is not one of this client. Sign in again.")
	}
	x.refresh, x.secret = t, t.Secret
	identity.TrailOf(ctx).SessionID = t.SessionID
	return h.within(ctx, x)
}

// within holds a request that names scopes to what was granted, and asks the hook. It reads the Session before anything is
// written, so that a wrong one costs no generation. A request that names none is spared that where there is no hook: the write
// itself asks whether the Session is an ordinary one for what it may be for, and where it is not, its row is judged before
// anything is written.
func (h refreshGrant) within(ctx context.Context, x *exchange) (err error) {
	if x.reach, err = h.e.reachOf(x); err != nil {
		return err
	}
	wanted := identity.SplitScope(x.param("scope"))
	if len(wanted) == 0 && h.e.o.Hook == nil {
		return nil
	}
	s, err := h.e.store.SessionByID(ctx, x.refresh.SessionID)
	if identity.KindOf(err) == identity.NotFound || err == nil && !x.refresh.Secret.Matches(s.SecretHash) {
		return nil // the refresh itself says what is wrong
	}
	if err != nil {
		return err
	}
	if len(wanted) > 0 {
		if err := h.e.address(x, s.Resources, s.AMR); err != nil {
			return err
		}
		if err := narrow(x, s, wanted); err != nil {
			return err
		}
	}
	return h.consult(ctx, x, s)
}

// presenter is who presents the refresh token; a Session is judged by whom the access token is for.
func (h refreshGrant) presenter(x *exchange) identity.Holder {
	holder := x.holder()
	holder.Admits = func(s identity.Session) error { return h.e.address(x, s.Resources, s.AMR) }
	return holder
}

// narrow takes a scope parameter to the access token of this answer; the Session keeps what was granted (RFC 6749 §6). What
// was not granted is left out, as the answer's scope says.
func narrow(x *exchange, s identity.Session, wanted []string) error {
	for _, scope := range wanted {
		if identity.HasScope(s.Scopes, scope) {
			x.answer.scopes = append(x.answer.scopes, scope)
		}
	}
	x.downscope()
	if len(wanted) > 0 && len(x.answer.scopes) == 0 {
		return say(invalidScope, "None of these scopes was granted for this resource. Leave scope out to keep what was.")
	}
	return nil
}

// PopulateTokenEndpointResponse presents the token: one conditional UPDATE, which decides.
func (h refreshGrant) PopulateTokenEndpointResponse(
	ctx context.Context, req fosite.AccessRequester, resp fosite.AccessResponder,
) error {
	x, err := h.exchange(req)
	if err != nil {
		return err
	}
	s, next, err := h.e.o.Sessions.Refresh(ctx, x.refresh, h.presenter(x))
	if err != nil {
		return err
	}
	if err := h.e.issue(ctx, x, s, x.client.RenewsIDToken()); err != nil {
		return err
	}
	h.e.giveRefresh(x, s, next)
	return h.e.finish(x, resp)
}
