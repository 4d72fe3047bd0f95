package oauth

import (
	"context"

	"github.com/ory/fosite"

	"github.com/sojourn-auth/sojourn/identity"
)

// maxClientID is the longest client id in bytes (DESIGN §9).
const maxClientID = 64

// clientByID looks a client up. Ids that no client can have are NotFound without asking the database.
func (e *Endpoints) clientByID(ctx context.Context, id string) (identity.Client, error) {
	if id == "" || len(id) > maxClientID || !isText(id) {
		return identity.Client{}, identity.Refuse(identity.NotFound, "There is no such client.")
	}
	return e.store.ClientByID(ctx, id)
}

// client is a Client as fosite asks about it, in one request: its redirect URIs are what our matcher accepted.
type client struct {
	identity.Client
	redirects []string
}

// GetID returns the client id.
func (c client) GetID() string { return c.ID }

// GetHashedSecret returns nothing: secrets are compared by our own client authentication.
func (c client) GetHashedSecret() []byte { return nil }

// GetRedirectURIs returns the URI of this request that identity.Client.MatchRedirect accepted, or none.
func (c client) GetRedirectURIs() []string { return c.redirects }

// GetGrantTypes returns the registered grant types.
func (c client) GetGrantTypes() fosite.Arguments { return c.GrantTypes }

// GetResponseTypes returns the registered response types: code, where none is said (RFC 7591 §2).
func (c client) GetResponseTypes() fosite.Arguments {
	if len(c.ResponseTypes) == 0 {
		return fosite.Arguments{"code"}
	}
	return c.ResponseTypes
}

// GetResponseModes returns the one way in which answers go back.
func (c client) GetResponseModes() []fosite.ResponseModeType {
	return []fosite.ResponseModeType{fosite.ResponseModeQuery}
}

// GetScopes returns the registered scopes.
func (c client) GetScopes() fosite.Arguments { return identity.SplitScope(c.Scope) }

// IsPublic reports whether the client cannot authenticate.
func (c client) IsPublic() bool { return c.Public() }

// GetAudience returns nothing: resources are checked by our own handlers (RFC 8707).
func (c client) GetAudience() fosite.Arguments { return nil }
