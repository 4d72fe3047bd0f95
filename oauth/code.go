package oauth

import (
	"context"
	"strings"

	"github.com/ory/fosite"

	"github.com/sojourn-auth/sojourn/identity"
)

// codeIssuer is our fosite.AuthorizeEndpointHandler: it seals the Session that will be into a code.
type codeIssuer struct{ e *Endpoints }

// HandleAuthorizeEndpointRequest adds the code to the answer.
func (h codeIssuer) HandleAuthorizeEndpointRequest(
	_ context.Context, req fosite.AuthorizeRequester, resp fosite.AuthorizeResponder,
) error {
	a, ok := req.GetSession().(*authorization)
	if !ok || !req.GetResponseTypes().ExactOne("code") {
		return nil
	}
	s, promise := a.standing, a.promise(h.e.o.Now())
	promise.SignInID, promise.SignInSecret = s.SignIn.ID, s.Pointer.CodeSecret
	promise.Epoch, promise.ClientEpoch = s.SignIn.Epoch, a.client.Epoch
	if known := h.e.o.Subjects.Of(a.client, s.User); known != s.User.Sub {
		promise.Sub = known
	}
	promise.AuthTime, promise.AMR = s.SignIn.ProvedAt, s.SignIn.AMR
	code, err := h.e.o.Keys.CodeText(promise)
	if err != nil {
		return err
	}
	resp.AddParameter("code", code)
	req.SetResponseTypeHandled("code")
	return nil
}

// codeGrant is our fosite.TokenEndpointHandler for authorization_code (RFC 6749 §4.1.3) with PKCE (RFC 7636) inside:
// fosite's deletes the challenge before it compares, so that a second try passes without any.
type codeGrant struct{ handler }

// HandleTokenEndpointRequest checks all that a code can be checked for without the database. Whoever fails here has
// touched nothing: a code in a log is no lever (DESIGN §2).
func (h codeGrant) HandleTokenEndpointRequest(ctx context.Context, req fosite.AccessRequester) error {
	x, err := h.exchange(req)
	if err != nil {
		return err
	}
	text := x.param("code")
	if text == "" {
		return say(invalidRequest, "Send the code.")
	}
	p, err := h.e.o.Keys.ReadCode(text)
	if err != nil || !p.Binding.OfClient(boundAs(x.client)) {
		return say(invalidGrant, "The code is not one of this client. Start the sign-in again.")
	}
	if uri := x.param("redirect_uri"); !p.Binding.Redirected(uri) {
		h.e.o.Log.DebugContext(ctx, "redirect_uri refused", "client_id", x.client.ID, "redirect_uri", identity.LoggedURI(uri))
		return say(invalidGrant, "redirect_uri differs from the authorization request's.")
	} else if uri != "" && !x.client.MatchRedirect(uri) { // it went to who has that address no more
		return say(invalidGrant, "The redirect_uri is not registered any more. Start the sign-in again.")
	}
	if err := checkVerifier(p.Binding, x.param("code_verifier")); err != nil {
		return err
	}
	if err := checkKey(p.Binding.Key, x.key); err != nil {
		return err
	}
	x.promise, x.secret = p, p.SessionSecret
	if err := h.e.address(x, p.Resources, p.AMR); err != nil {
		return err
	}
	return h.consult(ctx, x)
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
	x, err := h.exchange(req)
	if err != nil {
		return err
	}
	if err := h.e.o.Clients.Keep(ctx, x.client); err != nil {
		return err
	}
	s, next, err := h.e.o.Sessions.Start(ctx, x.promise, x.holder())
	if err != nil {
		return err
	}
	x.answer.nonce = x.promise.Nonce
	if err := h.e.issue(ctx, x, s, true); err != nil {
		return err
	}
	if x.client.Allows(identity.GrantTypeRefresh) {
		h.e.giveRefresh(x, s, next)
	}
	return h.e.finish(x, resp)
}
