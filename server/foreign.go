package server

import (
	"net/http"
	"strings"
)

// ownForms refuses forms that another site posts to our pages: the cookie would go with them. The protocol's endpoints
// are left alone: authorize must take POST from anywhere (OpenID Connect Core §3.1.2.1) and changes nothing by it, the
// others look at no cookie.
func ownForms(issuer string, denied http.Handler) (func(http.Handler) http.Handler, error) {
	guard := http.NewCrossOriginProtection()
	// A proxy may change the Host header that the guard compares with.
	if err := guard.AddTrustedOrigin(issuer); err != nil {
		return nil, err
	}
	guard.SetDenyHandler(denied)
	return func(next http.Handler) http.Handler {
		guarded := guard.Handler(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isProtocol(r.URL.Path) {
				next.ServeHTTP(w, r)
				return
			}
			guarded.ServeHTTP(w, r)
		})
	}, nil
}

// isProtocol tells the endpoints that programs speak to from the pages for people.
func isProtocol(path string) bool {
	return strings.HasPrefix(path, "/oauth2/") || strings.HasPrefix(path, "/.well-known/") ||
		path == "/me" || strings.HasPrefix(path, "/me/")
}
