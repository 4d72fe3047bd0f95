package oauth

import (
	_ "embed" // for the go:embed lines
	"net/http"
	"net/url"

	"github.com/sojourn-auth/sojourn/identity"
)

// signOutPage is where a person's sign-out is decided. It has the cookie, and it asks when nobody proved to be meant.
const signOutPage = "/signout"

// logout serves GET and POST /oauth2/logout (OpenID Connect RP-Initiated Logout 1.0 §2). It reads no cookie and writes
// nothing: it checks what the app says, seals it and leads on to the page. A POST from the app's page comes without the
// cookie, which is SameSite=Lax; the redirect after it has it.
func (e *Endpoints) logout(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	asked, err := e.readLogout(w, r)
	if err == nil {
		var text string
		if text, err = e.o.Keys.SignOutText(asked); err == nil {
			redirect(w, signOutPage+"?ask="+text)
			return
		}
	}
	v := surface(atAuthorize).judge(err)
	e.note(r.Context(), v, err)
	e.o.Problem(w, r, Problem{
		Status: v.status, Title: "This sign-out cannot go on",
		Msg:    "What we were asked for is not right. You are still signed in: go back to where you came from and try again, or sign out here.",
		Detail: v.Description,
	})
}

// readLogout reads the parameters. ui_locales is passed over: pages speak one language.
func (e *Endpoints) readLogout(w http.ResponseWriter, r *http.Request) (asked identity.AskedSignOut, err error) {
	var params url.Values
	switch r.Method {
	case http.MethodPost:
		params, err = readForm(w, r)
	case http.MethodGet:
		params, err = readParams(r.URL.RawQuery)
	default:
		w.Header().Set("Allow", "GET, POST")
		err = errAuthorizeMethod
	}
	if err != nil {
		return asked, err
	}
	token, ours := e.hinted(params.Get("id_token_hint"))
	asked = identity.AskedSignOut{
		ClientID: params.Get("client_id"), Sub: token.Subject, SessionID: token.session(), LoginHint: params.Get("logout_hint"),
		Back: params.Get("post_logout_redirect_uri"), State: params.Get("state"),
		At: e.o.Now().Unix(),
	}
	if len(asked.ClientID) > maxClientID {
		asked.ClientID = "" // no client has it
	}
	switch {
	case !ours: // then the page asks the person
	case asked.ClientID == "":
		asked.ClientID = token.Audience
	case asked.ClientID != token.Audience: // §2: the OP MUST verify that they match
		return asked, say(invalidRequest, "id_token_hint was issued to another client than client_id.")
	}
	return asked, nil
}

// signedOut is the answer to an app that signed out.
type signedOut struct {
	Ended     bool   `json:"ended"` // now; false: its Session was over already, or the token is worth nothing
	SessionID string `json:"sid,omitempty"`
}

// signOut serves POST /oauth2/signout: sign-out without a browser, which no specification has. RFC 7009 comes close, but
// knows nothing of the device: with device=true the browser sign-in that the app's Session began from ends too. The
// request is authenticated as a refresh is, proof included; any authentic refresh token of the client will do, however
// old. What is worth nothing already answers 200 like a revocation; a 5xx never means signed out.
func (e *Endpoints) signOut(w http.ResponseWriter, r *http.Request) {
	e.proofs.offer(w, r)
	answer, err := e.signOutApp(w, r)
	if err != nil {
		e.refuse(w, r, atToken, err)
		return
	}
	e.writeJSON(w, http.StatusOK, answer)
}

func (e *Endpoints) signOutApp(w http.ResponseWriter, r *http.Request) (signedOut, error) {
	form, err := readForm(w, r)
	if err != nil {
		return signedOut{}, err
	}
	shown, err := e.proofs.check(w, r, "")
	if err != nil {
		return signedOut{}, err
	}
	c, err := e.authenticate(r.Context(), r, form)
	if err != nil {
		return signedOut{}, err
	}
	device := form.Get("device")
	switch {
	case form.Get("refresh_token") == "":
		return signedOut{}, say(invalidRequest, "Send the refresh_token.")
	case device != "" && device != "true" && device != "false":
		return signedOut{}, say(invalidRequest, "device must be true or false.")
	case c.DPoPBound && shown.key == (identity.Thumbprint{}): // RFC 9449 §5.2
		return signedOut{}, errNoProof
	}
	a := identity.AppSignOut{
		Holder: identity.Holder{Client: c, Key: shown.key, Seen: identity.SeenFrom(r.RemoteAddr, r.UserAgent())},
		Device: device == "true",
	}
	if a.Token, err = e.o.Keys.ReadRefresh(form.Get("refresh_token")); err != nil {
		return signedOut{}, nil //nolint:nilerr // RFC 7009 §2.2: an invalid token is no error
	}
	if !a.Token.Of(c.ID) {
		return signedOut{}, errForeign
	}
	if err := e.proofs.spend(r.Context(), shown); err != nil {
		return signedOut{}, err
	}
	return e.endApp(r, a)
}

func (e *Endpoints) endApp(r *http.Request, a identity.AppSignOut) (signedOut, error) {
	identity.TrailOf(r.Context()).SessionID = a.Token.SessionID
	ended, err := e.o.Sessions.SignOut(r.Context(), a)
	if identity.KindOf(err) == identity.Forbidden {
		return signedOut{}, say(unauthorizedClient, err.Error())
	}
	answer := signedOut{Ended: ended}
	if ended {
		answer.SessionID = a.Token.SessionID.String()
	}
	return answer, err
}

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
