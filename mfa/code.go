package mfa

import (
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"github.com/sojourn-auth/sojourn/identity"
)

// What every authenticator app takes, whatever else its otpauth address says: SHA-1, six digits, 30 seconds.
const (
	digits = otp.DigitsSix
	period = 30 // seconds, RFC 6238 §5.2
	drift  = 1  // steps that a phone's clock may be off, RFC 6238 §5.2
)

const malformed = "A code has six digits. Type the one that your authenticator app shows now."

var secretText = base32.StdEncoding.WithPadding(base32.NoPadding)

// cleanCode returns the six digits of a typed code. Spaces and hyphens between them mean nothing, and full-width digits
// are what some keyboards make.
func cleanCode(typed string) (string, error) {
	code := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || r == '-':
			return -1
		case '０' <= r && r <= '９':
			return r - '０' + '0'
		}
		return r
	}, typed)
	if len(code) != digits.Length() || strings.Trim(code, "0123456789") != "" {
		return "", identity.RefuseField("totp", malformed)
	}
	return code, nil
}

// match returns the time step whose code this is. All steps are compared in full, so the clock tells nothing of which
// digit was wrong or which step was right.
func match(secret []byte, code string, now time.Time) (step int64, ok bool, err error) {
	current := now.Unix() / period
	for s := current - drift; s <= current+drift; s++ {
		want, err := codeAt(secret, s)
		if err != nil {
			return 0, false, err
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			step, ok = s, true
		}
	}
	return step, ok, nil
}

// codeAt returns the code of a time step (RFC 6238 §4.2).
func codeAt(secret []byte, step int64) (string, error) {
	code, err := hotp.GenerateCodeCustom(secretText.EncodeToString(secret), uint64(step), hotp.ValidateOpts{
		Digits: digits, Algorithm: otp.AlgorithmSHA1,
	})
	if err != nil {
		return "", fmt.Errorf("one-time code: %w", err)
	}
	return code, nil
}
