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
	"golang.org/x/text/unicode/norm"

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

// cleanCode returns the six digits of a typed code.
func cleanCode(typed string) (string, error) {
	code := unseparated(typed)
	if len(code) != digits.Length() || strings.Trim(code, "0123456789") != "" {
		return "", identity.RefuseField("totp", malformed)
	}
	return code, nil
}

// maxTyped is more than anyone types for a code, however it is spaced, in bytes.
const maxTyped = 512

// unseparated is what was typed without whatever means nothing in a code, in the digits and letters of ASCII: keyboards have
// digits of their own and full-width forms of both, phones turn two hyphens into a dash, and what is copied out of a page or
// a mail brings hyphens and marks along that nobody sees.
func unseparated(typed string) string {
	if len(typed) > maxTyped {
		return typed
	}
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.In(r, unicode.Pd, unicode.Cf), r == '−', r == 'ー': // minus, and what Japanese keyboards have for a hyphen
			return -1
		case unicode.IsDigit(r):
			return '0' + digitOf(r)
		}
		return r
	}, norm.NFKC.String(typed))
}

// digitOf is the value of a decimal digit of any script. Unicode has each script's ten side by side, from zero on
// (The Unicode Standard §4.6).
func digitOf(digit rune) rune {
	for _, tens := range unicode.Nd.R16 {
		if rune(tens.Lo) <= digit && digit <= rune(tens.Hi) {
			return (digit - rune(tens.Lo)) % 10
		}
	}
	for _, tens := range unicode.Nd.R32 {
		if rune(tens.Lo) <= digit && digit <= rune(tens.Hi) {
			return (digit - rune(tens.Lo)) % 10
		}
	}
	return 0 // no digit is left
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

// CodeNow returns the code that an authenticator with this secret shows, for those who have none at hand. It errs if the secret is none.
func CodeNow(secret []byte, now time.Time) (string, error) { return codeAt(secret, now.Unix()/period) }

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
