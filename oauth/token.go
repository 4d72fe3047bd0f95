package oauth

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// answer is a successful token answer (RFC 6749 §5.1).
type answer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
	Scope        string `json:"scope,omitempty"`
	// SessionExpiresIn is the number of seconds until the Session ends whatever the app does, so that it can ask people to
	// sign in at a good moment.
	SessionExpiresIn int64 `json:"session_expires_in,omitempty"`
	// RefreshExpiresIn is the number of seconds for which the refresh token is good if nobody uses it.
	RefreshExpiresIn int64 `json:"refresh_expires_in,omitempty"`
	// The names of draft-ietf-oauth-refresh-token-expiration-03 §6.1 for both, told with a refresh token alone.
	AuthorizationExpiresIn int64 `json:"authorization_expires_in,omitempty"`
	RefreshTokenTimeout    int64 `json:"refresh_token_timeout,omitempty"`

	nonce    string
	expires  time.Time // of the access token
	scopes   []string
	audience string
	target   identity.Resource // zero: this server
	heard    map[string]json.RawMessage
}

// token serves POST /oauth2/token (RFC 6749 §3.2): it checks all that can be checked without a write, then lets the
// handler of the grant write, and the write decides.
func (e *Endpoints) token(w http.ResponseWriter, r *http.Request) {
	e.proofs.offer(w, r)
	x, err := e.admit(w, r)
	if err == nil {
		_, err = e.engine.NewAccessResponse(r.Context(), x.access)
	}
	if err != nil {
		err = inOurWords(err)
		if trail := identity.TrailOf(r.Context()); trail.Refresh != "" && identity.KindOf(err) == identity.Unavailable {
			trail.Refresh = identity.Unanswered
		}
		e.refuse(w, r, atToken, err)
		return
	}
	e.writeJSON(w, http.StatusOK, &x.answer)
}

// exchange is one token request.
type exchange struct {
	frame
	form    url.Values
	client  identity.Client
	all     identity.Resources
	seen    identity.Seen
	key     identity.Thumbprint // of the key whose DPoP proof came; zero when none did
	promise identity.Promise
	refresh identity.RefreshToken
	reach   identity.Reach  // what a refresh may be for
	mapped  bool            // tokens may say claims of one's own
	heeded  bool            // the hook was asked, where there is one
	secret  identity.Secret // the Session's: the code and the refresh token carry it
	answer  answer
}

// admit reads a token request, and has its client authenticated and its grant checked. Who is refused has touched nothing.
func (e *Endpoints) admit(w http.ResponseWriter, r *http.Request) (*exchange, error) {
	form, err := readForm(w, r)
	if err != nil {
		return nil, err
	}
	// The engine calls both of these invalid_request, and loses the request over the second.
	if !form.Has("grant_type") {
		return nil, say(invalidRequest, "Send a grant_type.")
	}
	if !slices.Contains(identity.GrantTypes, form.Get("grant_type")) {
		return nil, sayf(unsupportedGrantType, "grant_type must be one of %s.", strings.Join(identity.GrantTypes, ", "))
	}
	trail := identity.TrailOf(r.Context())
	if trail.Grant = form.Get("grant_type"); trail.Grant == identity.GrantTypeRefresh {
		trail.Refresh = identity.Refused // until it is not
	}
	shown, err := e.proofs.check(w, r, "")
	if err != nil {
		return nil, err
	}
	x := &exchange{form: form, seen: identity.SeenFrom(r.RemoteAddr, r.UserAgent()).On(r.Header.Get("Sec-CH-UA-Platform")), key: shown.key}
	x.mapped = slices.ContainsFunc(e.o.Claims, func(r identity.ClaimRule) bool { return r.AccessToken || r.IDToken })
	if x.access, err = e.engine.NewAccessRequest(r.Context(), r, x); err != nil {
		return nil, err
	}
	return x, e.proofs.spend(r.Context(), shown)
}

// permit asks that the client is registered for the grant, and came with a proof if it always has to.
func (x *exchange) permit() error {
	if grantType := x.param("grant_type"); !x.client.Allows(grantType) {
		return sayf(unauthorizedClient, "This client is not registered for grant_type %s.", grantType)
	}
	if x.client.DPoPBound && x.key == (identity.Thumbprint{}) { // RFC 9449 §5.2
		return errNoProof
	}
	return nil
}

// lasts says how long the access token does: never longer than its Session, so that nobody who reads the token alone
// believes it longer.
func (a *answer) lasts(now time.Time, ttl time.Duration, ends ...time.Time) {
	a.expires = now.Add(ttl)
	for _, end := range ends {
		if end.Before(a.expires) {
			a.expires = end
		}
	}
	a.ExpiresIn = int64(a.expires.Sub(now) / time.Second)
}

// param returns a parameter of the body.
func (x *exchange) param(name string) string { return x.form.Get(name) }

// tellsPerson reports whether the answer will bring an ID token that says more of the person than who it is, as far as
// that is known before the Session is.
func (x *exchange) tellsPerson() bool {
	return x.promise.Claims != "" || x.client.TellsProfile() && (x.param("grant_type") != identity.GrantTypeRefresh || x.client.RenewsIDToken())
}

// holder is who presents the code or the refresh token.
func (x *exchange) holder() identity.Holder {
	return identity.Holder{
		Client: x.client, Proved: !x.client.Public(), Key: x.key, Seen: x.seen, Device: identity.DeviceFrom(x.param),
		Reach: x.reach, Person: x.mapped || x.tellsPerson(),
	}
}

// issue puts the tokens of a Session into the answer. It writes nothing.
func (e *Endpoints) issue(ctx context.Context, x *exchange, s identity.Session, withIDToken bool) (err error) {
	a, trail := &x.answer, identity.TrailOf(ctx)
	trail.UserID, trail.SessionID = s.UserID, s.ID
	if e.o.Hook != nil && !x.heeded {
		return errUnheeded
	}
	if a.scopes == nil {
		a.scopes = s.Scopes
	}
	if err = e.address(x, s.Resources, s.AMR); err != nil {
		return err
	}
	x.downscope()
	a.lasts(e.o.Now(), a.target.Lifetime(e.o.AccessTTL), s.IdleEndsAt, s.EndsAt)
	if a.AccessToken, err = e.accessToken(ctx, x, s); err != nil {
		return err
	}
	a.SessionExpiresIn = e.secondsUntil(s.EndsAt)
	if withIDToken && identity.HasScope(s.Scopes, "openid") {
		if a.IDToken, err = e.idToken(ctx, x.client, s, *a); err != nil {
			return err
		}
	}
	return nil
}

// giveRefresh puts the refresh token into the answer, and how long it is good: IdleEndsAt is never after EndsAt.
func (e *Endpoints) giveRefresh(x *exchange, s identity.Session, t identity.RefreshToken) {
	a := &x.answer
	a.RefreshToken = e.o.Keys.RefreshText(t)
	a.RefreshExpiresIn = e.secondsUntil(s.IdleEndsAt)
	a.RefreshTokenTimeout, a.AuthorizationExpiresIn = a.RefreshExpiresIn, a.SessionExpiresIn
}

func (e *Endpoints) secondsUntil(at time.Time) int64 {
	return max(1, int64(at.Sub(e.o.Now())/time.Second))
}
