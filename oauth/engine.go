package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/ory/fosite"

	"github.com/sojourn-auth/sojourn/identity"
)

// engine is fosite as we ask it (decision 14): it parses token and authorization requests, has the client authenticated,
// checks response type and response mode, and calls the handler of the grant, once to check and once to write.
// Only this file and the handlers (code.go, refresh_token.go, client_credentials.go) name it.
type engine struct{ *fosite.Fosite }

// newEngine sets fosite up. What its getters on our way would fill in later is set now, because they write without a lock.
// None of its own handlers takes part: theirs store one row per token.
func newEngine(e *Endpoints) engine {
	return engine{fosite.NewOAuth2Provider(matched{}, &fosite.Config{
		ScopeStrategy:                fosite.ExactScopeStrategy,
		AudienceMatchingStrategy:     fosite.ExactAudienceMatchingStrategy,
		MinParameterEntropy:          1, // 0 would mean 8; and state is optional, see checkFrame
		ClientAuthenticationStrategy: e.identify,
		AuthorizeEndpointHandlers:    fosite.AuthorizeEndpointHandlers{codeIssuer{e}},
		TokenEndpointHandlers: fosite.TokenEndpointHandlers{
			codeGrant{handler{e, identity.GrantTypeCode}},
			refreshGrant{handler{e, identity.GrantTypeRefresh}},
			clientGrant{handler{e, identity.GrantTypeClient}},
		},
	})}
}

// frame is what fosite makes of a request of ours, which embeds it. With it the request is what fosite calls a session:
// something that its own handlers would store.
type frame struct {
	fosite.DefaultSession
	access    fosite.AccessRequester
	authorize fosite.AuthorizeRequester
}

// handler is what our fosite.TokenEndpointHandlers have in common. Each has a half that checks, after which nothing has
// been touched, and a half that writes, and the write decides.
type handler struct {
	e         *Endpoints
	grantType string
}

// CanSkipClientAuth is never.
func (handler) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

// CanHandleTokenEndpointRequest tells which grant this is.
func (h handler) CanHandleTokenEndpointRequest(_ context.Context, req fosite.AccessRequester) bool {
	return req.GetGrantTypes().ExactOne(h.grantType)
}

// exchange returns the token request of ours. fosite lets every handler write: it is ErrUnknownRequest for the others.
func (h handler) exchange(req fosite.AccessRequester) (*exchange, error) {
	x, ok := req.GetSession().(*exchange)
	if !ok || !req.GetGrantTypes().ExactOne(h.grantType) {
		return nil, fosite.ErrUnknownRequest
	}
	return x, nil
}

// identify is fosite's hook for client authentication. The handlers find the client in the exchange, and what there is for it.
func (e *Endpoints) identify(ctx context.Context, r *http.Request, form url.Values) (_ fosite.Client, err error) {
	x := ctx.Value(fosite.AccessRequestContextKey).(*fosite.AccessRequest).Session.(*exchange)
	if form, err = e.named(ctx, r, form); err != nil {
		return nil, err
	}
	if x.client, err = e.authenticate(ctx, r, form); err != nil {
		return nil, err
	}
	if x.all, err = e.store.Resources(ctx); err != nil {
		return nil, err
	}
	return &fosite.DefaultClient{ID: x.client.ID}, x.permit()
}

// finish fills in what every token answer says, and tells fosite that there is one.
func (e *Endpoints) finish(x *exchange, resp fosite.AccessResponder) error {
	x.answer.TokenType = confirm(x.key).tokenType()
	x.answer.Scope = strings.Join(x.answer.scopes, " ")
	resp.SetAccessToken(x.answer.AccessToken)
	resp.SetTokenType(x.answer.TokenType)
	return nil
}

// checkFrame lets fosite check response type and response mode. It sees only the parameters that these need, and a
// stand-in for state: it would refuse a request without, and state is optional (RFC 6749 §4.1.1).
func (e *Endpoints) checkFrame(ctx context.Context, a *authorization) (err error) {
	form := url.Values{"state": {"-"}}
	for _, name := range []string{"client_id", "redirect_uri", "response_type", "response_mode"} {
		if v := a.asked.Get(name); v != "" {
			form.Set(name, v)
		}
	}
	modes := []fosite.ResponseModeType{fosite.ResponseModeQuery}
	if a.posts() {
		modes = append(modes, fosite.ResponseModeFormPost)
	}
	ctx = context.WithValue(ctx, matched{}, &fosite.DefaultResponseModeClient{
		DefaultClient: &fosite.DefaultClient{
			ID: a.client.ID, RedirectURIs: []string{a.back},
			ResponseTypes: a.client.ResponseTypes,
		},
		ResponseModes: modes,
	})
	a.authorize, err = e.engine.NewAuthorizeRequest(ctx, &http.Request{Method: http.MethodGet, Form: form})
	if err != nil {
		return inOurWords(err)
	}
	return nil
}

// checkScopes leaves out what the client cannot get, and refuses where that is all of it.
func checkScopes(_ context.Context, a *authorization) error {
	a.scopes = a.asked.ScopesFor(a.client, a.targets)
	if asked := a.asked.Scopes(); len(asked) > 0 && len(a.client.Known(asked, a.targets...)) == 0 {
		return say(invalidScope, "The app asked for permissions (scope) none of which there are, or which it may not have.")
	}
	return nil
}

// matched is the storage that fosite is given. In the context of an authorization request it finds the client that this was
// matched to, with the one redirect URI that our matcher accepted. The rest of a ClientManager is nil: only the client
// authentication in whose place ours stands would ask it.
type matched struct{ fosite.ClientManager }

// GetClient returns the client of this request.
func (m matched) GetClient(ctx context.Context, _ string) (fosite.Client, error) {
	c, ok := ctx.Value(m).(fosite.Client)
	if !ok {
		return nil, fosite.ErrNotFound
	}
	return c, nil
}

// inOurWords says what fosite itself finds wrong in sentences that a person may meet on a page. What our own handlers and
// client authentication refused comes back through it as it was; anything else of fosite's is a fault of ours.
func inOurWords(err error) error {
	theirs, ok := errors.AsType[*fosite.RFC6749Error](err)
	if !ok || errors.Is(err, identity.ErrUnavailable) {
		return err
	}
	switch theirs.ErrorField {
	case fosite.ErrUnsupportedResponseType.ErrorField:
		return say(unsupportedResponseType,
			"The app asked for an answer of a kind that is not given here: response_type must be code.")
	case fosite.ErrUnsupportedResponseMode.ErrorField: // no RFC knows its code
		return say(invalidRequest,
			"The app asked for an answer in a way that is not offered here: response_mode must be query, "+
				"or form_post with a redirect URI of https, or of http on loopback.")
	case fosite.ErrInvalidRequest.ErrorField:
		return say(invalidRequest, "The request is not one that can be answered: a parameter is missing, or has a wrong value.")
	}
	return fmt.Errorf("fosite: %w: %s", err, theirs.Debug())
}
