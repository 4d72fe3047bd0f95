package oauth

import (
	_ "embed" // for the go:embed lines
	"net/http"
	"net/url"

	"github.com/sojourn-auth/sojourn/identity"
)

var (
	//go:embed check_session.html
	framePage []byte
	//go:embed check_session.js
	frameScript []byte
)

// framed is the Content-Security-Policy of the page that apps hold in a frame: any origin may, it only runs our script.
const framed = "default-src 'none'; script-src 'self'; base-uri 'none'"

// checkSession serves the page of check_session_iframe (OpenID Connect Session Management 1.0 §3.2).
func (e *Endpoints) checkSession(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", framed)
	newText(framePage).serve(w, r, "text/html; charset=utf-8")
}

// checkSessionScript serves its script.
func (e *Endpoints) checkSessionScript(w http.ResponseWriter, r *http.Request) {
	newText(frameScript).serve(w, r, "text/javascript; charset=utf-8")
}

// addSessionState puts session_state into a successful answer (Session Management 1.0 §2): for apps with a web origin, in
// browsers that hold the state which it is compared with. Without the cookie the comparison would always say changed.
func (e *Endpoints) addSessionState(r *http.Request, a *authorization, answer url.Values) {
	origin := identity.WebOrigin(a.back)
	cookie, err := r.Cookie(identity.StateCookie)
	if err != nil || origin == "" || cookie.Value != a.standing.BrowserState() {
		return
	}
	answer.Set("session_state", a.standing.SessionState(a.client.ID, origin, identity.RandomText(16)))
}
