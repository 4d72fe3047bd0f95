package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sojourn-auth/sojourn/config"
)

const (
	fetchTimeout   = 5 * time.Second
	fetchRedirects = 3
)

// errPrivate says that an address is none that a stranger's URL may make us call.
var errPrivate = errors.New("refused: not a public address (SOJOURN_FETCH_ALLOW lets it through)")

// fetchRules say where our own calls (a client's jwks_uri, its logo, its back channel) may lead: to any public address over
// https, and to what the operator allows.
type fetchRules struct {
	allow    config.Places // although private; a host whatever it resolves to
	loopback bool          // the issuer is loopback: so may its clients be, and http is good enough
}

// client returns the one http.Client that calls what strangers name. It asks no proxy: a proxy would resolve names
// where the guard can't see.
func (f fetchRules) client() *http.Client {
	return &http.Client{
		Timeout: fetchTimeout,
		Transport: onlyHTTPS{f.loopback, &http.Transport{
			DialContext:            f.dial,
			TLSHandshakeTimeout:    fetchTimeout,
			MaxResponseHeaderBytes: maxHeader,
			MaxIdleConns:           16,
			IdleConnTimeout:        30 * time.Second,
			ForceAttemptHTTP2:      true,
		}},
		CheckRedirect: func(_ *http.Request, before []*http.Request) error {
			if len(before) > fetchRedirects {
				return fmt.Errorf("refused: more than %d redirects", fetchRedirects)
			}
			return nil
		},
	}
}

// dial connects. The check is made on the address that is connected to, after the name was resolved: a name that
// answers differently the second time (DNS rebinding) gains nothing.
func (f fetchRules) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: fetchTimeout, Control: f.control}
	if host, _, err := net.SplitHostPort(address); err == nil && slices.Contains(f.allow.Hosts, strings.ToLower(host)) {
		dialer.Control = nil
	}
	return dialer.DialContext(ctx, network, address)
}

func (f fetchRules) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !f.lets(to.Addr()) {
		return errPrivate
	}
	return nil
}

// lets reports whether an address may be called. An IPv4 address in IPv6 clothes is judged as what it is.
func (f fetchRules) lets(addr netip.Addr) bool {
	addr = addr.Unmap()
	return holds(f.allow.Networks, addr) || f.loopback && addr.IsLoopback() || public(addr)
}

// onlyHTTPS refuses other schemes, on redirects too.
type onlyHTTPS struct {
	alsoHTTP bool
	next     http.RoundTripper
}

// RoundTrip passes on what is https, and http where that is allowed.
func (t onlyHTTPS) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && (r.URL.Scheme != "http" || !t.alsoHTTP) {
		return nil, fmt.Errorf("refused: %s is not https", r.URL.Scheme)
	}
	return t.next.RoundTrip(r)
}
