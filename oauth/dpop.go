package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	proofHeader = "DPoP"
	nonceHeader = "DPoP-Nonce"

	// nonceLife is how old the nonce of a proof may be.
	nonceLife = 5 * time.Minute
	// nonceRest is how old a nonce is before answers bring a new one.
	nonceRest = 2 * time.Minute
	nonceLen  = 36 // characters

	// maxUsedProofs bounds the memory of used proofs: about 50 MB, and 3,500 requests with proofs a second for five minutes.
	maxUsedProofs = 1 << 20
)

// proofAlgs are what proofs may be signed with. None of them is symmetric (RFC 9449 §4.3, point 5).
var proofAlgs = []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA, algEd25519, jose.RS256}

var (
	// errReplayed is a refusal of its own kind, so that judge knows it: a new proof is all that it takes.
	errReplayed = identity.Refuse(identity.NoProof,
		"The DPoP proof was used before: its jti is known. Make a new proof for every request.")
	errNoProof = say(invalidProof, "Send a DPoP header with a proof of your key (RFC 9449 section 4).")
)

// What someone is told whose access token comes in the wrong way (RFC 9449 §7.1, §7.2).
var (
	errBound = identity.Refuse(identity.BadLogin,
		"The access token is bound to a key. Send it as Authorization: DPoP, with a proof of that key in the DPoP header.")
	errUnbound = identity.Refuse(identity.BadLogin,
		"The access token is bound to no key. Send it as Authorization: Bearer.")
	errOtherKey = identity.Refuse(identity.BadLogin, "The access token is bound to another key than the DPoP proof's.")
)

// proofs checks DPoP proofs (RFC 9449) and remembers those that were used.
type proofs struct {
	issuer string
	now    func() time.Time
	nonces nonces
	used   *usedProofs
	store  proofStore
}

// proofStore is what processes know of each other's proofs.
type proofStore interface {
	// ProofUsed reports whether another process saw the proof used, and tells them that it is used now.
	ProofUsed(ctx context.Context, id string, until time.Time) bool
}

func newProofs(store proofStore, o Options) *proofs {
	return &proofs{issuer: o.Issuer, now: o.Now, nonces: nonces{o.Keys, o.Now}, used: newUsedProofs(o.Now), store: store}
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
		return proof{}, say(invalidProof, "Send one DPoP header, not several.")
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
//
// The memory of this process decides first and always. Then that of all processes is asked, where there is one: it can
// refuse what passed here, never let pass what was refused.
func (p *proofs) spend(ctx context.Context, shown proof) error {
	if shown.key == (identity.Thumbprint{}) {
		return nil
	}
	id := shown.use()
	if !p.used.first(shown) || p.store.ProofUsed(ctx, string(id[:]), shown.until) {
		return errReplayed
	}
	return nil
}

// usesDPoP reports whether a request has a token with the scheme DPoP.
func usesDPoP(r *http.Request) bool {
	scheme, _ := identity.AuthorizationOf(r.Header.Values("Authorization"))
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
	return e.proofs.spend(r.Context(), shown)
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

// nonceText has exactly one spelling for a nonce.
var nonceText = base64.RawURLEncoding.Strict()

// nonces are our time, signed: nothing is stored, every replica knows those of all others, and nobody can tell the next one
// (RFC 9449 §8). They are no secret, and one may serve many proofs; jti keeps those apart.
type nonces struct {
	keys *identity.Keyring
	now  func() time.Time
}

// fresh returns a nonce of this second.
func (n nonces) fresh() string {
	body := binary.BigEndian.AppendUint64(nil, uint64(n.now().Unix()))
	return nonceText.EncodeToString(n.keys.Sign(identity.ForNonce, body))
}

// madeAt tells when one of our nonces was made; false when it is none.
func (n nonces) madeAt(nonce string) (made time.Time, ok bool) {
	raw, err := nonceText.DecodeString(nonce)
	if err != nil || len(nonce) != nonceLen {
		return made, false
	}
	body, err := n.keys.Verify(identity.ForNonce, raw)
	if err != nil || len(body) != 8 {
		return made, false
	}
	return time.Unix(int64(binary.BigEndian.Uint64(body)), 0).UTC(), true
}

// usedProofs remembers which proofs were used, by key and jti, for as long as they would pass again (RFC 9449 §11.1). When
// it is full, those that would pass for the shortest time are forgotten: no honest phone is refused for the crowd.
//
// It is one process's memory. Processes share theirs by Redis (proofStore). Without it, or while it is away, a captured request
// can be sent to another one within the proof's minutes. At the token endpoint that gains nothing: the tokens that come
// back are bound to the key, which the thief does not have, and the owner's next refresh goes on by the rule for holders
// who prove their key (DESIGN §2). At userinfo it tells once more what the captured answer told.
type usedProofs struct {
	now func() time.Time
	max int

	mu      sync.Mutex
	minutes map[int64]map[usedProof]struct{} // by the minute at whose end they are forgotten
	count   int
}

// usedProof stands for a key and a jti of it: half of a SHA-256, so that a long jti costs no more than a short one.
type usedProof [16]byte

func newUsedProofs(now func() time.Time) *usedProofs {
	return &usedProofs{now: now, max: maxUsedProofs, minutes: map[int64]map[usedProof]struct{}{}}
}

// use stands for the proof among those that were used.
func (p proof) use() usedProof {
	sum := sha256.Sum256(append(p.key[:], p.id...))
	return usedProof(sum[:16])
}

// first reports whether the proof was not used before, and remembers it.
func (u *usedProofs) first(p proof) bool {
	id, last := p.use(), minuteOf(p.until)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.forget()
	for _, used := range u.minutes { // never more than eight
		if _, known := used[id]; known {
			return false
		}
	}
	if u.minutes[last] == nil {
		u.minutes[last] = map[usedProof]struct{}{}
	}
	u.minutes[last][id] = struct{}{}
	u.count++
	return true
}

// forget drops the minutes that are over, and the one that ends first while there is no room.
func (u *usedProofs) forget() {
	for next := minuteOf(u.now()); len(u.minutes) > 0; {
		first := firstOf(u.minutes)
		if first >= next && u.count < u.max {
			return
		}
		u.count -= len(u.minutes[first])
		delete(u.minutes, first)
	}
}

func firstOf(minutes map[int64]map[usedProof]struct{}) int64 {
	first := int64(math.MaxInt64)
	for minute := range minutes {
		first = min(first, minute)
	}
	return first
}

func minuteOf(t time.Time) int64 { return t.Unix() / 60 }
