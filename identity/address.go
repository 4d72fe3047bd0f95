package identity

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

const (
	maxEmail = 254 // RFC 5321 §4.5.3.1.3, less the brackets around a path
	maxLocal = 64  // RFC 5321 §4.5.3.1.1
	maxLabel = 63  // RFC 1035 §2.3.4
)

// What is no address of an account, and what would be right.
var (
	errNoEmail   = RefuseField("username", "Enter an e-mail address like name@example.com.")
	errLongEmail = RefuseField("username", "This address is too long: it may have 64 characters before the @ and 254 in all.")
	errQuoted    = RefuseField("username", "Addresses in quotation marks are not taken here. Enter one without them, like name@example.com.")
	errNotASCII  = RefuseField("username", "Before the @ only the letters a to z, digits and signs like . - _ + are taken here. "+
		"Enter an address that is written so, like name@example.com.")
	errDomain = RefuseField("username", "No mail can be sent to what stands after the @. Enter an address like name@example.com.")
)

// CleanEmail returns an address as accounts have it and as mails are sent to it: trimmed, in lower case, and with a domain in
// its ASCII form (RFC 5891 §5), so that both spellings of an internationalised one are one account. Whatever takes an
// address asks it: the pages, the command line, the admin API. It refuses what no mail can be sent to everywhere: quoted
// local parts, and such that need SMTPUTF8 (RFC 6531).
func CleanEmail(text string) (string, error) {
	local, domain, err := splitEmail(text)
	if err != nil {
		return "", err
	}
	if strings.ContainsFunc(local, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return "", errNotASCII
	}
	return local + "@" + domain, nil
}

// KnownEmail is CleanEmail for looking an account up: accounts from before that rule may have letters of any script before
// the @, and their owners must get in.
func KnownEmail(text string) (string, error) {
	email, err := CleanEmail(text)
	if !errors.Is(err, errNotASCII) {
		return email, err
	}
	local, domain, err := splitEmail(text)
	return local + "@" + domain, err
}

// splitEmail returns both halves of an address, each by its own rule.
func splitEmail(text string) (local, domain string, err error) {
	email := strings.ToLower(strings.TrimSpace(text))
	at := strings.LastIndexByte(email, '@')
	if !utf8.ValidString(text) || at < 1 || at == len(email)-1 {
		return "", "", errNoEmail
	}
	if local = email[:at]; local[0] == '"' {
		return "", "", errQuoted
	}
	if !isDotAtom(local) {
		return "", "", errNoEmail
	}
	if domain, err = idna.Lookup.ToASCII(email[at+1:]); err != nil || !isDomain(domain) {
		return "", "", errDomain
	}
	if len(local) > maxLocal || len(local)+1+len(domain) > maxEmail {
		return "", "", errLongEmail
	}
	return local, domain, nil
}

// isDotAtom reports whether text is a dot-atom of RFC 5322 §3.2.3, with the letters of RFC 6532 §3.2.
func isDotAtom(text string) bool {
	for atom := range strings.SplitSeq(text, ".") {
		if atom == "" || strings.ContainsFunc(atom, func(r rune) bool { return !isAtomText(r) }) {
			return false
		}
	}
	return true
}

func isAtomText(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
	}
	return r != utf8.RuneError && unicode.IsPrint(r)
}

// isDomain judges the lengths, which the Lookup profile of idna leaves to the resolver.
func isDomain(domain string) bool {
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > maxLabel {
			return false
		}
	}
	return true
}

// FormerSpelling returns how an account from before CleanEmail's rule may have an address of an internationalised domain:
// as people write it. False: no other way.
func FormerSpelling(email string) (former string, other bool) {
	at := strings.LastIndexByte(email, '@')
	if domain, err := idna.Lookup.ToUnicode(email[at+1:]); err == nil {
		former = email[:at+1] + domain
	}
	return former, former != "" && former != email
}
