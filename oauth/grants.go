package oauth

import (
	"context"
	"strings"

	"github.com/ory/fosite"

	"github.com/sojourn-auth/sojourn/identity"
)

// codeGrant is our fosite.TokenEndpointHandler for authorization_code (RFC 6749 §4.1.3) with PKCE (RFC 7636) inside:
// fosite's deletes the challenge before it compares, so that a second try passes without any.
type codeGrant struct{ e *Endpoints }

// CanSkipClientAuth is never.
func (codeGrant) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

// CanHandleTokenEndpointRequest tells which grant this is.
func (codeGrant) CanHandleTokenEndpointRequest(_ context.Context, req fosite.AccessRequester) bool {
	return req.GetGrantTypes().ExactOne(grantCode)
}

// HandleTokenEndpointRequest checks all that a code can be checked for without the database. Whoever fails here has
// touched nothing: a code in a log is no lever (DESIGN §2).
func (h codeGrant) HandleTokenEndpointRequest(_ context.Context, req fosite.AccessRequester) error {
	g, err := grantOf(req, grantCode)
	if err != nil {
		return err
	}
	text := g.param("code")
	if text == "" {
		return say(invalidRequest, "Send the code.")
	}
	p, err := h.e.o.Keys.ReadCode(text)
	if err != nil || !p.Binding.OfClient(g.client.ID) {
		return say(invalidGrant, "The code is not one of this client. Start the sign-in again.")
	}
	if !p.Binding.Redirected(g.param("redirect_uri")) {
		return say(invalidGrant, "redirect_uri differs from the authorization request's.")
	}
	if err := checkVerifier(p.Binding, g.param("code_verifier")); err != nil {
		return err
	}
	if err := checkKey(p.Binding.Key, g.key); err != nil {
		return err
	}
	g.promise, g.secret = p, p.SessionSecret
	return h.e.address(g, p.Resources)
}

// checkVerifier compares by S256 (RFC 7636 §4.6). A verifier where no challenge was sent is refused too: someone has cut
// the challenge out of the authorization request (RFC 9700 §2.1.1, downgrade).
func checkVerifier(b identity.Binding, verifier string) error {
	switch {
	case !b.HasChallenge() && verifier == "":
		return nil
	case !b.HasChallenge():
		return say(invalidGrant, "A code_verifier came, but the authorization request had no code_challenge.")
	case verifier == "":
		return say(invalidGrant, "Send the code_verifier.")
	case !wellFormedVerifier(verifier) || !b.Verified(verifier):
		return say(invalidGrant, "The code_verifier does not answer the code_challenge.")
	}
	return nil
}

// checkKey lets only the holder of the key that the authorization request named redeem its code (RFC 9449 §10). Who comes
// without a proof can send one yet; another key never becomes the right one.
func checkKey(named, shown identity.Thumbprint) error {
	switch {
	case named == (identity.Thumbprint{}) || named == shown:
		return nil
	case shown == (identity.Thumbprint{}):
		return say(invalidProof, "The authorization request had a dpop_jkt: send a DPoP proof of that key.")
	default:
		return say(invalidGrant, "The DPoP proof is of another key than dpop_jkt named. Start the sign-in again.")
	}
}

// wellFormedVerifier knows RFC 7636 §4.1: 43 to 128 unreserved characters.
func wellFormedVerifier(v string) bool {
	odd := func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-._~", r))
	}
	return len(v) >= 43 && len(v) <= 128 && !strings.ContainsFunc(v, odd)
}

// PopulateTokenEndpointResponse starts the Session: one INSERT, which decides.
func (h codeGrant) PopulateTokenEndpointResponse(ctx context.Context, req fosite.AccessRequester, resp fosite.AccessResponder) error {
	g, err := grantOf(req, grantCode)
	if err != nil {
		return err
	}
	s, next, err := h.e.o.Sessions.Start(ctx, g.promise, g.holder())
	if err != nil {
		return err
	}
	g.answer.nonce = g.promise.Nonce
	if err := h.e.issue(ctx, g, s, true); err != nil {
		return err
	}
	if g.client.Allows(grantRefresh) {
		h.e.giveRefresh(g, s, next)
	}
	h.e.finish(g, resp)
	return nil
}

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
		return say(invalidRequest, "Send the refresh_token.")
	}
	t, err := h.e.o.Keys.ReadRefresh(text)
	if err != nil || !t.Of(g.client.ID) {
		return say(invalidGrant, "The refresh token is not one of this client. Sign in again.")
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
			return sayf(invalidScope, "The scope %s was not granted. Leave scope out to keep what was.", printable(scope))
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

// clientGrant is our fosite.TokenEndpointHandler for client_credentials (RFC 6749 §4.4). It writes nothing but that the
// client was used, once.
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
		return say(unauthorizedClient, "client_credentials is for clients that authenticate (RFC 6749 section 4.4).")
	}
	g.answer.scopes = identity.SplitScope(g.param("scope"))
	for _, scope := range g.answer.scopes {
		// Both speak of a person; there is none.
		if scope == "openid" || scope == "offline_access" || !identity.HasScope(identity.SplitScope(g.client.Scope), scope) {
			return sayf(invalidScope, "This client may not get the scope %s for itself.", printable(scope))
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
	ctx context.Context, req fosite.AccessRequester, resp fosite.AccessResponder,
) error {
	g, err := grantOf(req, grantClient)
	if err != nil {
		return err
	}
	if g.client.FirstUsedAt.IsZero() {
		if err := h.e.store.MarkClientUsed(ctx, g.client.ID); err != nil {
			return err
		}
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
