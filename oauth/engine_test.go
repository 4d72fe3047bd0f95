package oauth

import (
	"context"
	"net/http"
	"net/url"
	"testing"

	"github.com/ory/fosite"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestEngine_oneHandlerForEveryGrantType(t *testing.T) {
	t.Parallel()
	handlers := newEngine(&Endpoints{}).Config.GetTokenEndpointHandlers(t.Context())
	for _, grantType := range identity.GrantTypes {
		req := fosite.NewAccessRequest(&exchange{})
		req.GrantTypes = fosite.Arguments{grantType}
		found := 0
		for _, h := range handlers {
			if h.CanHandleTokenEndpointRequest(t.Context(), req) {
				found++
			}
			if h.CanSkipClientAuth(t.Context(), req) {
				t.Errorf("%T takes clients that were not authenticated", h)
			}
		}
		if found != 1 {
			t.Errorf("%d handlers take %s", found, grantType)
		}
	}
}

// bare is a handler that does nothing, so that only the engine is left.
type bare struct{ handler }

func (bare) HandleTokenEndpointRequest(context.Context, fosite.AccessRequester) error { return nil }

func (bare) PopulateTokenEndpointResponse(_ context.Context, _ fosite.AccessRequester, resp fosite.AccessResponder) error {
	resp.SetAccessToken("-")
	resp.SetTokenType("-")
	return nil
}

// BenchmarkEngine is what fosite itself costs a token request (decision 14).
func BenchmarkEngine(b *testing.B) {
	client := &fosite.DefaultClient{}
	provider := fosite.NewOAuth2Provider(matched{}, &fosite.Config{
		ClientAuthenticationStrategy: func(context.Context, *http.Request, url.Values) (fosite.Client, error) { return client, nil },
		TokenEndpointHandlers:        fosite.TokenEndpointHandlers{bare{handler{nil, identity.GrantTypeRefresh}}},
	})
	form := url.Values{"grant_type": {identity.GrantTypeRefresh}, "refresh_token": {"-"}, "client_id": {"notes"}}
	r := &http.Request{Method: http.MethodPost, Form: form, PostForm: form}
	x := &exchange{}
	b.ReportAllocs()
	for b.Loop() {
		req, err := provider.NewAccessRequest(b.Context(), r, x)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := provider.NewAccessResponse(b.Context(), req); err != nil {
			b.Fatal(err)
		}
	}
}
