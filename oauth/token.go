package oauth

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/sojourn-auth/sojourn/identity"
)

// The grant types (RFC 6749 §4.1.3, §6, §4.4).
const (
	grantCode    = "authorization_code"
	grantRefresh = "refresh_token"
	grantClient  = "client_credentials"
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

	nonce    string
	scopes   []string
	audience string
}

// token serves POST /oauth2/token (RFC 6749 §3.2).
func (e *Endpoints) token(w http.ResponseWriter, r *http.Request) {
	e.proofs.offer(w, r)
	a, err := e.exchange(w, r)
	if err != nil {
		e.refuse(w, r, atToken, err)
		return
	}
	e.writeJSON(w, http.StatusOK, a)
}

// exchange decides, then issues. fosite's NewAccessRequest authenticates the client and lets a handler check everything
// that needs no write; NewAccessResponse lets it write, and the write decides.
func (e *Endpoints) exchange(w http.ResponseWriter, r *http.Request) (*answer, error) {
	form, err := readForm(w, r)
	if err != nil {
		return nil, err
	}
	// fosite calls both of these invalid_request, and loses the request over the second.
	if !form.Has("grant_type") {
		return nil, say(invalidRequest, "Send a grant_type.")
	}
	if !slices.Contains([]string{grantCode, grantRefresh, grantClient}, form.Get("grant_type")) {
		return nil, sayf(unsupportedGrantType, "grant_type must be %s, %s or %s.", grantCode, grantRefresh, grantClient)
	}
	shown, err := e.proofs.check(w, r, "")
	if err != nil {
		return nil, err
	}
	ex := &exchanging{seen: identity.SeenFrom(r.RemoteAddr, r.UserAgent()), key: shown.key}
	req, err := e.provider.NewAccessRequest(r.Context(), r, ex)
	if err != nil {
		return nil, inOurWords(err)
	}
	if err := e.proofs.spend(shown); err != nil {
		return nil, err
	}
	if _, err := e.provider.NewAccessResponse(r.Context(), req); err != nil {
		return nil, inOurWords(err)
	}
	return &ex.answer, nil
}

// exchanging is one token request on its way through fosite, which calls it a session.
type exchanging struct {
	unstored
	seen    identity.Seen
	key     identity.Thumbprint // of the key whose DPoP proof came; zero when none did
	promise identity.Promise
	refresh identity.RefreshToken
	secret  identity.Secret // the Session's: the code and the refresh token carry it
	answer  answer
}

// grantRequest is what our three token handlers have in common with fosite.
type grantRequest struct {
	fosite.AccessRequester
	client identity.Client
	*exchanging
}

// grantOf narrows a request to our own types, and checks that the client is registered for the grant and came with a proof
// if it always has to.
func grantOf(req fosite.AccessRequester, grantType string) (grantRequest, error) {
	c, ok := req.GetClient().(client)
	x, ok2 := req.GetSession().(*exchanging)
	if !ok || !ok2 || !req.GetGrantTypes().ExactOne(grantType) {
		return grantRequest{}, fosite.ErrUnknownRequest
	}
	if !c.Allows(grantType) {
		return grantRequest{}, sayf(unauthorizedClient, "This client is not registered for grant_type %s.", grantType)
	}
	if c.DPoPBound && x.key == (identity.Thumbprint{}) { // RFC 9449 §5.2
		return grantRequest{}, errNoProof
	}
	return grantRequest{AccessRequester: req, client: c.Client, exchanging: x}, nil
}

// param returns a parameter of the body.
func (g grantRequest) param(name string) string { return g.GetRequestForm().Get(name) }

// holder is who presents the code or the refresh token.
func (g grantRequest) holder() identity.Holder {
	return identity.Holder{
		Client: g.client, Proved: !g.client.Public(), Key: g.key, Seen: g.seen, Device: identity.DeviceFrom(g.param),
	}
}

// issue puts the tokens of a Session into the answer. It writes nothing.
func (e *Endpoints) issue(ctx context.Context, g grantRequest, s identity.Session, withIDToken bool) (err error) {
	a, trail := &g.answer, identity.TrailOf(ctx)
	trail.UserID, trail.SessionID = s.UserID, s.ID
	if a.scopes == nil {
		a.scopes = s.Scopes
	}
	if err = e.address(g, s.Resources); err != nil {
		return err
	}
	if a.AccessToken, err = e.accessToken(g, s); err != nil {
		return err
	}
	a.SessionExpiresIn = e.secondsUntil(s.EndsAt)
	if withIDToken && identity.HasScope(s.Scopes, "openid") {
		if a.IDToken, err = e.idToken(ctx, g.client, s, *a); err != nil {
			return err
		}
	}
	return nil
}

// giveRefresh puts the refresh token into the answer, and how long it is good: IdleEndsAt is never after EndsAt.
func (e *Endpoints) giveRefresh(g grantRequest, s identity.Session, t identity.RefreshToken) {
	g.answer.RefreshToken = e.o.Keys.RefreshText(t)
	g.answer.RefreshExpiresIn = e.secondsUntil(s.IdleEndsAt)
}

func (e *Endpoints) secondsUntil(at time.Time) int64 {
	return max(1, int64(at.Sub(e.o.Now())/time.Second))
}

// finish fills in what every answer says, and tells fosite that there is one.
func (e *Endpoints) finish(g grantRequest, resp fosite.AccessResponder) {
	g.answer.TokenType, g.answer.ExpiresIn = confirm(g.key).tokenType(), int64(e.o.AccessTTL/time.Second)
	g.answer.Scope = strings.Join(g.answer.scopes, " ")
	resp.SetAccessToken(g.answer.AccessToken)
	resp.SetTokenType(g.answer.TokenType)
}
