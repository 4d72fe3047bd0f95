package resource

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const wellKnown = "/.well-known/oauth-protected-resource"

// metadata is what a client must know to get tokens for the API (RFC 9728 §2).
type metadata struct {
	Resource   string   `json:"resource"`
	Servers    []string `json:"authorization_servers"`
	Scopes     []string `json:"scopes_supported,omitempty"`
	Methods    []string `json:"bearer_methods_supported"`
	Algorithms []string `json:"dpop_signing_alg_values_supported"`
	Name       string   `json:"resource_name,omitempty"`
}

// Metadata serves the API's metadata (RFC 9728): mount it at /.well-known/oauth-protected-resource, and where
// Config.BaseURL has a path at that path after it too. Any origin may read it.
func (g *Guard) Metadata() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Cache-Control", "max-age=300")
		_ = json.NewEncoder(w).Encode(metadata{ // whoever hung up needs no answer
			Resource: g.resource(r), Servers: []string{g.cfg.Issuer}, Scopes: slices.Compact(slices.Sorted(slices.Values(g.cfg.Scopes))),
			Methods: []string{"header"}, Algorithms: g.cfg.Algs, Name: g.cfg.Name,
		})
	})
}

// resource is what a client asks tokens for (RFC 8707): the audience where that is a place of its own, else where the API is.
func (g *Guard) resource(r *http.Request) string {
	if u, err := url.Parse(g.cfg.Audience); err == nil && u.Host != "" && g.cfg.Audience != g.cfg.Issuer {
		return g.cfg.Audience
	}
	return g.addressOf(r)
}

// metadataURL is where the metadata is: the well-known path comes before the API's own (RFC 9728 §3.1).
func (g *Guard) metadataURL(r *http.Request) string {
	base := g.addressOf(r)
	if scheme, rest, ok := strings.Cut(base, "://"); ok {
		if host, path, ok := strings.Cut(rest, "/"); ok {
			return scheme + "://" + host + wellKnown + "/" + path
		}
	}
	return base + wellKnown
}
