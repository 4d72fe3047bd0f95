package oauth

import (
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/ory/fosite"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	proofHeader = "DPoP"
	nonceHeader = "DPoP-Nonce"
)

// proofAlgs are what proofs may be signed with. None of them is symmetric (RFC 9449 §4.3, point 5).
var proofAlgs = []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA, jose.RS256}

// The error codes of RFC 9449 §5 and §8.
var (
	errProof = &fosite.RFC6749Error{ErrorField: "invalid_dpop_proof", CodeField: http.StatusBadRequest}
	errNonce = &fosite.RFC6749Error{ErrorField: "use_dpop_nonce", CodeField: http.StatusBadRequest}
)

var (
	// errReplayed is a refusal of its own kind, so that judge knows it: a new proof is all that it takes.
	errReplayed = identity.Refuse(identity.NoProof,
		"The DPoP proof was used before: its jti is known. Make a new proof for every request.")
	errNoProof = say(errProof, "Send a DPoP header with a proof of your key (RFC 9449 section 4).")
)

// proofs checks DPoP proofs (RFC 9449) and remembers those that were used.
type proofs struct {
	issuer string
	now    func() time.Time
	nonces nonces
	used   *usedProofs
}

func newProofs(o Options) *proofs {
	return &proofs{issuer: o.Issuer, now: o.Now, nonces: nonces{o.Keys, o.Now}, used: newUsedProofs(o.Now)}
}

// proof is what a DPoP proof showed that passed; the zero proof is none.
type proof struct {
	key   identity.Thumbprint
	id    string    // its jti
	until time.Time // after this moment it would not pass any more
}

// offer puts a nonce into the answer to a request that has to do with DPoP, whatever the answer will be (RFC 9449 §8.2).
func (p *proofs) offer(w http.ResponseWriter, r *http.Request) {
	if len(r.Header.Values(proofHeader)) > 0 || usesDPoP(r) {
		w.Header().Set(nonceHeader, p.nonces.fresh())
	}
}

// check judges the DPoP header of a request by RFC 9449 §4.3, and returns the zero proof when there is none. token is the
// access token that came with it, empty at the token endpoint. Refusals are invalid_dpop_proof, or use_dpop_nonce when
// nothing is wrong but the time. Nothing is written: whoever is refused has touched nothing.
func (p *proofs) check(w http.ResponseWriter, r *http.Request, token string) (proof, error) {
	headers := r.Header.Values(proofHeader)
	switch {
	case len(headers) == 0:
		return proof{}, nil
	case len(headers) > 1:
		return proof{}, say(errProof, "Send one DPoP header, not several.")
	}
	claims, key, err := readProof(headers[0])
	if err != nil {
		return proof{}, err
	}
	if err := claims.fit(call{r.Method, p.issuer + r.URL.Path, token}); err != nil {
		return proof{}, err
	}
	until, err := p.inTime(w, claims)
	return proof{key: key, id: claims.ID, until: until}, err
}

// spend uses a proof up: of many requests with one proof exactly one passes. It comes after everything that can be checked
// without it, so that only who may get something fills the memory.
func (p *proofs) spend(shown proof) error {
	if shown.key == (identity.Thumbprint{}) || p.used.first(shown) {
		return nil
	}
	return errReplayed
}
