package oauth

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

// What someone without a good access token is told (RFC 6750 §3.1).
var (
	errToken   = identity.Refuse(identity.BadLogin, "The access token is not valid here, has expired, or its session is over.")
	errNoToken = identity.Refuse(identity.BadLogin, "Send an access token as Authorization: Bearer.")
	errScope   = say(insufficientScope, "The access token needs the scope openid.")
	// errNobody refuses a token that a client got for itself (RFC 6749 §4.4) where somebody must have signed in.
	errNobody = say(insufficientScope, "Nobody signed in for this access token: send one of a session.")
)

// userinfo serves GET and POST /oauth2/userinfo (OpenID Connect Core 1.0 §5.3).
func (e *Endpoints) userinfo(w http.ResponseWriter, r *http.Request, c caller) error {
	if !identity.HasScope(c.token.Scopes(), "openid") {
		return errScope
	}
	session := c.live.Session
	session.Person = &c.live.User
	heard, err := e.hear(r.Context(), HookUserinfo, session, e.o.Issuer)
	if refusal, is := errors.AsType[hookRefusal](err); is {
		return refusal.as(accessDenied)
	}
	if err != nil {
		return err
	}
	told, err := e.claimsAbout(c.live.User, telling{place: inUserinfo, scopes: c.token.Scopes(), session: session, heard: heard})
	if err != nil {
		return err
	}
	told["sub"] = c.live.Session.Sub
	client, err := e.clientByID(r.Context(), c.token.ClientID)
	if err != nil {
		return err
	}
	if client.UserinfoAlg != "" {
		return e.signUserinfo(w, client, told)
	}
	e.writeJSON(w, http.StatusOK, told)
	return nil
}

// signUserinfo answers with a JWT (OpenID Connect Core 1.0 §5.3.2). It has neither exp nor a typ: nobody shall take it for an
// ID token, and we don't as a hint.
func (e *Endpoints) signUserinfo(w http.ResponseWriter, c identity.Client, told map[string]any) error {
	key, err := e.keys.signerFor(c.UserinfoAlg)
	if err != nil {
		return err
	}
	told["iss"], told["aud"], told["iat"] = e.o.Issuer, c.ID, e.o.Now().Unix()
	text, err := sign(key.userinfo, told)
	if err != nil {
		return err
	}
	e.unkept(w, "application/jwt")
	_, _ = w.Write([]byte(text))
	return nil
}

// caller is who stands behind a good access token: what the token says, and its Session as it is now.
type caller struct {
	token AccessClaims
	live  identity.Live
}

// appHandler answers a caller, or returns why it can't.
type appHandler func(w http.ResponseWriter, r *http.Request, c caller) error

// forApp makes an endpoint for apps that hold an access token; methods are those that it takes.
func (e *Endpoints) forApp(serve appHandler, methods ...string) http.HandlerFunc {
	return e.answering(e.store.LiveSession, serve, methods)
}

// forReader is forApp for what only tells, and writes nothing: its Session may be as it was a second ago.
func (e *Endpoints) forReader(serve appHandler, methods ...string) http.HandlerFunc {
	return e.answering(e.store.RecentSession, serve, methods)
}

// liveReader reads what stands behind an access token.
type liveReader func(ctx context.Context, id identity.ID, jti string) (identity.Live, error)

