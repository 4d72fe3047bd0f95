package identity

import (
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"time"
)

// RegisterThrottle is how often one address may register a client where registration is open to all.
var RegisterThrottle = Throttle{Free: 60, First: time.Minute, Max: time.Hour, Forget: time.Hour}

// The prefixes by which people and secret scanners tell the tokens apart.
const (
	initialPrefix    = "sj_it_"
	managementPrefix = "sj_ra_"
)

// NewInitialToken makes an initial access token, which lets its holder register clients (RFC 7591 §3), and the hash that
// the database keeps.
func NewInitialToken() (text string, hash []byte) {
	text = initialPrefix + RandomText(32)
	return text, HashToken(text)
}

// NewManagementToken makes a registration access token, with which a client's developer reads, changes and deletes its
// registration (RFC 7592 §3), and the hash that the client's row keeps.
func NewManagementToken() (text string, hash []byte) {
	text = managementPrefix + RandomText(32)
	return text, HashToken(text)
}

// HashToken returns SHA-256 of a token that NewInitialToken or NewManagementToken made: enough for 256 random bits.
func HashToken(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// ManagedBy tells, in constant time, whether a registration access token is the client's, and whether it is the newest
// one. The one before lives until the newest is used: an answer that was lost locks nobody out.
func (c Client) ManagedBy(text string) (ok, newest bool) {
	hash := HashToken(text)
	newest = subtle.ConstantTimeCompare(hash, c.RegistrationHash) == 1
	previous := subtle.ConstantTimeCompare(hash, c.PreviousHash) == 1
	return newest || previous, newest
}

// FormatReference is the access_token_format of clients whose access tokens are sealed pointers to their Session; any
// other client's are JWTs (RFC 9068).
const FormatReference = "reference"

// cleanAccess judges how the client gets its access tokens, and how it is told about others'. Which resource servers it
// may ask for is the operator's to say: RFC 8707 §3 warns of clients that could have tokens for any.
func cleanAccess(m *Metadata) error {
	m.Resources = nil
	if !slices.Contains([]string{"", "jwt", FormatReference}, m.AccessFormat) {
		return RefuseField("access_token_format", "Use jwt or reference.")
	}
	// RFC 9701 §6: RS256 where none is said. none would be no protection.
	if m.IntrospectionAlg != "" && !slices.Contains(idTokenAlgs, m.IntrospectionAlg) {
		return RefuseField("introspection_signed_response_alg", "Use RS256, PS256, ES256, EdDSA or Ed25519, or leave it out.")
	}
	return nil
}

// CleanResources returns the resource servers that an operator lets a client ask for, each once, or the refusal of one.
func CleanResources(uris []string) ([]string, error) {
	for _, uri := range uris {
		if err := CheckResource(uri); err != nil {
			return nil, err
		}
	}
	return once(uris), nil
}
