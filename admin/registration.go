package admin

import (
	"net/http"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// RegistrationToken is an initial access token (RFC 7591 §3), which is told once, when it is made.
type RegistrationToken struct {
	Token   string    `json:"token"`
	Uses    int       `json:"uses"`
	Expires time.Time `json:"expires_at"`
}

// registrationList answers GET /api/registrations: the apps that registered themselves, the newest first.
func (a *API) registrationList(r *http.Request) (any, error) {
	q := queryOf(r, "limit", "after")
	asked := identity.ClientQuery{After: q.text("after"), Limit: q.limit()}
	if q.err != nil {
		return nil, q.err
	}
	return listOfClients(r.Context(), asked, a.o.Store.SelfRegistered)
}

// registrationTokenAdd answers POST /api/registration-tokens.
func (a *API) registrationTokenAdd(r *http.Request) (any, error) {
	body := struct {
		Uses    int `json:"uses"`
		Seconds int `json:"expires_in_seconds"`
	}{1, 24 * 60 * 60}
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	lasts := time.Duration(min(max(body.Seconds, 0), 1<<31)) * time.Second
	text, until, err := a.o.Operators.AddRegistrationToken(r.Context(), body.Uses, lasts)
	return RegistrationToken{text, body.Uses, until}, err
}
