package oauth

import (
	"context"
	"slices"
	"strings"

	"github.com/ory/fosite"

	"github.com/sojourn-auth/sojourn/identity"
)

// clientGrant is our fosite.TokenEndpointHandler for client_credentials (RFC 6749 §4.4). It writes nothing but that the
// client was used, once.
type clientGrant struct{ handler }

// HandleTokenEndpointRequest checks the client, the scopes and the resource.
func (h clientGrant) HandleTokenEndpointRequest(_ context.Context, req fosite.AccessRequester) error {
	x, err := h.exchange(req)
	if err != nil {
		return err
	}
	if x.client.Public() {
		return say(unauthorizedClient, "client_credentials is for clients that authenticate (RFC 6749 section 4.4).")
	}
	if err := h.addressItself(x); err != nil {
		return err
	}
	wanted := identity.SplitScope(x.param("scope"))
	x.answer.scopes = slices.DeleteFunc(x.client.Known(wanted), func(scope string) bool {
		return scope == "openid" || scope == "offline_access" // both speak of a person; there is none
	})
	x.downscope()
	if len(wanted) > 0 && len(x.answer.scopes) == 0 {
		return say(invalidScope, "This client may not get any of these scopes for itself.")
	}
	return nil
}

// addressItself decides whom a token is for that no person is asked about: a resource that the operator gave this client, or
// this server.
func (h clientGrant) addressItself(x *exchange) error {
	asked, err := h.e.targeted(x.form)
	if err != nil {
		return err
	}
	if len(asked) > 1 {
		return say(invalidTarget, "An access token is for one resource: name one, and ask again for the next.")
	}
	x.answer.audience = h.e.o.Issuer
	if len(asked) == 0 || asked[0] == h.e.o.Issuer {
		return nil
	}
	r, ok := x.all.ForItself(x.client, asked[0])
	if !ok {
		return sayf(invalidTarget, "This client may not get tokens for the resource %s for itself: its operator lists those that it may.",
			printable(asked[0]))
	}
	x.answer.target, x.answer.audience = r, r.URI
	return nil
}

// PopulateTokenEndpointResponse makes an access token whose subject is the client (RFC 9068 §2.2).
func (h clientGrant) PopulateTokenEndpointResponse(
	ctx context.Context, req fosite.AccessRequester, resp fosite.AccessResponder,
) error {
	x, err := h.exchange(req)
	if err != nil {
		return err
	}
	if x.client.FirstUsedAt.IsZero() {
		if err := h.e.store.MarkClientUsed(ctx, x.client.ID); err != nil {
			return err
		}
	}
	x.answer.lasts(h.e.o.Now(), x.answer.target.Lifetime(h.e.o.AccessTTL))
	x.answer.AccessToken, err = h.e.ownToken(x)
	if err != nil {
		return err
	}
	return h.e.finish(x, resp)
}

// ownToken makes an access token that no Session stands behind, in the client's format.
func (e *Endpoints) ownToken(x *exchange) (string, error) {
	if x.client.AccessFormat == identity.FormatReference {
		return e.o.Keys.AccessText(e.newReference(x))
	}
	return e.signAccess(x.answer.target, AccessClaims{
		Subject: x.client.ID, ClientID: x.client.ID, Audience: x.answer.audience,
		Scope: strings.Join(x.answer.scopes, " "), Confirm: confirm(x.key),
		ClientEpoch: x.client.Epoch, Expires: x.answer.expires.Unix(),
	})
}
