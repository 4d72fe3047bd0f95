package oauth

import (
	"cmp"
	"net/http"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// errForeign refuses a token of ours that another client holds: "the request is refused and the client is informed of the
// error" (RFC 7009 §2.1), in the word that RFC 6749 §5.2 has for it. It tells nothing: who has an authentic token knows.
var errForeign = say(invalidGrant, "The token was issued to another client. Nothing was changed.")

// revoke serves POST /oauth2/revoke (RFC 7009 §2). Any authentic refresh token of the client, however old, ends its
// Session, where that is bound to a key with a proof of it, as a refresh would need; an access token is denied until it expires. Anything else is worth nothing already: 200 (§2.2). Where the
// database failed it is a 503, and the app asks again.
func (e *Endpoints) revoke(w http.ResponseWriter, r *http.Request) {
	e.proofs.offer(w, r)
	if err := e.revokeToken(w, r); err != nil {
		e.refuse(w, r, atToken, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

func (e *Endpoints) revokeToken(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	c, err := e.authenticate(r.Context(), r, form)
	if err != nil {
		return err
	}
	text := form.Get("token")
	if text == "" {
		return say(invalidRequest, "Send the token.")
	}
	if t, err := e.o.Keys.ReadRefresh(text); err == nil {
		return e.revokeRefresh(w, r, t, c)
	}
	token, err := e.VerifyAccessToken(text)
	if err != nil {
		return nil //nolint:nilerr // RFC 7009 §2.2: an invalid token is no error
	}
	if token.ClientID != c.ID {
		return errForeign
	}
	if err := e.denials.take(cmp.Or(token.SessionID, c.ID), denialPace, e.o.Now()); err != nil {
		return err
	}
	return e.store.DenyToken(r.Context(), token.ID, time.Unix(token.Expires, 0).UTC())
}

func (e *Endpoints) revokeRefresh(w http.ResponseWriter, r *http.Request, t identity.RefreshToken, c identity.Client) error {
	if !t.Of(c.ID) {
		return errForeign
	}
	h := identity.Holder{Client: c, Seen: identity.SeenFrom(r.RemoteAddr, r.UserAgent())}
	if c.Public() { // RFC 9449 §5: no other client's Sessions are bound to a key
		shown, err := e.proofs.check(w, r, "")
		if err == nil {
			err = e.proofs.spend(r.Context(), shown)
		}
		if err != nil {
			return err
		}
		h.Key = shown.key
	}
	return e.o.Sessions.Revoke(r.Context(), t, h)
}
