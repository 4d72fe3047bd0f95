package identity

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"
)

const (
	browserPrefix = "sj_br_"
	knownIDLen    = 16
	maxKnown      = 8 // people who share a browser
)

// BrowserLastsFor is how long a browser remembers who signed in there last.
const BrowserLastsFor = 365 * 24 * time.Hour

// Browser is who has signed in in a browser before, as its own cookie says: the latest first, each as a hash. It opens
// nothing; it spares the person a mail about a browser that they know, and a wait that strangers' guesses brought about. It
// is worth nothing once the person's credentials changed (DESIGN law 12), but for the browser that they were changed in.
type Browser struct{ known [][]byte }

// BrowserCookieName is the name of the cookie that holds a Browser; see CookieName.
func BrowserCookieName(secure bool) string { return CookieName(secure) + "-browser" }

// EnrolmentCookieName is the name of the cookie in which a browser keeps an enrolment that it has begun; see CookieName.
func EnrolmentCookieName(secure bool) string { return CookieName(secure) + "-enrolment" }

// AddressCookieName is the name of the cookie in which a browser keeps the address that was typed there last; see CookieName.
func AddressCookieName(secure bool) string { return CookieName(secure) + "-address" }

var ofAddress = []byte("address")

// AddressText seals an address that was typed in a browser into a cookie value.
func (k *Keyring) AddressText(email string) string {
	return toText(browserPrefix, k.Seal(ForBrowser, []byte(email), ofAddress))
}

// ReadAddress returns what an authentic cookie value says, or nothing.
func (k *Keyring) ReadAddress(text string) string {
	body, _ := k.openBrowser(text, ofAddress)
	return string(body)
}

// openBrowser opens what a cookie of this file says that was sealed for ad; false for any other.
func (k *Keyring) openBrowser(text string, ad []byte) (body []byte, ok bool) {
	raw, err := fromText(browserPrefix, text)
	if err != nil {
		return nil, false
	}
	body, err = k.Open(ForBrowser, raw, ad)
	return body, err == nil
}

// SignUpCookieName is the name of the cookie by which a browser shows that a sign-up was sent from it; see CookieName.
func SignUpCookieName(secure bool) string { return CookieName(secure) + "-signup" }

// SignUpText is a cookie value of the browser that a sign-up was sent from. It says nothing, not even to us: it can be compared
// with an address and a password.
func (k *Keyring) SignUpText(email, password string) string {
	return toText(browserPrefix, k.Seal(ForBrowser, nil, ofSignUp(email, password)))
}

// signedUp reports whether a cookie value is of a sign-up with this address and password.
func (k *Keyring) signedUp(text, email, password string) bool {
	_, ok := k.openBrowser(text, ofSignUp(email, password))
	return ok
}

func ofSignUp(email, password string) []byte { return []byte("sign-up\n" + email + "\n" + password) }

func knownID(u User) []byte {
	said := append([]byte("sojourn known browser "), u.ID[:]...)
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(said, uint64(u.Epoch)))
	return sum[:knownIDLen]
}

// Knows reports whether the user has signed in there with the credentials that they have now.
func (b Browser) Knows(u User) bool {
	return slices.ContainsFunc(b.known, func(id []byte) bool { return bytes.Equal(id, knownID(u)) })
}

// With returns the browser after the user signed in there. Whoever did longest ago is forgotten beyond eight.
func (b Browser) With(u User) Browser {
	known := [][]byte{knownID(u)}
	for _, id := range b.known {
		if !bytes.Equal(id, known[0]) && len(known) < maxKnown {
			known = append(known, id)
		}
	}
	return Browser{known}
}

// BrowserText seals a Browser into a cookie value.
func (k *Keyring) BrowserText(b Browser) string {
	return toText(browserPrefix, k.Seal(ForBrowser, slices.Concat(b.known...), nil))
}

// ReadBrowser returns what an authentic cookie value says; of any other, a browser that knows nobody.
func (k *Keyring) ReadBrowser(text string) Browser {
	body, ok := k.openBrowser(text, nil)
	if !ok || len(body)%knownIDLen != 0 || len(body) > maxKnown*knownIDLen {
		return Browser{}
	}
	return Browser{slices.Collect(slices.Chunk(body, knownIDLen))}
}

// Pointer is what the SSO cookie says: which SignIn, by which secret, and the secret that its codes carry.
type Pointer struct {
	SignInID   ID
	Secret     Secret
	CodeSecret Secret
}

const cookiePrefix = "sj_si_"

// CookieName is the SSO cookie's name. Over https the __Host- prefix pins it to this host, path and TLS
// (RFC 6265bis §4.1.3.2); over http, on loopback only, browsers would refuse that prefix.
func CookieName(secure bool) string {
	if secure {
		return "__Host-sojourn"
	}
	return "sojourn"
}

// CookieText seals a pointer into a cookie value.
func (k *Keyring) CookieText(p Pointer) string {
	body := append(append(append([]byte{}, p.SignInID[:]...), p.Secret[:]...), p.CodeSecret[:]...)
	return toText(cookiePrefix, k.Seal(ForCookie, body, nil))
}

// ReadCookie returns what an authentic cookie value says, or ErrForged.
func (k *Keyring) ReadCookie(text string) (p Pointer, err error) {
	raw, err := fromText(cookiePrefix, text)
	if err != nil {
		return p, err
	}
	body, err := k.Open(ForCookie, raw, nil)
	if err != nil || len(body) != 48 {
		return p, ErrForged
	}
	copy(p.SignInID[:], body)
	copy(p.Secret[:], body[16:])
	copy(p.CodeSecret[:], body[32:])
	return p, nil
}
