package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"log/slog"

	"github.com/google/uuid"
)

// ID is a row's identity: a time-ordered UUIDv7, so that new rows land side by side in the primary key's index.
type ID = uuid.UUID

// NewID returns a fresh ID.
func NewID() ID { return uuid.Must(uuid.NewV7()) }

// Secret is 16 random bytes that prove the right to a row; the row keeps only Hash of it.
type Secret [16]byte

// NewSecret returns 16 bytes from the system's random source.
func NewSecret() (s Secret) {
	_, _ = rand.Read(s[:]) // never fails: crypto/rand ends the program instead
	return s
}

// Hash returns SHA-256 of the secret: enough for 128 random bits, and useless to whoever reads the row.
func (s Secret) Hash() []byte {
	sum := sha256.Sum256(s[:])
	return sum[:]
}

// Matches reports in constant time whether hash is Hash of this secret.
func (s Secret) Matches(hash []byte) bool { return subtle.ConstantTimeCompare(s.Hash(), hash) == 1 }

// String hides the secret from fmt.
func (s Secret) String() string { return "[secret]" }

// GoString hides the secret from fmt's %#v.
func (s Secret) GoString() string { return "[secret]" }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// RandomText returns n random bytes as base64url: 16 bytes make 22 characters.
func RandomText(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
