package identity

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
