package identity

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Lengths of a password (NIST SP 800-63B §3.1.1.2: 8 is the least beside a second factor, and long ones must be taken;
// docs/rfc.md, departure 8). What it consists of is everyone's own choice, as the same section demands.
const (
	MinPassword = 8   // characters
	MaxPassword = 256 // characters; a limit only so that hashing stays bounded
)

// CheckNewPassword is CheckPassword for the field new_password.
func CheckNewPassword(password string, known ...string) error {
	err := CheckPassword(password, known...)
	if refusal, ok := errors.AsType[*Error](err); ok {
		return RefuseField("new_password", refusal.Msg)
	}
	return err
}

// CheckPassword refuses a new password that is too short, too long or not text, and one that attackers try first (NIST
// SP 800-63B §3.1.1.2): a common one, or one made of what is known of the account: its address, the service's name.
func CheckPassword(password string, known ...string) error {
	n := utf8.RuneCountInString(normal(password))
	switch {
	case !utf8.ValidString(password) || strings.ContainsRune(password, 0):
		return RefuseField("password", "That password has characters that no keyboard makes. Choose another.")
	case n < MinPassword:
		return RefuseField("password", fmt.Sprintf("Choose a password of at least %d characters.", MinPassword))
	case utf8.RuneCountInString(password) > MaxPassword:
		return RefuseField("password", fmt.Sprintf("Choose a password of at most %d characters.", MaxPassword))
	}
	plain := strings.ToLower(normal(password))
	switch {
	case isCommon(plain) || isPattern([]rune(plain)):
		return RefuseField("password",
			"That password is among the first that attackers try. Choose another; several words are good.")
	case isMadeOf(plain, known):
		return RefuseField("password",
			"That password is too close to your e-mail address or to our name. Choose another; several words are good.")
	}
	return nil
}

// normal makes one password of the spellings that keyboards and systems have for the same characters (NFKC, as NIST
// SP 800-63B §3.1.1.2 says).
func normal(password string) string { return norm.NFKC.String(password) }

// isPattern reports whether p is a short piece over and over, like abcabcabc, or a row of neighbours, like 12345678.
func isPattern(p []rune) bool {
	for size := 1; size <= 4; size++ {
		if repeats(p, size) {
			return true
		}
	}
	return isRow(p, 1) || isRow(p, -1)
}

func repeats(p []rune, size int) bool {
	for i := size; i < len(p); i++ {
		if p[i] != p[i-size] {
			return false
		}
	}
	return true
}

func isRow(p []rune, step rune) bool {
	for i := 1; i < len(p); i++ {
		wraps := step > 0 && p[i-1] == '9' && p[i] == '0' || step < 0 && p[i-1] == '0' && p[i] == '9'
		if p[i]-p[i-1] != step && !wraps {
			return false
		}
	}
	return true
}

// isMadeOf reports whether fewer than four characters of p are its own beside what is known.
func isMadeOf(p string, known []string) bool {
	rest := p
	for _, words := range known {
		words = strings.ToLower(normal(words))
		local, domain, _ := strings.Cut(words, "@")
		for _, word := range []string{words, strings.Join(strings.Fields(words), ""), local, domain} {
			if utf8.RuneCountInString(word) >= 3 {
				rest = strings.ReplaceAll(rest, word, "")
			}
		}
	}
	return rest != p && utf8.RuneCountInString(strings.TrimFunc(rest, unicode.IsSpace)) < 4
}
