package resource

import (
	"errors"
	"net/http"
	"strings"
)

// credential is how a request says who calls.
type credential struct {
	dpop  bool // the scheme: DPoP, or else Bearer
	token string
}

var (
	errNoCredential  = errors.New("no credential")
	errBadCredential = errors.New("send one Authorization header with one token")
)

// readCredential reads Authorization, and nothing else: a token in an address ends in logs (RFC 9700 §4.3.2).
func readCredential(h http.Header) (c credential, err error) {
	values := h.Values("Authorization")
	if len(values) == 0 {
		return c, errNoCredential
	}
	if len(values) > 1 {
		return c, errBadCredential
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
	case strings.EqualFold(scheme, "DPoP"):
		c.dpop = true
	default:
		return c, errNoCredential
	}
	c.token = strings.TrimLeft(token, " ")
	if !isToken(c.token) {
		return c, errBadCredential
	}
	return c, nil
}

// isToken is b64token (RFC 6750 §2.1).
func isToken(text string) bool {
	body := strings.TrimRight(text, "=")
	if body == "" {
		return false
	}
	for i := range len(body) {
		ch := body[i]
		letter := ch|0x20 >= 'a' && ch|0x20 <= 'z'
		if !letter && (ch < '0' || ch > '9') && !strings.ContainsRune("-._~+/", rune(ch)) {
			return false
		}
	}
	return true
}
