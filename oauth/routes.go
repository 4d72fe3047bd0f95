package oauth

import (
	"net/http"

	"github.com/gorilla/mux"
)

// The paths. Discovery names them, so that no one else has to.
const (
	authorizePath  = "/oauth2/authorize"
	pushPath       = "/oauth2/par"
	tokenPath      = "/oauth2/token"
	revokePath     = "/oauth2/revoke"
	introspectPath = "/oauth2/introspect"
	endingsPath    = "/oauth2/endings"
	userinfoPath   = "/oauth2/userinfo"
	registerPath   = "/oauth2/register"
	jwksPath       = "/oauth2/jwks"
	logoutPath     = "/oauth2/logout"
	signOutPath    = "/oauth2/signout"
	framePath      = "/oauth2/check_session"
	mePath         = "/me"
)

// Routes mounts everything under /oauth2/, /.well-known/ and /me. Each handler judges the method itself, so that a wrong one
// is answered in the protocol's words.
func (e *Endpoints) Routes(r *mux.Router) {
	r.HandleFunc("/.well-known/openid-configuration", e.discovery)
	r.HandleFunc("/.well-known/oauth-authorization-server", e.discovery)
	for _, api := range e.apis {
		r.HandleFunc(resourcePath+api.path, e.resourceMetadata)
	}
	r.HandleFunc(jwksPath, e.jwks)
	r.HandleFunc(authorizePath, e.authorize)
	r.HandleFunc(pushPath, e.push)
	r.HandleFunc(tokenPath, e.token)
	r.HandleFunc(revokePath, e.revoke)
	r.HandleFunc(introspectPath, e.introspect)
	r.HandleFunc(endingsPath, e.endings)
	r.HandleFunc(userinfoPath, e.forReader(e.userinfo, http.MethodGet, http.MethodPost))
	r.HandleFunc(logoutPath, e.logout)
	r.HandleFunc(signOutPath, e.signOut)
	r.HandleFunc(framePath, e.checkSession)
	r.HandleFunc(framePath+".js", e.checkSessionScript)
	r.HandleFunc(registerPath, e.register)
	r.HandleFunc(registerPath+"/{id}", e.registration)
	r.HandleFunc(mePath, e.forReader(e.me, http.MethodGet))
	r.HandleFunc(mePath+"/sessions/{id}", e.forApp(e.endMine, http.MethodDelete))
	r.HandleFunc(mePath+"/events", e.forApp(e.events, http.MethodGet))
	r.HandleFunc(mePath+"/state", e.forApp(e.listDocuments, http.MethodGet))
	r.HandleFunc(mePath+"/state/{key}", e.forApp(e.document, http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete))
}
