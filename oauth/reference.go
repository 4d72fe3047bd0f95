package oauth

import (
	"slices"
	"strings"

	"github.com/sojourn-auth/sojourn/identity"
)

// reference seals an access token of a Session. Nothing is stored: what the Session's row says, it says when it is asked.
func (e *Endpoints) reference(g grantRequest, s identity.Session) (string, error) {
	t := e.newReference(g)
	t.SessionID, t.Secret = s.ID, g.secret
	if slices.Equal(t.Scopes, s.Scopes) {
		t.Scopes = nil
	}
	return e.o.Keys.AccessText(t)
}

// newReference is a reference token for what the request asked and proved. As it is, the client got it for itself.
func (e *Endpoints) newReference(g grantRequest) identity.AccessToken {
	now := e.o.Now()
	return identity.AccessToken{
		ID: identity.NewID(), IssuedAt: now, Expires: now.Add(e.o.AccessTTL), Key: g.key,
		ClientID: g.client.ID, Audience: g.answer.audience, Scopes: g.answer.scopes,
	}
}

// claimsOf spells a reference token as the claims of a JWT, as far as it knows them.
func (e *Endpoints) claimsOf(t identity.AccessToken) AccessClaims {
	c := AccessClaims{
		Issuer: e.o.Issuer, Audience: t.Audience, Expires: t.Expires.Unix(), IssuedAt: t.IssuedAt.Unix(),
		ID: t.ID.String(), ClientID: t.ClientID, Scope: strings.Join(t.Scopes, " "), Confirm: confirm(t.Key),
	}
	if t.SessionID == (identity.ID{}) {
		c.Subject = t.ClientID // RFC 9068 §2.2
		return c
	}
	c.SessionID, c.secret = t.SessionID.String(), &t.Secret
	return c
}

// points reports whether the token was made for this Session: our key alone makes none (DESIGN §2).
func (c *AccessClaims) points(s identity.Session) bool {
	return c.ClientID == s.ClientID && (c.secret == nil || c.secret.Matches(s.SecretHash))
}

// fill adds what a reference token leaves to its Session's row.
func (c *AccessClaims) fill(s identity.Session) {
	if c.secret == nil {
		return
	}
	c.Subject, c.ACR, c.AuthTime = s.Sub, s.AMR.ACR(), s.AuthTime.Unix()
	if c.Scope == "" {
		c.Scope = strings.Join(s.Scopes, " ")
	}
}
