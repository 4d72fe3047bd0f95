package oauth

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/ory/fosite"

	"github.com/sojourn-auth/sojourn/identity"
)

// errNobody refuses a token that a client got for itself (RFC 6749 §4.4) where somebody must have signed in.
var errNobody = &fosite.RFC6749Error{
	ErrorField: "insufficient_scope", CodeField: http.StatusForbidden,
	DescriptionField: "Nobody signed in for this access token: send one of a session.",
}

// caller is who stands behind a good access token: what the token says, and its Session as it is now.
type caller struct {
	token AccessClaims
	live  identity.Live
}

// caller judges the access token of a request, as every API of our own does: it is ours and meant for us, comes as it has
// to, and its Session lives.
func (e *Endpoints) caller(w http.ResponseWriter, r *http.Request) (caller, error) {
	text, err := presented(w, r)
	if err != nil {
		return caller{}, err
	}
	token, err := e.VerifyAccessToken(text)
	if err != nil || token.Audience != e.o.Issuer { // RFC 8707 §3: it is meant for someone else
		return caller{}, errToken
	}
	if err := e.proven(w, r, text, token); err != nil {
		return caller{}, err
	}
	if token.SessionID == "" {
		return caller{}, errNobody
	}
	live, ok, err := e.live(r.Context(), &token)
	if err != nil {
		return caller{}, err
	}
	if !ok {
		return caller{}, errToken
	}
	return caller{token, live}, nil
}

// live reads, in one statement, what stands behind an access token of a Session: whether the Session lives, its user may
// sign in, and the token was not revoked. It fills in what a reference token leaves to the row.
func (e *Endpoints) live(ctx context.Context, token *AccessClaims) (identity.Live, bool, error) {
	id, err := uuid.Parse(token.SessionID)
	if err != nil {
		return identity.Live{}, false, nil // a token that a client got for itself
	}
	live, err := e.store.LiveSession(ctx, id, token.ID)
	if identity.KindOf(err) == identity.NotFound {
		return live, false, nil
	}
	token.fill(live.Session)
	return live, err == nil && !live.Denied && token.points(live.Session) && e.alive(live), err
}

func (e *Endpoints) alive(live identity.Live) bool {
	return live.Session.Alive(e.o.Now()) && live.User.DisabledAt.IsZero()
}

// appHandler answers a caller, or returns why it can't.
type appHandler func(w http.ResponseWriter, r *http.Request, c caller) error

// forApp makes an endpoint for apps that hold an access token; methods are those that it takes.
func (e *Endpoints) forApp(serve appHandler, methods ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		e.proofs.offer(w, r)
		if !slices.Contains(methods, r.Method) {
			w.Header().Set("Allow", strings.Join(methods, ", ")+", OPTIONS")
			e.refuseBearer(w, r, sayf(errMethod, "Use %s.", strings.Join(methods, " or ")))
			return
		}
		c, err := e.caller(w, r)
		if err == nil {
			trail := identity.TrailOf(r.Context())
			trail.UserID, trail.SessionID, trail.ClientID = c.live.User.ID, c.live.Session.ID, c.token.ClientID
			err = serve(w, r, c)
		}
		if err != nil {
			e.refuseBearer(w, r, err)
		}
	}
}
