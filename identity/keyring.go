package identity

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/chacha20poly1305"
)

// Purpose separates the keys derived from one root secret: what is sealed for one purpose never opens for another.
type Purpose string

// The purposes. Their strings go into the key derivation (RFC 5869 info), so they never change.
const (
	ForRefresh   Purpose = "refresh token"
	ForAccess    Purpose = "access token"
	ForCode      Purpose = "authorization code"
	ForCookie    Purpose = "sign-in cookie"
	ForAsked     Purpose = "asked request"
	ForBinding   Purpose = "consent binding"
	ForDenial    Purpose = "denied consent"
	ForAllowal   Purpose = "allowed request"
	ForStay      Purpose = "allowed request, to stay connected"
	ForEnrol     Purpose = "pending enrolment"
	ForFactor    Purpose = "factor at rest"
	ForRecovery  Purpose = "recovery code"
	ForKey       Purpose = "signing key at rest"
	ForHash      Purpose = "client secret hash"
	ForNonce     Purpose = "DPoP nonce"
	ForDelivery  Purpose = "delivery at rest"
	ForLink      Purpose = "mailed link"
	ForSignOut   Purpose = "asked sign-out"
	ForBrowser   Purpose = "known browser"
	ForWebhook   Purpose = "webhook secret at rest"
	ForPushed    Purpose = "pushed request"
	ForInstalled Purpose = "secret of the installation at rest"
	ForDesk      Purpose = "operators' desk"
)

var purposes = []Purpose{
	ForRefresh, ForAccess, ForCode, ForCookie, ForAsked, ForBinding, ForDenial, ForAllowal, ForStay, ForEnrol, ForFactor, ForRecovery,
	ForKey, ForHash, ForNonce, ForDelivery, ForLink, ForSignOut, ForBrowser, ForWebhook, ForPushed,
	ForInstalled, ForDesk,
}

// ErrForged says that sealed or signed bytes are not ours: garbage, altered, of another version, key or purpose.
// It says no more on purpose.
var ErrForged = errors.New("not made by this server")

const (
	sealVersion = 1
	headerLen   = 3 // version ‖ key id
	macLen      = 16
)

// Keyring seals and signs what leaves the server and what rests in the database. The first root secret makes; all of
// them open, so that a root secret can be retired once nothing that it sealed can be alive (DESIGN law 9).
type Keyring struct {
	first uint16
	keys  map[uint16]map[Purpose]purposeKey
}

type purposeKey struct {
	raw  []byte
	aead cipher.AEAD
}

// NewKeyring derives a key for every purpose from each 32-byte root secret (HKDF-SHA256, RFC 5869).
// It refuses an empty list, another length, and two secrets whose key ids collide (one in 65,536: make another).
func NewKeyring(roots ...[]byte) (*Keyring, error) {
	if len(roots) == 0 {
		return nil, errors.New("no root secret: give one of 32 random bytes")
	}
	ring := &Keyring{keys: map[uint16]map[Purpose]purposeKey{}}
	for i, root := range roots {
		if len(root) != 32 {
			return nil, fmt.Errorf("root secret %d has %d bytes, it needs 32", i+1, len(root))
		}
		id := binary.BigEndian.Uint16(derive(root, "key id", 2))
		if _, taken := ring.keys[id]; taken {
			return nil, fmt.Errorf("root secret %d has the same key id as an earlier one: make another", i+1)
		}
		if i == 0 {
			ring.first = id
		}
		ring.keys[id] = deriveAll(root)
	}
	return ring, nil
}

func deriveAll(root []byte) map[Purpose]purposeKey {
	keys := make(map[Purpose]purposeKey, len(purposes))
	for _, p := range purposes {
		raw := derive(root, string(p), 32)
		aead, err := chacha20poly1305.NewX(raw)
		if err != nil {
			panic(err) // impossible: the key is always 32 bytes
		}
		keys[p] = purposeKey{raw: raw, aead: aead}
	}
	return keys
}

func derive(root []byte, info string, n int) []byte {
	key, err := hkdf.Key(sha256.New, root, nil, "sojourn v1 "+info, n)
	if err != nil {
		panic(err) // impossible: n is far below HKDF's limit
	}
	return key
}

// Seal encrypts and authenticates plain and authenticates ad with it (XChaCha20-Poly1305: random nonces are safe for
// any number of messages). It returns version ‖ key id ‖ nonce ‖ ciphertext.
func (k *Keyring) Seal(p Purpose, plain, ad []byte) []byte {
	out := header(k.first)
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	_, _ = rand.Read(nonce)
	out = append(out, nonce...)
	return k.keys[k.first][p].aead.Seal(out, nonce, plain, ad)
}

// Open returns what Seal sealed for the same purpose and ad, or ErrForged.
func (k *Keyring) Open(p Purpose, sealed, ad []byte) ([]byte, error) {
	key, ok := k.keyOf(p, sealed)
	if !ok || len(sealed) < headerLen+chacha20poly1305.NonceSizeX {
		return nil, ErrForged
	}
	nonce, text := sealed[headerLen:headerLen+chacha20poly1305.NonceSizeX], sealed[headerLen+chacha20poly1305.NonceSizeX:]
	plain, err := key.aead.Open(nil, nonce, text, ad)
	if err != nil {
		return nil, ErrForged
	}
	return plain, nil
}

