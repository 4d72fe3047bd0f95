package mfa

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"
	"unicode"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	recoveryCodes = 10
	recoveryLen   = 10 // characters of five bits: 50 bits, behind the same throttle as other codes
	// alphabet is Crockford's Base32: nothing in it looks like something else in it.
	alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
)

const (
	wrongRecovery     = "That recovery code is not right, or it was used before. Try another one."
	malformedRecovery = "A recovery code has ten letters and digits, like 4k7m-9xqd-2f. Check it against your list."
)

// lookalikes are read as what they were taken for (Crockford's Base32).
var lookalikes = strings.NewReplacer("o", "0", "i", "1", "l", "1")

// newRecoveryCodes makes codes without separators.
func newRecoveryCodes() []string {
	random := make([]byte, recoveryLen)
	codes := make([]string, recoveryCodes)
	for i := range codes {
		_, _ = rand.Read(random)
		for j := range random {
			random[j] = alphabet[random[j]%32]
		}
		codes[i] = string(random)
	}
	return codes
}

// grouped writes a code as people read it: xxxx-xxxx-xx.
func grouped(code string) string { return code[:4] + "-" + code[4:8] + "-" + code[8:] }

// cleanRecoveryCode returns the ten characters of a typed code: case and separators mean nothing.
func cleanRecoveryCode(typed string) (string, error) {
	code := lookalikes.Replace(strings.ToLower(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '-' {
			return -1
		}
		return r
	}, typed)))
	if len(code) != recoveryLen || strings.Trim(code, alphabet) != "" {
		return "", identity.RefuseField("recovery_code", malformedRecovery)
	}
	return code, nil
}

// recoveryHash is what a row keeps of a code. The key is the factor's own secret, which rests sealed: a leaked database
// alone gives nothing to try fifty bits against, and codes die with the factor that they were handed out with.
func recoveryHash(secret []byte, code string) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte("recovery code " + code))
	return h.Sum(nil)
}

func recoveryHashes(secret []byte, codes []string) [][]byte {
	hashes := make([][]byte, len(codes))
	for i, code := range codes {
		hashes[i] = recoveryHash(secret, code)
	}
	return hashes
}

// Recover accepts one of the person's recovery codes, each once. Refusals: Invalid (cannot be a code: not counted),
// BadLogin (wrong or used), Throttled (together with Verify), NotFound (no authenticator).
// It must not run inside a transaction: what it counts has to stay.
func (t TOTP) Recover(ctx context.Context, user identity.User, code string, seen identity.Seen) error {
	code, err := cleanRecoveryCode(code)
	if err != nil {
		return err
	}
	return t.try(ctx, user.ID, func(ctx context.Context, f Factor) (refusal, err error) {
		used, err := t.Store.UseRecoveryCode(ctx, user.ID, recoveryHash(f.Secret, code))
		if err != nil {
			return nil, err
		}
		if !used {
			told := event{identity.FactorRefused, user.ID, "recovery code", seen}
			return bad("recovery_code", wrongRecovery), t.tell(ctx, told)
		}
		left, err := t.Store.RecoveryCodesLeft(ctx, user.ID)
		if err != nil {
			return nil, err
		}
		told := event{identity.RecoveryCodeUsed, user.ID, fmt.Sprintf("%d left", left), seen}
		if err := t.tell(ctx, told); err != nil {
			return nil, err
		}
		return nil, t.Store.ClearTries(ctx, tries(user.ID))
	})
}
