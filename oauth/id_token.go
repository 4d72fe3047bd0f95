package oauth

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sojourn-auth/sojourn/identity"
)

// idTokenTTL is how long an ID token is worth something. Apps read it once; it is long for those that pass it on.
const idTokenTTL = time.Hour

// idClaims are what an ID token says (OpenID Connect Core 1.0 §2).
type idClaims struct {
	Issuer     string   `json:"iss"`
	Subject    string   `json:"sub"`
	Audience   string   `json:"aud"`
	Expires    int64    `json:"exp"`
	IssuedAt   int64    `json:"iat"`
	AuthTime   int64    `json:"auth_time"`
	Nonce      string   `json:"nonce,omitempty"`
	ACR        string   `json:"acr"`
	AMR        []string `json:"amr"`
	SessionID  string   `json:"sid"`
	AccessHash string   `json:"at_hash"`
}

// idToken signs an ID token of a Session for the client c, beside the access token that it is issued with. The nonce is
// that of the authorization request; a refresh has none (OpenID Connect Core 1.0 §12.2).
func (e *Endpoints) idToken(ctx context.Context, c identity.Client, s identity.Session, a answer) (string, error) {
	now := e.o.Now()
	key, err := e.keys.signerFor(c.IDTokenAlg)
	if err != nil {
		return "", err
	}
	claims := idClaims{
		Issuer: e.o.Issuer, Subject: s.Sub, Audience: c.ID,
		Expires: now.Add(idTokenTTL).Unix(), IssuedAt: now.Unix(), AuthTime: s.AuthTime.Unix(), Nonce: a.nonce,
		ACR: s.AMR.ACR(), AMR: s.AMR.Names(), SessionID: s.ID.String(), AccessHash: halfHash(key.alg, a.AccessToken),
	}
	t := telling{inIDToken, c, a.scopes, s, a.heard}
	if !t.aboutPerson() && !e.maps(inIDToken, a.scopes) {
		return sign(key.idToken, claims)
	}
	user, err := e.person(ctx, s)
	if err != nil {
		return "", err
	}
	more, err := e.claimsAbout(user, t)
	if err != nil {
		return "", err
	}
	said, err := beside(claims, more)
	if err != nil {
		return "", err
	}
	return sign(key.idToken, said)
}

// halfHash is at_hash: the left half of the hash that the signature algorithm uses (OpenID Connect Core 1.0 §3.1.3.6).
// Ed25519 uses SHA-512.
func halfHash(alg, token string) string {
	if sameAlg(alg, "EdDSA") {
		sum := sha512.Sum512([]byte(token))
		return base64.RawURLEncoding.EncodeToString(sum[:sha512.Size/2])
	}
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:sha256.Size/2])
}

// hint is what an id_token_hint says.
type hint struct {
	Issuer    string `json:"iss"`
	Subject   string `json:"sub"`
	Audience  string `json:"aud"` // we issue for one client at a time
	SessionID string `json:"sid"`
}

// session returns the Session that the ID token was issued in, or zero.
func (h hint) session() (id identity.ID) {
	if id.UnmarshalText([]byte(h.SessionID)) != nil {
		return identity.ID{}
	}
	return id
}

// hinted reads an id_token_hint: an ID token that we signed with any key that is still known, expired or not (OpenID
// Connect Core 1.0 §3.1.2.1, RP-Initiated Logout 1.0 §2). Anything else is none.
func (e *Endpoints) hinted(text string) (h hint, ok bool) {
	payload, _, err := e.keys.verify(text, "JWT", jose.RS256, jose.ES256, jose.EdDSA, jose.PS256, algEd25519)
	if err != nil || json.Unmarshal(payload, &h) != nil || h.Issuer != e.o.Issuer {
		return hint{}, false
	}
	return h, true
}
