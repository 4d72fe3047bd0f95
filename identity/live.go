package identity

import (
	"net/netip"
	"strings"
)

// Live is what an access token's Session looks like at the moment it is asked about: read in one statement.
type Live struct {
	Session Session
	User    User
	Denied  bool // this very access token was revoked (RFC 7009)
}

// Seen is where a request came from. Both parts are untrusted.
type Seen struct {
	Address   string // IP address without port
	UserAgent string // at most 256 bytes
}

const maxUserAgent = 256

// SeenFrom reads a request's remote address ("host:port") and User-Agent header.
func SeenFrom(remoteAddr, userAgent string) Seen {
	address := ""
	if ap, err := netip.ParseAddrPort(remoteAddr); err == nil {
		address = ap.Addr().Unmap().WithZone("").String()
	}
	if len(userAgent) > maxUserAgent {
		userAgent = userAgent[:maxUserAgent]
	}
	// PostgreSQL's text takes neither NUL nor broken UTF-8.
	userAgent = strings.ReplaceAll(strings.ToValidUTF8(userAgent, ""), "\x00", "")
	return Seen{Address: address, UserAgent: userAgent}
}
