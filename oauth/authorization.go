package oauth

import (
	"context"
	"encoding/base64"
	"net/url"
	"slices"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// authorization is one authorization request while it is examined and answered.
type authorization struct {
	frame
	from      string // network address that it comes from
	asked     identity.Asked
	next      string          // asked as a page of ours sent it here; empty: it came from the app
	denial    string          // that the person does not allow it, as the page says that asked
	allowal   string          // that they do
	client    identity.Client // zero while it is not known
	back      string          // the redirect URI that was matched; empty: there is no way back
	scopes    []string
	all       identity.Resources  // that there are
	resources []string            // that were asked for, as the Session will keep them
	targets   identity.Resources  // those of them that are not this server itself
	claims    string              // single claims that were asked for, as the code carries them
	demand    identity.Demand     // what it asks of the person
	challenge [32]byte            // zero: none was sent
	key       identity.Thumbprint // dpop_jkt; zero: none was sent
	standing  identity.Standing
}

// askedParams are the parameters that travel through the pages. Unknown ones are dropped (RFC 6749 §3.1), and so are
// claims_locales, display and acr_values, which may be ignored (OpenID Connect Core 1.0 §3.1.2.1): whoever has a second factor
// shows it unasked (identity.MFAPolicy.ACRValues). By ui_locales pages choose the words of resources; all else they say in one
// language.
var askedParams = []string{
	"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "code_challenge",
	"code_challenge_method", "prompt", "max_age", "id_token_hint", "login_hint", "claims", "ui_locales",
	"dpop_jkt", "device_name", "device_model", "app_version", "install_id",
	paramRequest, paramPushed, // the marks, see unfold
	paramRegistration,
}

// paramRegistration is never ignored: what it says would change the request (OpenID Connect Core 1.0 §7.2.1).
const paramRegistration = "registration"

// newAuthorization keeps of the parameters what matters.
func newAuthorization(params url.Values, now time.Time) *authorization {
	kept := url.Values{}
	for _, name := range askedParams {
		if v, ok := params[name]; ok {
			kept[name] = v[:1]
		}
	}
	if resources := identity.ResourcesOf(params); len(resources) > 0 { // RFC 8707 §2: the one that may repeat
		kept["resource"] = resources
	}
	if kept.Has(paramRegistration) {
		kept.Set(paramRegistration, "1") // that it was there is enough
	}
	return &authorization{asked: identity.NewAsked(kept, now)}
}

// match finds the client and the way back to it. Until both are known, nothing is ever redirected (RFC 6749 §4.1.2.1).
func (e *Endpoints) match(ctx context.Context, a *authorization) error {
	c, err := e.asker(ctx, a.asked.Get("client_id"), a.from)
	if err != nil {
		return err
	}
	return e.returns(ctx, a, c)
}

// asker is the client that asks, from that network address.
func (e *Endpoints) asker(ctx context.Context, id, from string) (identity.Client, error) {
	if id == "" {
		return identity.Client{}, say(invalidRequest, "The app did not say which client it is (client_id).")
	}
	c, err := e.o.Clients.Current(ctx, id, from)
	if identity.KindOf(err) == identity.NotFound {
		return c, say(invalidRequest, "No app with this client_id is registered here.")
	}
	return c, err
}

// returns finds the way back to client c.
func (e *Endpoints) returns(ctx context.Context, a *authorization, c identity.Client) error {
	a.client = c
	identity.TrailOf(ctx).Requested(c)
	uri := a.asked.RedirectURI(c)
	if uri == "" {
		return say(invalidRequest, "The app did not say where to go back to (redirect_uri).")
	}
	if !c.MatchRedirect(uri) {
		e.o.Log.DebugContext(ctx, "redirect_uri refused", "client_id", c.ID, "redirect_uri", identity.LoggedURI(uri))
		return say(invalidRequest, "The app wants to go back to an address that is not registered for it (redirect_uri).")
	}
	a.back = uri
	return nil
}

// examine checks everything that a request says, in the order in which a developer mends it.
func (e *Endpoints) examine(ctx context.Context, a *authorization) error {
	if a.asked.Params.Has(paramRegistration) {
		return say(registrationNotSupported, "The parameter registration is not supported. Register the client first.")
	}
	if err := checkForm(a); err != nil {
		return err
	}
	if a.asked.Get("response_type") == "" {
		return say(invalidRequest, "Send response_type=code.")
	}
	if !a.client.Allows(identity.GrantTypeCode) {
		return sayf(unauthorizedClient, "This client is not registered for grant_type %s.", identity.GrantTypeCode)
	}
	for _, check := range []func(context.Context, *authorization) error{
		e.checkFrame, e.checkResources, checkScopes, checkChallenge, checkJKT, e.checkDemand, e.checkClaims, e.checkHint, e.checkSize,
	} {
		if err := check(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// checkForm asks clients that were registered so to sign or push their requests (RFC 9101 §10.5, RFC 9126 §6).
func checkForm(a *authorization) error {
	switch {
	case a.client.RequestSigned && a.asked.Get(paramRequest) != markSigned:
		return say(invalidRequest, "This client must send a signed request object (request or request_uri).")
	case a.client.RequirePushed && a.asked.Get(paramPushed) == "":
		return say(invalidRequest, "This client must push its requests: see pushed_authorization_request_endpoint.")
	}
	return nil
}

// checkChallenge asks public clients for S256, and confidential ones that were registered so. A challenge that was sent
// must be one (RFC 7636 §4.2; RFC 9700 §2.1.1).
func checkChallenge(_ context.Context, a *authorization) error {
	text, method := a.asked.Get("code_challenge"), a.asked.Get("code_challenge_method")
	switch {
	case text == "" && method != "":
		return say(invalidRequest, "code_challenge_method came without a code_challenge.")
	case text == "" && (a.client.Public() || a.client.RequirePKCE):
		return say(invalidRequest, "This client must use PKCE: send code_challenge and code_challenge_method=S256.")
	case text == "":
		return nil
	case method != "S256": // left out, it would mean plain
		return say(invalidRequest, "code_challenge_method must be S256.")
	}
	// A challenge of zeros would count as none; nothing hashes to it.
	sum, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(sum) != len(a.challenge) || len(text) != 43 || a.challenge == [32]byte(sum) {
		return say(invalidRequest, "code_challenge must be the 43 characters of BASE64URL(SHA256(code_verifier)).")
	}
	a.challenge = [32]byte(sum)
	return nil
}

// checkJKT reads the thumbprint of the key that the code shall be bound to (RFC 9449 §10).
func checkJKT(_ context.Context, a *authorization) error {
	text := a.asked.Get("dpop_jkt")
	if text == "" {
		return nil
	}
	sum, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(sum) != len(a.key) || len(text) != 43 || a.key == identity.Thumbprint(sum) {
		return say(invalidRequest, "dpop_jkt must be the 43 characters of the SHA-256 thumbprint of a key (RFC 7638).")
	}
	a.key = identity.Thumbprint(sum)
	return nil
}

// checkDemand reads prompt and max_age.
func (e *Endpoints) checkDemand(_ context.Context, a *authorization) (err error) {
	if a.asked.Creates() && !e.o.SignupOpen {
		return say(invalidRequest, "prompt=create is for servers where people may sign up. This one adds them itself.")
	}
	a.demand, err = a.asked.Demand(a.client, a.all, e.o.Now())
	a.demand.Subjects = e.o.Subjects
	return err
}

// checkHint reads whom the app means. A hint that cannot be verified counts as none: its key may be long gone, and it only
// spares the person a question (OpenID Connect Core 1.0 §3.1.2.1).
func (e *Endpoints) checkHint(_ context.Context, a *authorization) error {
	text := a.asked.Get("id_token_hint")
	if text == "" {
		return nil
	}
	if token, ok := e.hinted(text); ok && a.demand.Sub == "" { // claims may have demanded one already
		a.demand.Sub = token.Subject
	}
	return nil
}

// checkSize refuses before the first page what would not fit once the person has signed in: into the address of a page, or
// into the code.
func (e *Endpoints) checkSize(_ context.Context, a *authorization) error {
	if _, err := e.o.Keys.AskedText(a.asked); err != nil {
		return err
	}
	_, err := e.o.Keys.CodeText(a.promise(e.o.Now()))
	return err
}

// boundAs is what a code names its client by. What a client publishes may change before the code is redeemed: who has a code
// that needs a key then cannot redeem it without one.
func boundAs(c identity.Client) string {
	if c.FromDocument() && !c.Public() {
		return boundByKey(c.ID)
	}
	return c.ID
}

func boundByKey(id string) string { return id + " " + methodJWT }

// promise is what the code will say of the request, whoever signs in.
func (a *authorization) promise(now time.Time) identity.Promise {
	binding := identity.NewBinding(boundAs(a.client), a.asked.Get("redirect_uri"), a.challenge)
	binding.Key = a.key
	scopes := a.scopes
	if a.demand.Stay {
		scopes = append(slices.Clone(scopes), "offline_access")
	}
	return identity.Promise{
		SessionID: identity.NewID(), SessionSecret: identity.NewSecret(), Binding: binding, IssuedAt: now, Scopes: scopes, Stay: a.demand.Stay,
		Resources: a.resources, Nonce: a.asked.Get("nonce"), Claims: a.claims, Device: identity.DeviceFrom(a.asked.Get),
	}
}
