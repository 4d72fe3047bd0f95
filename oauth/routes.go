package oauth

import "github.com/gorilla/mux"

// The paths. Discovery names them, so that no one else has to.
const (
	authorizePath  = "/oauth2/authorize"
	tokenPath      = "/oauth2/token"
	revokePath     = "/oauth2/revoke"
	introspectPath = "/oauth2/introspect"
	userinfoPath   = "/oauth2/userinfo"
	registerPath   = "/oauth2/register"
	jwksPath       = "/oauth2/jwks"
)

// Routes mounts everything under /oauth2/ and /.well-known/. Each handler judges the method itself, so that a wrong one
// is answered in the protocol's words.
func (e *Endpoints) Routes(r *mux.Router) {
	r.HandleFunc("/.well-known/openid-configuration", e.discovery)
	r.HandleFunc("/.well-known/oauth-authorization-server", e.discovery)
	r.HandleFunc(jwksPath, e.jwks)
	r.HandleFunc(authorizePath, e.authorize)
	r.HandleFunc(tokenPath, e.token)
	r.HandleFunc(revokePath, e.revoke)
	r.HandleFunc(introspectPath, e.introspect)
	r.HandleFunc(userinfoPath, e.userinfo)
	r.HandleFunc(registerPath, e.register)
	r.HandleFunc(registerPath+"/{id}", e.registration)
}
