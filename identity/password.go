package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// Lengths of a password (NIST SP 800-63B §3.1.1.2: 8 is the least beside a second factor, and long ones must be taken;
// docs/rfc.md, departure 8).
const (
	MinPassword = 8   // characters
	MaxPassword = 256 // characters; a limit only so that hashing stays bounded
)

// argon2id's cost: OWASP's second choice (19 MiB, 2 passes), about 30 ms, so that a burst of sign-ins fits in memory.
const (
	argonMemory = 19 * 1024
	argonPasses = 2
	argonKeyLen = 32
)

// Passwords hashes and checks passwords with argon2id (RFC 9106), at most one per core at a time: a burst of sign-ins
// waits here instead of starving the refreshes beside it.
type Passwords struct {
	slots chan struct{}
	decoy string
}

// NewPasswords returns a hasher that works on as many passwords at once as the machine has cores.
func NewPasswords() *Passwords {
	p := &Passwords{slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
	p.decoy = encodeHash(make([]byte, 16), make([]byte, argonKeyLen))
	return p
}

// CheckNewPassword is CheckPassword for the field new_password.
func CheckNewPassword(password string) error {
	err := CheckPassword(password)
	if refusal, ok := errors.AsType[*Error](err); ok {
		return RefuseField("new_password", refusal.Msg)
	}
	return err
}

// CheckPassword refuses a new password that is too short, too long or not text.
func CheckPassword(password string) error {
	n := utf8.RuneCountInString(password)
	switch {
	case !utf8.ValidString(password) || strings.ContainsRune(password, 0):
		return RefuseField("password", "That password has characters that no keyboard makes. Choose another.")
	case n < MinPassword:
		return RefuseField("password", fmt.Sprintf("Choose a password of at least %d characters.", MinPassword))
	case n > MaxPassword:
		return RefuseField("password", fmt.Sprintf("Choose a password of at most %d characters.", MaxPassword))
	}
	return nil
}

// Hash returns the PHC string of password under a fresh salt. It gives up when ctx ends while it waits for a core.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt)
	key, err := p.key(ctx, password, salt)
	if err != nil {
		return "", err
	}
	return encodeHash(salt, key), nil
}

// Matches reports whether password made hash. An empty hash never matches but takes as long: whether an account exists
// cannot be told by the clock.
func (p *Passwords) Matches(ctx context.Context, password, hash string) (bool, error) {
	known := hash != ""
	if !known {
		hash = p.decoy
	}
	salt, want, err := decodeHash(hash)
	if err != nil {
		return false, err
	}
	if utf8.RuneCountInString(password) > MaxPassword {
		password = ""
	}
	got, err := p.key(ctx, password, salt)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1 && known, nil
}

func (p *Passwords) key(ctx context.Context, password string, salt []byte) ([]byte, error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting to hash a password: %w", ctx.Err())
	}
	return argon2.IDKey([]byte(password), salt, argonPasses, argonMemory, 1, argonKeyLen), nil
}

func encodeHash(salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s",
		argon2.Version, argonMemory, argonPasses, b64.EncodeToString(salt), b64.EncodeToString(key))
}

func decodeHash(hash string) (salt, key []byte, err error) {
	head := fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$", argon2.Version, argonMemory, argonPasses)
	rest, ours := strings.CutPrefix(hash, head)
	saltText, keyText, two := strings.Cut(rest, "$")
	if !ours || !two {
		return nil, nil, fmt.Errorf("a password hash of another make than %s", head)
	}
	if salt, err = base64.RawStdEncoding.DecodeString(saltText); err != nil {
		return nil, nil, fmt.Errorf("password hash: %w", err)
	}
	if key, err = base64.RawStdEncoding.DecodeString(keyText); err != nil {
		return nil, nil, fmt.Errorf("password hash: %w", err)
	}
	return salt, key, nil
}
