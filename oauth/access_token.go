package oauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sojourn-auth/sojourn/identity"
)

// accessAlg signs every access token: small, and cheap enough for each refresh.
const accessAlg = "ES256"

// maxAccessToken is the longest access token that is looked at, in characters.
const maxAccessToken = 8 << 10

// AccessClaims are what an access token says (RFC 9068 §2.2). Times are seconds since 1970. A token that a client got for
// itself has no SessionID, ACR and AuthTime. What a reference token leaves to its Session's row is missing until live has
// read it: Subject, ACR, AuthTime, and Scope where it was not narrowed.
type AccessClaims struct {
	Issuer    string `json:"iss"`
	Subject   string `json:"sub"`
	Audience  string `json:"aud"`
	Expires   int64  `json:"exp"`
	IssuedAt  int64  `json:"iat"`
	ID        string `json:"jti"`
	ClientID  string `json:"client_id"`
	Scope     string `json:"scope,omitempty"`
	SessionID string `json:"sid,omitempty"`
	ACR       string `json:"acr,omitempty"`
	AuthTime  int64  `json:"auth_time,omitempty"`
	// The epochs of the person and of the client that it was issued under: marks of the feed of endings go by them.
	SubEpoch    int64 `json:"sub_epoch,omitempty"`
	ClientEpoch int64 `json:"client_epoch,omitempty"`
	// The epoch of the resource, where it is not the first of its name.
	AudEpoch int64 `json:"aud_epoch,omitempty"`
	// Confirm names the key whose proof must come with the token (RFC 9449 §6.1); nil for a bearer's.
	Confirm *confirmation `json:"cnf,omitempty"`

	more   map[string]any   // claims of one's own, as it is signed
	secret *identity.Secret // the Session's; nil in a JWT, and in what a client got for itself
	none   bool             // a reference that says no scope at all, whatever its Session's row says
	keyID  string           // of the key that signed it; empty for a reference
}

// confirmation is a cnf claim (RFC 7800 §3.1).
type confirmation struct {
	JKT string `json:"jkt"`
}

// confirm returns the cnf claim of a key; nil for none.
func confirm(key identity.Thumbprint) *confirmation {
	if key == (identity.Thumbprint{}) {
		return nil
	}
	return &confirmation{JKT: key.String()}
}

// tokenType is how a token with this cnf claim is presented (RFC 6750 §6.1.1, RFC 9449 §7.1).
func (c *confirmation) tokenType() string {
	if c == nil {
		return "Bearer"
	}
	return "DPoP"
}

// Scopes returns the scopes that the token is good for.
func (c AccessClaims) Scopes() []string { return identity.SplitScope(c.Scope) }

// accessToken makes an access token of a Session, for what the request asked and proved, in the client's format.
func (e *Endpoints) accessToken(ctx context.Context, x *exchange, s identity.Session) (string, error) {
	if x.client.AccessFormat == identity.FormatReference {
		return e.reference(x, s)
	}
	more, err := e.accessClaims(ctx, s, x.answer)
	if err != nil {
		return "", err
	}
	return e.signAccess(x.answer.target, AccessClaims{
		Subject: s.Sub, ClientID: s.ClientID, Audience: x.answer.audience, Scope: strings.Join(x.answer.scopes, " "),
		SessionID: s.ID.String(), ACR: s.AMR.ACR(), AuthTime: s.AuthTime.Unix(), Confirm: confirm(x.key),
		SubEpoch: int64(s.Epoch), ClientEpoch: s.ClientEpoch, Expires: x.answer.expires.Unix(), more: more,
	})
}

// signAccess signs what c says for a target, with the rest filled in.
func (e *Endpoints) signAccess(target identity.Resource, c AccessClaims) (string, error) {
	c.Issuer, c.ID, c.IssuedAt, c.AudEpoch = e.o.Issuer, newJTI(), e.o.Now().Unix(), target.Epoch
	key, err := e.keys.signer(accessAlg)
	if err != nil {
		return "", err
	}
	var said any = c
	if len(c.more) > 0 {
		if said, err = beside(c, c.more); err != nil {
			return "", fmt.Errorf("write claims: %w", err)
		}
	}
	if target.TokenType == identity.TokenJWT {
		return key.accessJWT.sign(said)
	}
	return key.access.sign(said)
}

// newJTI names a token: 128 random bits, so that two are never alike.
func newJTI() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func sign(signer jose.Signer, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("write claims: %w", err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("write a token: %w", err)
	}
	return text, nil
}

// errAccess says no more on purpose: a forged token and one that has expired are worth the same.
var errAccess = identity.Refuse(identity.BadLogin, "The access token is not valid here, or has expired.")

// VerifyAccessToken returns what an access token of ours, of either format, that has not expired says, or a BadLogin
// refusal. It asks no database: whether its Session lives, whether it was revoked, and whether it is meant for whoever was
// shown it (aud), is for the caller.
func (e *Endpoints) VerifyAccessToken(text string) (AccessClaims, error) {
	claims, err := e.readAccess(text)
	if err != nil || !e.o.Now().Before(time.Unix(claims.Expires, 0)) {
		return AccessClaims{}, errAccess
	}
	return claims, nil
}

