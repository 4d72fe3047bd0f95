package oauth

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// introspection is the answer of RFC 7662 §2.2. A token that is not active has no other member: neither why nor whose.
type introspection struct {
	Active    bool   `json:"active"`
	Scope     string `json:"scope,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	Username  string `json:"username,omitempty"` // the e-mail address, where the token lets one know it
	TokenType string `json:"token_type,omitempty"`
	Expires   int64  `json:"exp,omitempty"`
	IssuedAt  int64  `json:"iat,omitempty"`
	Subject   string `json:"sub,omitempty"`
	Audience  string `json:"aud,omitempty"`
	Issuer    string `json:"iss,omitempty"`
	ID        string `json:"jti,omitempty"`
	SessionID string `json:"sid,omitempty"`
	ACR       string `json:"acr,omitempty"`
	AuthTime  int64  `json:"auth_time,omitempty"`
	// What marks of the feed of endings go by.
	SubEpoch    int64 `json:"sub_epoch,omitempty"`
	ClientEpoch int64 `json:"client_epoch,omitempty"`
	// AuthorizationExpiresIn is of a refresh token (draft-ietf-oauth-refresh-token-expiration-03 §7). Its refresh_token_timeout is
	// not told: it would say when the Session was last refreshed.
	AuthorizationExpiresIn int64 `json:"authorization_expires_in,omitempty"`
	// Confirm lets a resource server judge the proof that came with the token (RFC 9449 §6.2).
	Confirm *confirmation `json:"cnf,omitempty"`

	more map[string]any // claims of one's own, as they are now
}

// MarshalJSON writes claims of one's own beside the others.
func (i introspection) MarshalJSON() ([]byte, error) {
	type plain introspection
	return beside(plain(i), i.more)
}

// introspect serves POST /oauth2/introspect (RFC 7662 §2). Clients that the operator added may ask about any token, those
// that registered themselves about their own; a public client proves nothing, so it may not ask.
func (e *Endpoints) introspect(w http.ResponseWriter, r *http.Request) {
	if err := e.inspect(w, r); err != nil {
		e.refuse(w, r, atToken, err)
	}
}

// inspect answers, or returns why it can't.
func (e *Endpoints) inspect(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	c, err := e.authenticate(r.Context(), r, form)
	if err != nil {
		return err
	}
	if c.Public() {
		return say(invalidClient, "Introspection is for clients that authenticate.")
	}
	text := form.Get("token")
	if text == "" {
		return say(invalidRequest, "Send the token.")
	}
	answer, err := e.lookInto(r.Context(), text)
	if err != nil {
		return err
	}
	if c.SelfRegistered && answer.ClientID != c.ID {
		answer = introspection{}
	}
	if wantsSigned(r) {
		return e.writeSigned(w, c, answer)
	}
	e.writeJSON(w, http.StatusOK, answer)
	return nil
}

// lookInto tells the kinds of token apart by what they are; token_type_hint may be ignored (RFC 7662 §2.1).
func (e *Endpoints) lookInto(ctx context.Context, text string) (introspection, error) {
	if t, err := e.o.Keys.ReadRefresh(text); err == nil {
		return e.lookIntoRefresh(ctx, t)
	}
	token, err := e.VerifyAccessToken(text)
	if err != nil {
		return introspection{}, nil
	}
	if served, err := e.served(ctx, token); err != nil || !served {
		return introspection{}, err
	}
	if token.SessionID == "" {
		return e.stillOwn(ctx, token)
	}
	live, ok, err := e.live(ctx, e.store.RecentSession, &token)
	if err != nil || !ok {
		return introspection{}, err
	}
	live.Session.Person = &live.User
	heard, err := e.hear(ctx, HookIntrospection, live.Session, token.Audience)
	if errors.As(err, new(hookRefusal)) {
		return introspection{}, nil
	}
	if err != nil {
		return introspection{}, err
	}
	answer := told(token)
	answer.Username = usernameOf(live.User, token.Scopes())
	answer.more, err = e.claimsAbout(live.User, telling{place: inAccessToken, scopes: token.Scopes(), heard: heard})
	return answer, err
}

// told spells the claims of an active access token (RFC 7662 §2.2).
func told(token AccessClaims) introspection {
	return introspection{
		Active: true, Scope: token.Scope, ClientID: token.ClientID, TokenType: token.Confirm.tokenType(),
		Expires: token.Expires, IssuedAt: token.IssuedAt, Subject: token.Subject, Audience: token.Audience,
		Issuer: token.Issuer, ID: token.ID, SessionID: token.SessionID, ACR: token.ACR, AuthTime: token.AuthTime,
		SubEpoch: token.SubEpoch, ClientEpoch: token.ClientEpoch, Confirm: token.Confirm,
	}
}

// stillOwn judges a token that a client got for itself (RFC 6749 §4.4): no Session stands behind it, only the client.
// What it got before everything of it ended is worth nothing, also when it may come again.
func (e *Endpoints) stillOwn(ctx context.Context, token AccessClaims) (introspection, error) {
	denied, err := e.store.TokenDenied(ctx, token.ID)
	if err != nil || denied {
		return introspection{}, err
	}
	c, err := e.clientByID(ctx, token.ClientID)
	switch {
	case identity.KindOf(err) == identity.NotFound:
		return introspection{}, nil
	case err != nil:
		return introspection{}, err
	case token.ClientEpoch == 0 && time.UnixMicro(c.Epoch).Before(time.Unix(token.IssuedAt, 0)): // a reference, which says none
		token.ClientEpoch = c.Epoch
	case token.ClientEpoch != c.Epoch:
		return introspection{}, nil
	}
	return told(token), nil
}

// lookIntoRefresh calls a refresh token active when presenting it would bring tokens. The token_type keeps resource
// servers from taking it for an access token. Its exp is the Session's absolute end: the idle end would tell when the
// Session was last refreshed, and only the owner of every copy may know that (DESIGN §2).
func (e *Endpoints) lookIntoRefresh(ctx context.Context, t identity.RefreshToken) (introspection, error) {
	live, err := e.store.LiveSession(ctx, t.SessionID, "")
	s := live.Session
	var c identity.Client
	if err == nil {
		c, err = e.clientByID(ctx, s.ClientID)
	}
	if identity.KindOf(err) == identity.NotFound {
		return introspection{}, nil
	}
	if err != nil {
		return introspection{}, err
	}
	if !t.Secret.Matches(s.SecretHash) || !t.Of(s.ClientID) || !e.alive(live) || !welcome(t, s, c) {
		return introspection{}, nil
	}
	return introspection{
		Active: true, Scope: strings.Join(s.Scopes, " "), ClientID: s.ClientID, Username: usernameOf(live.User, s.Scopes),
		TokenType: "refresh_token", Expires: s.EndsAt.Unix(), Subject: s.Sub, Issuer: e.o.Issuer,
		SessionID: s.ID.String(), ACR: s.AMR.ACR(), AuthTime: s.AuthTime.Unix(),
		AuthorizationExpiresIn: e.secondsUntil(s.EndsAt), Confirm: confirm(s.Key),
	}, nil
}

// welcome reports whether the rotation rule would go on, were its client to present the token.
func welcome(t identity.RefreshToken, s identity.Session, c identity.Client) bool {
	move, _ := s.Line.Present(identity.Presented{
		Generation: t.Generation, Branch: t.Branch, Rotation: c.Rotation,
		Proved: !c.Public() || s.Key != (identity.Thumbprint{}),
	})
	return move != identity.Reuse && move != identity.Exhausted
}

func usernameOf(u identity.User, scopes []string) string {
	if !identity.HasScope(scopes, "email") {
		return ""
	}
	return u.Email
}

// introspectionType is the media type of a signed introspection answer (RFC 9701 §4); without "application/", its typ.
const introspectionType = "application/token-introspection+jwt"

// signedIntrospection is a signed introspection answer (RFC 9701 §5). It has neither sub nor exp: nobody shall take it for
// an access token (§8.1).
type signedIntrospection struct {
	Issuer   string        `json:"iss"`
	Audience string        `json:"aud"`
	IssuedAt int64         `json:"iat"`
	Token    introspection `json:"token_introspection"`
}

// writeSigned answers the client c with a JWT, whatever the token is worth: that it is worth nothing must be provable too.
func (e *Endpoints) writeSigned(w http.ResponseWriter, c identity.Client, answer introspection) error {
	key, err := e.keys.signerFor(c.IntrospectionAlg)
	if err != nil {
		return err
	}
	text, err := sign(key.introspection, signedIntrospection{
		Issuer: e.o.Issuer, Audience: c.ID, IssuedAt: e.o.Now().Unix(), Token: answer,
	})
	if err != nil {
		return err
	}
	e.unkept(w, introspectionType)
	_, _ = w.Write([]byte(text))
	return nil
}

// wantsSigned reads Accept (RFC 9110 §12.5.1): a caller who names the signed answer gets it, unless it names JSON as the
// better one. Wildcards mean JSON, as they did before there was a choice.
func wantsSigned(r *http.Request) bool {
	signed, plain := 0.0, 0.0
	for _, item := range strings.Split(strings.Join(r.Header.Values("Accept"), ","), ",") {
		kind, params, err := mime.ParseMediaType(item)
		if err != nil {
			continue
		}
		switch kind {
		case introspectionType:
			signed = max(signed, quality(params))
		case "application/json":
			plain = max(plain, quality(params))
		}
	}
	return signed > 0 && signed >= plain
}

// quality is how much a media type is wanted, from 0 to 1; what cannot be read is not wanted.
func quality(params map[string]string) float64 {
	text, said := params["q"]
	if !said {
		return 1
	}
	q, err := strconv.ParseFloat(text, 64)
	if err != nil || !(q >= 0 && q <= 1) {
		return 0
	}
	return q
}
