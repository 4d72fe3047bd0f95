package oauth

import (
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	// nonceLife is how old the nonce of a proof may be.
	nonceLife = 5 * time.Minute
	// nonceRest is how old a nonce is before answers bring a new one.
	nonceRest = 2 * time.Minute
	nonceLen  = 36 // characters
)

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

// nonceText has exactly one spelling for a nonce.
var nonceText = base64.RawURLEncoding.Strict()
