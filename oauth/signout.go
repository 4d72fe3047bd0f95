package oauth

import (
	"net/http"

	"github.com/ory/fosite"

	"github.com/sojourn-auth/sojourn/identity"
)

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
		return signedOut{}, say(fosite.ErrInvalidRequest, "Send the refresh_token.")
	case device != "" && device != "true" && device != "false":
		return signedOut{}, say(fosite.ErrInvalidRequest, "device must be true or false.")
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
	if err := e.proofs.spend(shown); err != nil {
		return signedOut{}, err
	}
	return e.endApp(r, a)
}

func (e *Endpoints) endApp(r *http.Request, a identity.AppSignOut) (signedOut, error) {
	identity.TrailOf(r.Context()).SessionID = a.Token.SessionID
	ended, err := e.o.Sessions.SignOut(r.Context(), a)
	if identity.KindOf(err) == identity.Forbidden {
		return signedOut{}, say(fosite.ErrUnauthorizedClient, err.Error())
	}
	answer := signedOut{Ended: ended}
	if ended {
		answer.SessionID = a.Token.SessionID.String()
	}
	return answer, err
}
