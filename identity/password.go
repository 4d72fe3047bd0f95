package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
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
	Service string // what people know us by: no password may be made of it
	slots   chan struct{}
	decoy   string
}

// NewPasswords returns a hasher that works on as many passwords at once as the machine has cores.
func NewPasswords() *Passwords {
	p := &Passwords{slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
	p.decoy = encodeHash(make([]byte, 16), make([]byte, argonKeyLen))
	return p
}

// Hash returns the PHC string of password under a fresh salt. It gives up when ctx ends while it waits for a core.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt)
	key, err := p.key(ctx, normal(password), salt)
	if err != nil {
		return "", err
	}
	return encodeHash(salt, key), nil
}

// Matches reports whether password made hash. An empty hash never matches but takes as long: whether an account exists
// cannot be told by the clock. Hashes from before passwords were normalized are of the password as it was typed.
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
	ok, err := p.made(ctx, normal(password), salt, want)
	if err == nil && !ok && normal(password) != password {
		ok, err = p.made(ctx, password, salt, want)
	}
	return ok && known, err
}

func (p *Passwords) made(ctx context.Context, password string, salt, want []byte) (bool, error) {
	got, err := p.key(ctx, password, salt)
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1, err
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
