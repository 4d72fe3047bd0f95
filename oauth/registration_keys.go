package oauth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"slices"
	"strings"
	"unicode"

	"github.com/go-jose/go-jose/v4"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	maxJWKS = 16 * 1024
	maxKeys = 10
	maxKID  = 255
)

// privateMembers are what a JWK of a public key does not have (RFC 7518 §6.2.2, §6.3.2, §6.4.1; RFC 8037 §2; priv is that
// of post-quantum drafts).
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}

// take is takeRegistration of what is offered here.
func (e *Endpoints) take(asked identity.Metadata) (m identity.Metadata, left []identity.LeftOut, err error) {
	if asked, err = e.o.SigningKeys.Offer(asked); err != nil {
		return m, nil, err
	}
	return takeRegistration(asked, e.o.Schemes)
}

// takeRegistration is identity.TakeRegistration, and judges the keys too.
func takeRegistration(asked identity.Metadata, schemes []string) (m identity.Metadata, left []identity.LeftOut, err error) {
	if m, left, err = identity.TakeRegistration(asked, schemes); err == nil {
		err = takeKeys(&m)
	}
	return m, left, err
}

// takeKeys keeps the keys of use. Without one, a client that proves itself otherwise has none; a set that could not be kept is
// refused all the same, and so is a key that should not have been shown.
func takeKeys(m *identity.Metadata) (err error) {
	if m.JWKS == nil {
		return nil
	}
	keys, err := readKeys(m.JWKS)
	if err == nil && len(keys) == 0 && m.AuthMethod != methodJWT {
		m.JWKS = nil
		return nil
	}
	m.JWKS, err = keptKeys(keys, err)
	return err
}

// The moduli of RSA that we verify with, in bits: a shorter one can be broken, a longer one costs us time (RFC 7518 §3.3).
const (
	minRSA = 2048
	maxRSA = 8192
)

// CleanKeys judges a client's JWK set and returns what is kept of it: the public keys of the types that client assertions are
// verified with. Refusals: Invalid, field jwks.
func CleanKeys(jwks json.RawMessage) (json.RawMessage, error) { return keptKeys(readKeys(jwks)) }

// keptKeys writes the keys of use as a set, or refuses them.
func keptKeys(keys []jose.JSONWebKey, err error) (json.RawMessage, error) {
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, identity.RefuseField("jwks", "Send at least one key of use: RSA of 2048 to 8192 bits, EC on P-256, or Ed25519; "+
			"key ids have at most 255 bytes and no control characters.")
	}
	jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil || len(jwks) > maxJWKS {
		return nil, identity.RefuseField("jwks", "Send fewer or smaller keys: at most 16 KiB.")
	}
	return jwks, nil
}

// readKeys returns the keys of use. A private one is refused and not passed over: it was shown, and its owner must know.
func readKeys(jwks json.RawMessage) (keys []jose.JSONWebKey, err error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if len(jwks) > maxJWKS || json.Unmarshal(jwks, &set) != nil || len(set.Keys) > maxKeys {
		return nil, identity.RefuseField("jwks", "Send a JWK set of 1 to 10 public keys and at most 16 KiB (RFC 7517 section 5).")
	}
	for _, raw := range set.Keys {
		if hasPrivate(raw) {
			return nil, identity.RefuseField("jwks",
				"A private or symmetric key is inside. Send public keys only, and make a new pair: this one was shown.")
		}
		if key, ok := usableKey(raw); ok {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// usableKey reads a public key that we can verify with. All others are passed over (RFC 7517 §5): unknown types, curves and
// algorithms, values out of range, missing members.
func usableKey(raw json.RawMessage) (key jose.JSONWebKey, ok bool) {
	if key.UnmarshalJSON(raw) != nil || !key.Valid() || !key.IsPublic() || !strongKey(key.Key) || !storableKeyID(key) ||
		key.Algorithm != "" && !slices.Contains(identity.AssertionAlgs, key.Algorithm) {
		return jose.JSONWebKey{}, false
	}
	return jose.JSONWebKey{Key: key.Key, KeyID: key.KeyID, Algorithm: key.Algorithm, Use: key.Use}, true
}

// storableKeyID reports whether the members that are kept are plain text: PostgreSQL's jsonb takes no NUL.
func storableKeyID(key jose.JSONWebKey) bool {
	return len(key.KeyID) <= maxKID && !strings.ContainsFunc(key.KeyID+key.Algorithm+key.Use, unicode.IsControl)
}

func hasPrivate(raw json.RawMessage) bool {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return false // no object: refused as no key
	}
	return holdsPrivateKey(members)
}

// holdsPrivateKey reports whether the members of a JWK tell a secret.
func holdsPrivateKey(members map[string]json.RawMessage) bool {
	return slices.ContainsFunc(privateMembers, func(name string) bool { _, found := members[name]; return found })
}

// strongKey reports whether a public key is one that we verify with: long enough to be safe, short enough that verifying
// costs little (RFC 7518 §3.3, §3.4).
func strongKey(key any) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= minRSA && key.N.BitLen() <= maxRSA
	case *ecdsa.PublicKey:
		return key.Curve == elliptic.P256()
	case ed25519.PublicKey:
		return true
	default:
		return false
	}
}
