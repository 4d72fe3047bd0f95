package oauth

import (
	"net/http"
	"net/url"

	"github.com/ory/fosite"

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
	e.o.Problem(w, r, identity.Problem{
		Status: v.status, Title: "This sign-out cannot go on",
		Msg: v.Description + " You are still signed in: go back to the app and try again, or sign out here.",
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
	}
	if len(asked.ClientID) > maxClientID {
		asked.ClientID = "" // no client has it
	}
	switch {
	case len(asked.State) > maxEcho:
		return asked, say(fosite.ErrInvalidRequest, "state may have 512 bytes.")
	case !ours: // then the page asks the person
	case asked.ClientID == "":
		asked.ClientID = token.Audience
	case asked.ClientID != token.Audience: // §2: the OP MUST verify that they match
		return asked, say(fosite.ErrInvalidRequest, "id_token_hint was issued to another client than client_id.")
	}
	return asked, nil
}
