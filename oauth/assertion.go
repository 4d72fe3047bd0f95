package oauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	// clockSkew is how far a client's clock may be off, both ways.
	clockSkew = 30 * time.Second
	// maxAssertionLife is how long an assertion counts, whatever its exp says, and so how long a used jti is kept.
	maxAssertionLife = 5 * time.Minute
	maxAssertion     = 8 << 10 // characters
	maxJTI           = 512
)

// assertionAlgs are identity.AssertionAlgs as jose takes them.
var assertionAlgs = func() (algs []jose.SignatureAlgorithm) {
	for _, alg := range identity.AssertionAlgs {
		algs = append(algs, jose.SignatureAlgorithm(alg))
	}
	return algs
}()

// authenticateByJWT checks a client assertion (RFC 7523 §3). Its jti is spent by an INSERT after all else has passed, in
// the client's own namespace, so that a broken request does not burn it and no other client can.
func (e *Endpoints) authenticateByJWT(r *http.Request, given credentials, form url.Values) (identity.Client, error) {
	ctx := r.Context()
	token, claimed, err := readAssertion(given)
	if err != nil {
		return identity.Client{}, err
	}
	c, err := e.claimant(r, form, claimed)
	identity.TrailOf(ctx).Requested(c)
	if identity.KindOf(err) == identity.NotFound {
		return c, e.unknown(claimed, form)
	}
	if err != nil {
		return c, err
	}
	claims, err := e.verifyAssertion(ctx, c, token)
	if err != nil {
		return c, err
	}
	if err := e.checkAssertion(claims); err != nil {
		return c, err
	}
	fresh, err := e.store.SpendAssertion(ctx, c.ID, claims.ID, lapses(claims).Add(clockSkew))
	if err == nil && !fresh {
		err = errSpent
	}
	return c, err
}

// errSpent asks for a new assertion, which is all that it takes.
var errSpent = again(invalidClient, 0, "The client assertion was used before. Make a new one, with a new jti.")

// readAssertion parses an assertion and returns whose it claims to be.
func readAssertion(given credentials) (token *jwt.JSONWebToken, clientID string, err error) {
	if len(given.assertion) > maxAssertion {
		return nil, "", say(invalidClient, "The client assertion is too long.")
	}
	token, err = jwt.ParseSigned(given.assertion, assertionAlgs)
	if err != nil {
		return nil, "", say(invalidClient,
			"The client assertion is not a JWT signed with RS256, PS256, ES256, EdDSA or Ed25519.")
	}
	var claims jwt.Claims
	if err := token.UnsafeClaimsWithoutVerification(&claims); err != nil {
		return nil, "", say(invalidClient, "The client assertion's claims cannot be read.")
	}
	if claims.Subject != claims.Issuer || given.id != "" && given.id != claims.Subject {
		return nil, "", say(invalidClient, "iss and sub of the client assertion must be the client_id.")
	}
	return token, claims.Subject, nil
}

// verifyAssertion checks the signature by the client's keys; an unknown kid makes its jwks_uri be read again.
func (e *Endpoints) verifyAssertion(ctx context.Context, c identity.Client, token *jwt.JSONWebToken) (jwt.Claims, error) {
	var claims jwt.Claims
	header := token.Headers[0]
	if c.AuthMethod != methodJWT || c.AuthSigningAlg != "" && !sameAlg(c.AuthSigningAlg, header.Algorithm) {
		return claims, errClient
	}
	key, err := e.sets.find(ctx, c, header)
	if errors.Is(err, errClient) { // a client that publishes its keys may have new ones
		if now, ok := e.o.Clients.Reread(ctx, c); ok && now.AuthMethod == methodJWT {
			key, err = e.sets.find(ctx, now, header)
		}
	}
	if err != nil {
		return claims, err
	}
	if token.Claims(key, &claims) != nil {
		return claims, errClient
	}
	return claims, nil
}

// checkAssertion judges the claims of an assertion whose signature is right (RFC 7523 §3). A late one is a 401 like any
// other that proves nothing.
func (e *Endpoints) checkAssertion(claims jwt.Claims) error {
	now := e.o.Now()
	late := func(t *jwt.NumericDate) bool { return t != nil && t.Time().After(now.Add(clockSkew)) }
	switch {
	case len(claims.Audience) != 1 || claims.Audience[0] != e.o.Issuer: // RFC 7523bis §4: nobody else can be made to take it
		return sayf(invalidClient, "aud of the client assertion must be %s and nothing else.", e.o.Issuer)
	case claims.Expiry == nil:
		return say(invalidClient, "The client assertion has no exp.")
	case !now.Add(-clockSkew).Before(lapses(claims)):
		return again(invalidClient, awayWait, "The client assertion has expired, or is older than 5 minutes. Make a new one.")
	case lapses(claims).After(now.Add(maxAssertionLife + clockSkew)):
		return say(invalidClient, "exp of the client assertion may lie 5 minutes ahead, or it needs an iat.")
	case late(claims.IssuedAt) || late(claims.NotBefore):
		return again(invalidClient, awayWait, "iat or nbf of the client assertion lies ahead. Set the clock.")
	case claims.ID == "" || len(claims.ID) > maxJTI || !isText(claims.ID):
		return say(invalidClient, "The client assertion needs a jti of at most 512 bytes.")
	}
	return nil
}

// lapses is when an assertion is worth nothing any more: at its exp, or five minutes after its iat where that comes first.
// Libraries set exp an hour ahead (RFC 7523 §3: we may limit that). It goes by the assertion alone, so that none is refused for
// a while and taken again once its jti is forgotten.
func lapses(c jwt.Claims) time.Time {
	exp := c.Expiry.Time()
	if c.IssuedAt == nil || exp.Sub(c.IssuedAt.Time()) <= maxAssertionLife {
		return exp
	}
	return c.IssuedAt.Time().Add(maxAssertionLife)
}

// pick returns the one key of a set that can have made a signature with this header: named by kid, or else the only one
// of its type. A key without use counts as one for signatures (RFC 7517 §4.2: use is optional).
func pick(set jose.JSONWebKeySet, header jose.Header) (key any, ok bool) {
	var found []jose.JSONWebKey
	for _, k := range set.Keys {
		public := k.Public()
		named := header.KeyID == "" || k.KeyID == header.KeyID
		if named && (k.Use == "" || k.Use == "sig") && public.Valid() && fits(public, header.Algorithm) {
			found = append(found, public)
		}
	}
	if len(found) != 1 {
		return nil, false
	}
	return verifierOf(found[0].Key, header.Algorithm), true
}

// fits reports whether a public key is one for alg.
func fits(k jose.JSONWebKey, alg string) bool {
	if k.Algorithm != "" && !sameAlg(k.Algorithm, alg) || !strongKey(k.Key) {
		return false
	}
	return keyFor(k.Key, alg)
}
