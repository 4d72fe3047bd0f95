package admin

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// problem is a refusal (RFC 9457 §3). Without a type it is about:blank: the title is the status's own phrase (§4.2.1).
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Field  string `json:"field,omitempty"` // the part of the request that was wrong
}

// reply is how a kind of refusal is answered: its status, and what is said where the refusal itself may not be told.
type reply struct {
	status int
	detail string
}

// table says how every kind of refusal is answered.
var table = map[identity.Kind]reply{
	identity.Internal:    {http.StatusInternalServerError, "That was our fault and is in the log. Try again in a moment."},
	identity.Invalid:     {status: http.StatusBadRequest},
	identity.BadLogin:    {status: http.StatusUnauthorized},
	identity.SignInAgain: {status: http.StatusUnauthorized},
	identity.Forbidden:   {status: http.StatusForbidden},
	identity.NotFound:    {status: http.StatusNotFound},
	identity.Conflict:    {status: http.StatusConflict},
	identity.Throttled:   {status: http.StatusTooManyRequests},
	identity.Unavailable: {http.StatusServiceUnavailable, "The database is away. Send the same request again in a moment."},
	identity.NoProof:     {status: http.StatusUnauthorized},
}

// awayWait is when to ask again while the database is away.
const awayWait = 2 * time.Second

// refuse answers an error. What is no refusal goes into the log, and the caller is told nothing of it.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	kind := identity.KindOf(err)
	p := problem{Status: table[kind].status, Title: http.StatusText(table[kind].status), Detail: table[kind].detail}
	wait := awayWait
	if refusal, ok := errors.AsType[*identity.Error](err); ok && p.Detail == "" {
		p.Detail, p.Field, wait = refusal.Msg, refusal.Field, refusal.Wait
	}
	switch p.Status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", challenge(r))
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	}
	if p.Status >= http.StatusInternalServerError {
		a.o.Log.ErrorContext(r.Context(), "admin request failed", "error", err)
	}
	p.write(w, r)
}

// challenge says how to authenticate; a token that was sent was wrong (RFC 6750 §3).
func challenge(r *http.Request) string {
	if bearerOf(r) == "" {
		return `Bearer realm="sojourn admin"`
	}
	return `Bearer realm="sojourn admin", error="invalid_token"`
}

// Refusal is the handler that refuses with a status and a sentence, for what the server notices before the API does.
func (a *API) Refusal(status int, detail string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		problem{Status: status, Title: http.StatusText(status), Detail: detail}.write(w, r)
	})
}

func (p problem) write(w http.ResponseWriter, r *http.Request) {
	identity.TrailOf(r.Context()).Refusal = p.Title
	w.Header().Set("Content-Type", "application/problem+json")
	writeJSON(w, p.Status, p)
}