// readAccess tells the formats apart. The typ must be at+jwt (RFC 9068 §4), or the header must say that it is an access token
// where a resource server wants another typ, so an ID token is never taken for an access token.
func (e *Endpoints) readAccess(text string) (claims AccessClaims, err error) {
	if t, err := e.o.Keys.ReadAccess(text); err == nil {
		return e.claimsOf(t), nil
	}
	ring, sum := e.keys.ring.Load(), sha256.Sum256([]byte(text))
	if claims, known := ring.verified.get(sum); known {
		return claims, nil
	}
	payload, keyID, err := ring.verify(text, identity.TokenATJWT, jose.ES256)
	if err != nil || json.Unmarshal(payload, &claims) != nil || claims.Issuer != e.o.Issuer {
		return AccessClaims{}, errAccess
	}
	claims.keyID = keyID
	if e.o.Now().Before(time.Unix(claims.Expires, 0)) {
		ring.verified.put(sum, claims)
	}
	return claims, nil
}

// maxVerified is how many access tokens are remembered, at about half a kilobyte each.
const maxVerified = 10_000

// verified remembers what access tokens say whose signature was verified, by their SHA-256: an API asks about the same one
// again and again, and verifying costs more than all else but the database. It belongs to one set of published keys, so
// no token outlives its key here. That a token has expired, was revoked, or that its Session is over, is judged each time.
type verified struct {
	mu     sync.Mutex
	claims map[[sha256.Size]byte]AccessClaims
}

func newVerified() *verified { return &verified{claims: map[[sha256.Size]byte]AccessClaims{}} }

func (v *verified) get(sum [sha256.Size]byte) (AccessClaims, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	claims, known := v.claims[sum]
	return claims, known
}

// put makes room by forgetting any one: all that costs is verifying it again.
func (v *verified) put(sum [sha256.Size]byte, claims AccessClaims) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.claims) >= maxVerified {
		for other := range v.claims {
			delete(v.claims, other)
			break
		}
	}
	v.claims[sum] = claims
}

// verify returns the payload of a JWT of type typ that one of our keys signed, and that key's id. An access token's
// key must still be published: what an older key signs cannot be one of ours that is valid, only a forgery by whoever got
// hold of it.
func (k *keys) verify(text, typ string, algs ...jose.SignatureAlgorithm) (payload []byte, keyID string, err error) {
	return k.ring.Load().verify(text, typ, algs...)
}

func (r *ring) verify(text, typ string, algs ...jose.SignatureAlgorithm) (payload []byte, keyID string, err error) {
	if len(text) > maxAccessToken {
		return nil, "", errAccess
	}
	jws, err := jose.ParseSignedCompact(text, algs)
	if err != nil {
		return nil, "", errAccess
	}
	header := jws.Signatures[0].Protected
	from := r.byID
	if typ == identity.TokenATJWT {
		from = r.published
	}
	key, known := from[header.KeyID]
	if !known || header.Algorithm != key.alg || typeOf(header) != typ {
		return nil, "", errAccess
	}
	payload, err = jws.Verify(verifierOf(key.public, key.alg))
	if err != nil {
		return nil, "", errAccess
	}
	return payload, key.id, nil
}

// accessUse is what the header of an access token says as its token_use where its typ is that of an ID token. Claims could not
// tell them apart: operators and documents may give an ID token any.
const accessUse = "access"

// typeOf is the typ of a JWT of ours, at+jwt also where a resource server wanted another.
func typeOf(header jose.Header) any {
	if header.ExtraHeaders["token_use"] == accessUse {
		return identity.TokenATJWT
	}
	return header.ExtraHeaders[jose.HeaderType]
}

// reference seals an access token of a Session. Nothing is stored: what the Session's row says, it says when it is asked.
func (e *Endpoints) reference(x *exchange, s identity.Session) (string, error) {
	t := e.newReference(x)
	t.SessionID, t.Secret = s.ID, x.secret
	switch {
	case slices.Equal(t.Scopes, s.Scopes):
		t.Scopes = nil
	case len(t.Scopes) == 0:
		t.Scopes = []string{noScope}
	}
	return e.o.Keys.AccessText(t)
}

// noScope stands in a reference token that says none; no scope has that name (RFC 6749 §3.3).
const noScope = `"`

// newReference is a reference token for what the request asked and proved. As it is, the client got it for itself. It names its
// resource by the mark, which tells it from one of the same name before.
func (e *Endpoints) newReference(x *exchange) identity.AccessToken {
	audience := x.answer.audience
	if x.answer.target.URI != "" {
		audience = x.answer.target.Mark()
	}
	return identity.AccessToken{
		ID: identity.NewID(), IssuedAt: e.o.Now(), Expires: x.answer.expires, Key: x.key,
		ClientID: x.client.ID, Audience: audience, Scopes: x.answer.scopes,
	}
}

// claimsOf spells a reference token as the claims of a JWT, as far as it knows them.
func (e *Endpoints) claimsOf(t identity.AccessToken) AccessClaims {
	audience, epoch := identity.CutMark(t.Audience)
	c := AccessClaims{
		Issuer: e.o.Issuer, Audience: audience, AudEpoch: epoch, Expires: t.Expires.Unix(), IssuedAt: t.IssuedAt.Unix(),
		ID: t.ID.String(), ClientID: t.ClientID, Scope: strings.Join(t.Scopes, " "), Confirm: confirm(t.Key),
	}
	if t.SessionID == (identity.ID{}) {
		c.Subject = t.ClientID // RFC 9068 §2.2
		return c
	}
	c.SessionID, c.secret = t.SessionID.String(), &t.Secret
	if c.none = c.Scope == noScope; c.none {
		c.Scope = ""
	}
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
	c.SubEpoch, c.ClientEpoch = int64(s.Epoch), s.ClientEpoch
	if c.Scope == "" && !c.none {
		c.Scope = strings.Join(s.Scopes, " ")
	}
}
