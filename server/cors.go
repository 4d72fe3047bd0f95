package server

import (
	"net/http"
	"strings"
)

// crossOrigin says with which methods a script of any origin may use an endpoint; "" for the ones that none may. These
// endpoints look at no cookie, so a star without credentials gives away nothing that a program could not have.
func crossOrigin(urlPath string) (methods string) {
	switch urlPath {
	case "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/oauth2/jwks":
		return "GET, HEAD"
	case "/oauth2/token", "/oauth2/revoke", "/oauth2/signout", "/oauth2/register":
		return "POST"
	case "/oauth2/userinfo":
		return "GET, POST"
	case "/me", eventsPath, "/me/state":
		return "GET"
	}
	if strings.HasPrefix(urlPath, "/me/sessions/") {
		return "DELETE"
	}
	if strings.HasPrefix(urlPath, "/me/state/") {
		return "GET, PUT, PATCH, DELETE"
	}
	if id, ok := strings.CutPrefix(urlPath, "/oauth2/register/"); ok && id != "" && !strings.Contains(id, "/") {
		return "GET, PUT, DELETE" // RFC 7592
	}
	return ""
}

// cors lets apps in a browser use the endpoints made for them, and answers their preflight (Fetch standard §3.2).
func cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		methods := crossOrigin(r.URL.Path)
		if methods == "" {
			next.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Expose-Headers", "Date, DPoP-Nonce, ETag, Retry-After, WWW-Authenticate, "+requestIDHeader)
		if r.Method != http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Methods", methods)
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP, If-Match, If-None-Match, Last-Event-ID")
		h.Set("Access-Control-Max-Age", "7200") // seconds; no browser keeps it longer
		h.Set("Allow", methods+", OPTIONS")
		w.WriteHeader(http.StatusNoContent)
	})
}