// Reseal returns what Seal sealed under another root secret sealed under the first one, and false for what is so already or
// opens under none.
func (k *Keyring) Reseal(p Purpose, sealed, ad []byte) (fresh []byte, changed bool) {
	if bytes.HasPrefix(sealed, k.First()) {
		return sealed, false
	}
	plain, err := k.Open(p, sealed, ad)
	if err != nil {
		return sealed, false
	}
	return k.Seal(p, plain, ad), true
}

// First is what everything begins with that was made under the first root secret.
func (k *Keyring) First() []byte { return header(k.first) }

// Sign returns version ‖ key id ‖ body ‖ HMAC-SHA256 cut to 128 bits (RFC 2104 §5).
func (k *Keyring) Sign(p Purpose, body []byte) []byte {
	out := append(header(k.first), body...)
	return append(out, mac(k.keys[k.first][p].raw, out)...)
}

// Verify returns the body that Sign signed for the same purpose, or ErrForged. The comparison takes constant time.
func (k *Keyring) Verify(p Purpose, signed []byte) ([]byte, error) {
	key, ok := k.keyOf(p, signed)
	if !ok || len(signed) < headerLen+macLen {
		return nil, ErrForged
	}
	cut := len(signed) - macLen
	if subtle.ConstantTimeCompare(mac(key.raw, signed[:cut]), signed[cut:]) != 1 {
		return nil, ErrForged
	}
	return signed[headerLen:cut], nil
}

// HashSecret returns a keyed hash of a client's secret: a leaked database alone does not let anyone try guesses.
func (k *Keyring) HashSecret(secret string) []byte {
	return k.hash(k.first, ForHash, []byte(secret))
}

// SecretMatches reports in constant time whether hash is HashSecret of secret under any root secret.
func (k *Keyring) SecretMatches(secret string, hash []byte) bool {
	key, ok := k.keyOf(ForHash, hash)
	return ok && subtle.ConstantTimeCompare(mac(key.raw, []byte(secret)), hash[headerLen:]) == 1
}

// Hashes returns the keyed hashes of body, one under each root secret, for what is found by its hash. A new row keeps the
// one that comes first, under the first root secret; the others are those of rows from before.
func (k *Keyring) Hashes(p Purpose, body []byte) [][]byte {
	hashes := [][]byte{k.hash(k.first, p, body)}
	for root := range k.keys {
		if root != k.first {
			hashes = append(hashes, k.hash(root, p, body))
		}
	}
	return hashes
}

func (k *Keyring) hash(root uint16, p Purpose, body []byte) []byte {
	return append(header(root), mac(k.keys[root][p].raw, body)...)
}

func header(root uint16) []byte { return binary.BigEndian.AppendUint16([]byte{sealVersion}, root) }

func (k *Keyring) keyOf(p Purpose, b []byte) (purposeKey, bool) {
	if len(b) < headerLen || b[0] != sealVersion {
		return purposeKey{}, false
	}
	key, ok := k.keys[binary.BigEndian.Uint16(b[1:headerLen])][p]
	return key, ok
}

func mac(key, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(body)
	return h.Sum(nil)[:macLen]
}

// strictText is base64url without padding whose unused bits must be zero, so that a token has exactly one spelling.
var strictText = base64.RawURLEncoding.Strict()

func toText(prefix string, raw []byte) string { return prefix + strictText.EncodeToString(raw) }

// fromText undoes toText. Go's decoder skips line breaks; a token has none.
func fromText(prefix, text string) ([]byte, error) {
	body, ok := strings.CutPrefix(text, prefix)
	if !ok || strings.ContainsAny(body, "\r\n") {
		return nil, ErrForged
	}
	raw, err := strictText.DecodeString(body)
	if err != nil {
		return nil, ErrForged
	}
	return raw, nil
}

// ID is a row's identity: a time-ordered UUIDv7, so that new rows land side by side in the primary key's index.
type ID = uuid.UUID

// behind is how many milliseconds the system's clock is behind the database's, as far as that is worth correcting.
var behind atomic.Int64

// CorrectIDs has ids be made by the database's time, which the system's clock is so much behind. What is less than half a
// minute is left alone, so that the ids of a process whose clock is right keep their order to the millisecond.
func CorrectIDs(by time.Duration) { behind.Store(by.Round(time.Minute).Milliseconds()) }

// NewID returns a fresh ID, time-ordered among those of all servers (RFC 9562 §5.7).
func NewID() ID {
	id := uuid.Must(uuid.NewV7())
	if off := behind.Load(); off != 0 {
		var millis [8]byte
		copy(millis[2:], id[:6])
		binary.BigEndian.PutUint64(millis[:], binary.BigEndian.Uint64(millis[:])+uint64(off)) // a negative one wraps around
		copy(id[:6], millis[2:])
	}
	return id
}

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

// RandomText returns n random bytes as base64url: 16 bytes make 22 characters. It begins with no hyphen: ids are typed after commands,
// which would take it for a flag. That costs a fortieth of a bit.
func RandomText(n int) string {
	b := make([]byte, n)
	for {
		_, _ = rand.Read(b)
		if text := base64.RawURLEncoding.EncodeToString(b); !strings.HasPrefix(text, "-") {
			return text
		}
	}
}
