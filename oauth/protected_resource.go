package oauth

import (
	"net/http"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/sojourn-auth/sojourn/identity"
)

// resourcePath is where it stands what a client must know to get tokens for one of our own APIs: before the path of the API
// itself (RFC 9728 §3.1).
const resourcePath = "/.well-known/oauth-protected-resource"

// protectedResource is what such a document tells (RFC 9728 §2).
type protectedResource struct {
	Resource  string                    `json:"resource"` // the address that was asked, letter by letter, or clients throw it away (§3.3)
	Servers   []string                  `json:"authorization_servers"`
	Scopes    []string                  `json:"scopes_supported"`
	Methods   []string                  `json:"bearer_methods_supported"`
	ProofAlgs []jose.SignatureAlgorithm `json:"dpop_signing_alg_values_supported"`
}

// ownAPI is an API of our own behind an access token. All of them are one audience, the issuer: what names one of them with
// resource names all (RFC 8707 §2 lets a server map to a more general name).
type ownAPI struct {
	path     string
	document document
}

// ownAPIs are the server as a whole, what apps are told of their session, and userinfo. offline_access is in no list: it is no
// right at an API, and who sees it here would ask for it.
func (e *Endpoints) ownAPIs() ([]ownAPI, error) {
	all := slices.DeleteFunc(slices.Clone(identity.Scopes), func(scope string) bool { return scope == "offline_access" })
	told := []struct {
		path            string
		scopes, methods []string
	}{
		{"", all, []string{"header", "body"}},
		{mePath, []string{"openid", identity.ScopeDevices}, []string{"header"}},
		{userinfoPath, []string{"openid", "profile", "email"}, []string{"header", "body"}},
	}
	var apis []ownAPI
	for _, t := range told {
		d, err := newDocument(protectedResource{e.o.Issuer + t.path, []string{e.o.Issuer}, t.scopes, t.methods, proofAlgs})
		if err != nil {
			return nil, err
		}
		apis = append(apis, ownAPI{t.path, d})
	}
	return apis, nil
}

// resourceMetadata serves the documents.
func (e *Endpoints) resourceMetadata(w http.ResponseWriter, r *http.Request) {
	for _, api := range e.apis {
		if r.URL.Path == resourcePath+api.path {
			api.document.serve(w, r, "application/json")
		}
	}
}

// whereResource is the parameter of a challenge that leads to the document of the API that was asked (RFC 9728 §5.1).
func (e *Endpoints) whereResource(r *http.Request) string {
	path := userinfoPath
	if r.URL.Path == mePath || strings.HasPrefix(r.URL.Path, mePath+"/") {
		path = mePath
	}
	return `, resource_metadata="` + e.o.Issuer + resourcePath + path + `"`
}

// ours reports whether a resource that a client names is this server, or an API of it: with a slash at its end as well, as
// libraries send what has no path.
func (e *Endpoints) ours(resource string) bool {
	path, ok := strings.CutPrefix(strings.TrimSuffix(resource, "/"), e.o.Issuer)
	return ok && slices.ContainsFunc(e.apis, func(api ownAPI) bool { return api.path == path })
}
