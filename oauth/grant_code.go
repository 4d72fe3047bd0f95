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
		return say(fosite.ErrInvalidRequest, "Send the code.")
	}
	p, err := h.e.o.Keys.ReadCode(text)
	if err != nil || !p.Binding.OfClient(g.client.ID) {
		return say(fosite.ErrInvalidGrant, "The code is not one of this client. Start the sign-in again.")
	}
	if !p.Binding.Redirected(g.param("redirect_uri")) {
		return say(fosite.ErrInvalidGrant, "redirect_uri differs from the authorization request's.")
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
		return say(fosite.ErrInvalidGrant, "A code_verifier came, but the authorization request had no code_challenge.")
	case verifier == "":
		return say(fosite.ErrInvalidGrant, "Send the code_verifier.")
	case !wellFormedVerifier(verifier) || !b.Verified(verifier):
		return say(fosite.ErrInvalidGrant, "The code_verifier does not answer the code_challenge.")
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
		return say(errProof, "The authorization request had a dpop_jkt: send a DPoP proof of that key.")
	default:
		return say(fosite.ErrInvalidGrant, "The DPoP proof is of another key than dpop_jkt named. Start the sign-in again.")
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
