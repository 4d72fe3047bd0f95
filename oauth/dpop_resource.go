package oauth

import (
	"net/http"
	"strings"

	"github.com/sojourn-auth/sojourn/identity"
)

// What someone is told whose access token comes in the wrong way (RFC 9449 §7.1, §7.2).
var (
	errBound = identity.Refuse(identity.BadLogin,
		"The access token is bound to a key. Send it as Authorization: DPoP, with a proof of that key in the DPoP header.")
	errUnbound = identity.Refuse(identity.BadLogin,
		"The access token is bound to no key. Send it as Authorization: Bearer.")
	errOtherKey = identity.Refuse(identity.BadLogin, "The access token is bound to another key than the DPoP proof's.")
)

// usesDPoP reports whether a request has a token with the scheme DPoP.
func usesDPoP(r *http.Request) bool {
	scheme, _ := authorizationOf(r)
	return scheme == "dpop"
}

// proven checks that an access token comes as it has to: one that is bound to a key with the scheme DPoP and a proof of
// that key made for it (RFC 9449 §7.1), any other as a bearer's (§7.2: never the one for the other).
func (e *Endpoints) proven(w http.ResponseWriter, r *http.Request, text string, token AccessClaims) error {
	switch {
	case token.Confirm == nil && usesDPoP(r):
		return errUnbound
	case token.Confirm == nil:
		return nil
	case !usesDPoP(r):
		return errBound
	}
	shown, err := e.proofs.check(w, r, text)
	switch {
	case err != nil:
		return err
	case shown.key == (identity.Thumbprint{}):
		return errNoProof
	case shown.key.String() != token.Confirm.JKT:
		return errOtherKey
	}
	return e.proofs.spend(shown)
}

// dpopChallenge is WWW-Authenticate of the scheme DPoP (RFC 9449 §7.1); without an error for who sent no token (§7.2).
func (e *Endpoints) dpopChallenge(v verdict) string {
	var algs []string
	for _, alg := range proofAlgs {
		algs = append(algs, string(alg))
	}
	challenge := `DPoP realm="` + e.o.Issuer + `", algs="` + strings.Join(algs, " ") + `"`
	if v.Code != "" {
		challenge += `, error="` + v.Code + `", error_description="` + v.Description + `"`
	}
	return challenge
}
