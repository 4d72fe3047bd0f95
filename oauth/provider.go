package oauth

import (
	"context"
	"errors"
	"time"

	jose3 "github.com/go-jose/go-jose/v3"
	"github.com/ory/fosite"

	"github.com/sojourn-auth/sojourn/identity"
)

// newProvider sets fosite up. Every field that a getter would fill in later is set now, because those getters write
// without a lock. None of fosite's own handlers takes part: theirs store one row per token.
func (e *Endpoints) newProvider() *fosite.Fosite {
	config := &fosite.Config{
		AccessTokenLifespan:          e.o.AccessTTL,
		AuthorizeCodeLifespan:        identity.CodeTTL,
		IDTokenLifespan:              idTokenTTL,
		IDTokenIssuer:                e.o.Issuer,
		AccessTokenIssuer:            e.o.Issuer,
		TokenURL:                     e.o.Issuer + tokenPath,
		ScopeStrategy:                fosite.ExactScopeStrategy,
		AudienceMatchingStrategy:     fosite.ExactAudienceMatchingStrategy,
		MinParameterEntropy:          1, // 0 would mean 8; and state is optional, see authorization.frame
		RefreshTokenScopes:           []string{},
		AllowedPromptValues:          prompts,
		ClientAuthenticationStrategy: e.authenticateForFosite,
		JWKSFetcherStrategy:          noFetch{},
		AuthorizeEndpointHandlers:    fosite.AuthorizeEndpointHandlers{codeIssuer{e}},
		TokenEndpointHandlers:        fosite.TokenEndpointHandlers{codeGrant{e}, refreshGrant{e}, clientGrant{e}},
	}
	config.ClientSecretsHasher = &fosite.BCrypt{Config: config}
	return fosite.NewOAuth2Provider(clientsOf{e}, config)
}

// clientsOf is the one storage that fosite is given.
type clientsOf struct{ e *Endpoints }

type askingKey struct{}

// withClient lets fosite find the client that this authorization request was already matched to.
func withClient(ctx context.Context, c client) context.Context {
	return context.WithValue(ctx, askingKey{}, c)
}

// GetClient returns the client of the request. fosite calls any error of it invalid_client, but wraps the cause, so that
// surface.judge still tells a database that is away.
func (s clientsOf) GetClient(ctx context.Context, id string) (fosite.Client, error) {
	if c, ok := ctx.Value(askingKey{}).(client); ok && c.ID == id {
		return c, nil
	}
	c, err := s.e.clientByID(ctx, id)
	return client{Client: c}, err
}

var errOurs = errors.New("client assertions are checked by our own strategy")

// ClientAssertionJWTValid refuses: fosite's check and mark are two steps with a race between them.
func (clientsOf) ClientAssertionJWTValid(context.Context, string) error { return errOurs }

// SetClientAssertionJWT refuses, as ClientAssertionJWTValid does.
func (clientsOf) SetClientAssertionJWT(context.Context, string, time.Time) error { return errOurs }

// noFetch keeps fosite from fetching keys: it sets no limits and no guard.
type noFetch struct{}

// Resolve refuses.
func (noFetch) Resolve(context.Context, string, bool) (*jose3.JSONWebKeySet, error) {
	return nil, errOurs
}

// unstored makes a request of ours what fosite calls a session: something that its own handlers would store, and ask for
// times and names. Ours do neither.
type unstored struct{}

// SetExpiresAt does nothing: tokens carry their own times.
func (unstored) SetExpiresAt(fosite.TokenType, time.Time) {}

// GetExpiresAt returns the zero time.
func (unstored) GetExpiresAt(fosite.TokenType) time.Time { return time.Time{} }

// GetUsername returns nothing.
func (unstored) GetUsername() string { return "" }

// GetSubject returns nothing.
func (unstored) GetSubject() string { return "" }

// Clone returns nothing worth keeping.
func (unstored) Clone() fosite.Session { return unstored{} }
