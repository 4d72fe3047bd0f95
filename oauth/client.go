package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

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

// document is a public answer, made once and served from memory.
type document struct {
	body []byte
	etag string
}

func newDocument(v any) (document, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return document{}, fmt.Errorf("write a public document: %w", err)
	}
	return newText(body), nil
}

func newText(body []byte) document {
	sum := sha256.Sum256(body)
	return document{body: body, etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}

// serve answers GET and HEAD. Five minutes in a cache are short against the hours that a key is published before it signs.
func (d document) serve(w http.ResponseWriter, r *http.Request, contentType string) {
	h := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD, OPTIONS")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("ETag", d.etag)
	if strings.Contains(r.Header.Get("If-None-Match"), d.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", contentType)
	if r.Method == http.MethodGet {
		_, _ = w.Write(d.body)
	}
}
