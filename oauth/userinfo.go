package oauth

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"strings"

	"github.com/google/uuid"
	"github.com/ory/fosite"

	"github.com/sojourn-auth/sojourn/identity"
)

// What someone without a good access token is told (RFC 6750 §3.1).
var (
	errToken   = identity.Refuse(identity.BadLogin, "The access token is not valid here, has expired, or its session is over.")
	errNoToken = identity.Refuse(identity.BadLogin, "Send an access token as Authorization: Bearer.")
	errScope   = &fosite.RFC6749Error{
		ErrorField: "insufficient_scope", CodeField: http.StatusForbidden,
		DescriptionField: "The access token needs the scope openid.",
	}
)

// atBearer spells refusals as every endpoint behind a bearer token does; those of RFC 7592 are among them.
func atBearer(r replies) reply { return r.register }

// claims are what an app is told of the person who signed in (OpenID Connect Core 1.0 §5.3.2).
type claims struct {
	Subject string `json:"sub"`
	*person
}

// userinfo serves GET and POST /oauth2/userinfo (OpenID Connect Core 1.0 §5.3).
func (e *Endpoints) userinfo(w http.ResponseWriter, r *http.Request) {
	about, err := e.aboutUser(w, r)
	if err != nil {
		e.refuseBearer(w, r, err)
		return
	}
	e.writeJSON(w, http.StatusOK, about)
}

func (e *Endpoints) aboutUser(w http.ResponseWriter, r *http.Request) (claims, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST, OPTIONS")
		return claims{}, say(errMethod, "Use GET or POST.")
	}
	text, err := presented(w, r)
	if err != nil {
		return claims{}, err
	}
	token, err := e.VerifyAccessToken(text)
	if err != nil {
		return claims{}, errToken
	}
	if !identity.HasScope(token.Scopes(), "openid") {
		return claims{}, errScope
	}
	live, ok, err := e.live(r.Context(), token)
	if err != nil {
		return claims{}, err
	}
	if !ok {
		return claims{}, errToken
	}
	return claims{Subject: live.Session.Sub, person: personOf(live.User, token.Scopes())}, nil
}

// live reads, in one statement, what stands behind an access token of a Session: whether the Session lives, its user may
// sign in, and the token was not revoked.
func (e *Endpoints) live(ctx context.Context, token AccessClaims) (identity.Live, bool, error) {
	id, err := uuid.Parse(token.SessionID)
	if err != nil {
		return identity.Live{}, false, nil // a token that a client got for itself
	}
	live, err := e.store.LiveSession(ctx, id, token.ID)
	if identity.KindOf(err) == identity.NotFound {
		return live, false, nil
	}
	return live, err == nil && !live.Denied && live.Session.ClientID == token.ClientID && e.alive(live), err
}

func (e *Endpoints) alive(live identity.Live) bool {
	return live.Session.Alive(e.o.Now()) && live.User.DisabledAt.IsZero()
}

// presented returns the access token of a request. It is taken from the header or from a form, but never from the
// address, which ends up in logs and histories (RFC 9700 §4.3.2).
func presented(w http.ResponseWriter, r *http.Request) (string, error) {
	if r.URL.Query().Has("access_token") {
		return "", say(fosite.ErrInvalidRequest, "Send the access token as Authorization: Bearer, not in the address.")
	}
	token := bearerOf(r)
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method == http.MethodPost && err == nil && kind == "application/x-www-form-urlencoded" {
		form, err := readForm(w, r)
		if err != nil {
			return "", err
		}
		if token != "" && form.Has("access_token") { // RFC 6750 §2
			return "", say(fosite.ErrInvalidRequest, "Send the access token once: in the header or in the body.")
		}
		token += form.Get("access_token")
	}
	if token == "" {
		return "", errNoToken
	}
	return token, nil
}

// bearerOf returns the token of an Authorization: Bearer header; empty without one, or with several.
func bearerOf(r *http.Request) string {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.Trim(token, " ")
}

// refuseBearer answers as RFC 6750 §3 wants it: with a challenge whatever was wrong about the token, which names the scope
// that is missing, and no error to someone who sent no token at all.
func (e *Endpoints) refuseBearer(w http.ResponseWriter, r *http.Request, err error) {
	v := surface(atBearer).judge(err)
	switch {
	case errors.Is(err, errNoToken):
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+e.o.Issuer+`"`)
		e.writeJSON(w, v.status, v)
		return
	case v.status == http.StatusForbidden:
		w.Header().Set("WWW-Authenticate", e.challenge(v)+`, scope="openid"`)
	case v.status == http.StatusBadRequest:
		w.Header().Set("WWW-Authenticate", e.challenge(v))
	}
	e.refuse(w, r, atBearer, err)
}