func (e *Endpoints) answering(read liveReader, serve appHandler, methods []string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		e.proofs.offer(w, r)
		if !slices.Contains(methods, r.Method) {
			w.Header().Set("Allow", strings.Join(methods, ", ")+", OPTIONS")
			e.refuseBearer(w, r, sayf(methodNotAllowed, "Use %s.", strings.Join(methods, " or ")))
			return
		}
		c, err := e.caller(w, r, read)
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

// caller judges the access token of a request, as every API of our own does: it is ours and meant for us, comes as it has
// to, and its Session lives.
func (e *Endpoints) caller(w http.ResponseWriter, r *http.Request, read liveReader) (caller, error) {
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
	live, ok, err := e.live(r.Context(), read, &token)
	if err != nil {
		return caller{}, err
	}
	if !ok {
		return caller{}, errToken
	}
	return caller{token, live}, nil
}

// presented returns the access token of a request. It is taken from the header or from a form, but never from the
// address, which ends up in logs and histories (RFC 9700 §4.3.2).
func presented(w http.ResponseWriter, r *http.Request) (string, error) {
	if r.URL.Query().Has("access_token") {
		return "", say(invalidRequest, "Send the access token as Authorization: Bearer, not in the address.")
	}
	scheme, token := identity.AuthorizationOf(r.Header.Values("Authorization"))
	if scheme != "bearer" && scheme != "dpop" {
		token = ""
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method == http.MethodPost && err == nil && kind == "application/x-www-form-urlencoded" {
		form, err := readForm(w, r)
		if err != nil {
			return "", err
		}
		if token != "" && form.Has("access_token") { // RFC 6750 §2
			return "", say(invalidRequest, "Send the access token once: in the header or in the body.")
		}
		token += form.Get("access_token")
	}
	if token == "" {
		return "", errNoToken
	}
	return token, nil
}

// live reads, in one statement or from memory, what stands behind an access token of a Session: whether the Session lives, its user may
// sign in, and the token was not revoked. It fills in what a reference token leaves to the row.
func (e *Endpoints) live(ctx context.Context, read liveReader, token *AccessClaims) (identity.Live, bool, error) {
	id, err := uuid.Parse(token.SessionID)
	if err != nil {
		return identity.Live{}, false, nil // a token that a client got for itself
	}
	live, err := read(ctx, id, token.ID)
	return e.judged(token, live, err)
}

// judged is what follows from a read of what stands behind an access token.
func (e *Endpoints) judged(token *AccessClaims, live identity.Live, err error) (identity.Live, bool, error) {
	if identity.KindOf(err) == identity.NotFound {
		return live, false, nil
	}
	token.fill(live.Session)
	return live, err == nil && !live.Denied && token.points(live.Session) && e.alive(live), err
}

func (e *Endpoints) alive(live identity.Live) bool {
	return live.Session.Alive(e.o.Now()) && live.User.DisabledAt.IsZero()
}

// refuseBearer answers as RFC 6750 §3 and RFC 9449 §7.1 want it: with a challenge whatever was wrong about the token or
// the proof that came with it.
func (e *Endpoints) refuseBearer(w http.ResponseWriter, r *http.Request, err error) {
	v := surface(atApp).judge(err)
	if v.Code == invalidProof.code || v.Code == useNonce.code {
		v.status = http.StatusUnauthorized
	}
	for _, challenge := range e.challenges(r, v, err) {
		w.Header().Add("WWW-Authenticate", challenge)
	}
	e.tell(w, r, v, err)
}

// challenges say what was wrong in the scheme that was tried, where to learn how to get a token and with which scope, and no
// error to someone who sent no token at all. Beside a bearer's stands that there is DPoP, too (RFC 9449 §7.2).
func (e *Endpoints) challenges(r *http.Request, v verdict, err error) []string {
	more := e.whereResource(r)
	switch v.status {
	case http.StatusBadRequest:
	case http.StatusUnauthorized, http.StatusForbidden:
		more = `, scope="openid"` + more
	default:
		return nil
	}
	none := e.dpopChallenge(verdict{}) + more
	switch {
	case errors.Is(err, errNoToken):
		return []string{`Bearer realm="` + e.o.Issuer + `"` + more, none}
	case usesDPoP(r):
		return []string{e.dpopChallenge(v) + more}
	case v.status == http.StatusUnauthorized:
		return []string{e.challenge(v) + more, none}
	default:
		return []string{e.challenge(v) + more}
	}
}
