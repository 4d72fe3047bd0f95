package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sojourn-auth/sojourn/config"
	"github.com/sojourn-auth/sojourn/identity"
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

const (
	keysAtOnce  = 16 // fetches of key sets in this process
	logosAtOnce = 8
	slotWait    = 2 * time.Second

	documentsAtOnce = 16 // of what clients publish at their ids
	requestsAtOnce  = 8  // of request objects
)

// errFetches says that a fetch was one too many.
var errFetches = &identity.Error{Kind: identity.Busy, Msg: "Too much is being fetched. Ask again in a moment.", Wait: 2 * time.Second}

// slots bound how many of strangers' addresses we read at once: who registers many clients whose answers take long holds up
// others of the same kind for a moment, and nothing else. What is posted is bounded by its courier.
type slots struct {
	next    http.RoundTripper
	free    chan struct{}
	wait    time.Duration
	refused prometheus.Counter
}

// bounded is a client like c with so many fetches at once.
func bounded(c *http.Client, atOnce int, refused prometheus.Counter) *http.Client {
	own := *c
	own.Transport = slots{c.Transport, make(chan struct{}, atOnce), slotWait, refused}
	return &own
}

// RoundTrip waits for a slot a little, and keeps it until the answer is read.
func (s slots) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		return s.next.RoundTrip(r)
	}
	patience := time.NewTimer(s.wait)
	defer patience.Stop()
	select {
	case s.free <- struct{}{}:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case <-patience.C:
		s.refused.Inc()
		return nil, errFetches
	}
	leave := sync.OnceFunc(func() { <-s.free })
	answer, err := s.next.RoundTrip(r)
	if err != nil {
		leave()
		return nil, err
	}
	answer.Body = leaving{answer.Body, leave}
	return answer, nil
}

// leaving gives the slot back once the body is closed.
type leaving struct {
	io.ReadCloser
	leave func()
}

// Close closes the body.
func (l leaving) Close() error {
	defer l.leave()
	return l.ReadCloser.Close()
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

// special are the blocks that are no public hosts (IANA special-purpose address registries, RFC 6890), or that stand for
// an IPv4 address which we would have to judge instead.
var special = parsePrefixes(
	"0.0.0.0/8",       // this network
	"10.0.0.0/8",      // private
	"100.64.0.0/10",   // behind a carrier's NAT; some clouds' metadata
	"127.0.0.0/8",     // loopback
	"169.254.0.0/16",  // link-local; most clouds' metadata
	"172.16.0.0/12",   // private
	"192.0.0.0/24",    // protocol assignments; another cloud's metadata
	"192.0.2.0/24",    // documentation
	"192.88.99.0/24",  // 6to4 relays
	"192.168.0.0/16",  // private
	"198.18.0.0/15",   // benchmarks
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"224.0.0.0/4",     // multicast
	"240.0.0.0/4",     // reserved, broadcast
	"2001::/23",       // protocol assignments: Teredo, ORCHID
	"2001:db8::/32",   // documentation
	"2002::/16",       // 6to4: an IPv4 address inside
	"3fff::/20",       // documentation
)

// globalUnicast is what IANA gives out to the public of IPv6. Outside it lie loopback, link-local, unique local, NAT64
// (64:ff9b::/96) and multicast.
var globalUnicast = netip.MustParsePrefix("2000::/3")

// public reports whether a host of the open Internet can have this address.
func public(addr netip.Addr) bool {
	if !addr.IsValid() || addr.Zone() != "" || holds(special, addr) {
		return false
	}
	return addr.Is4() || globalUnicast.Contains(addr)
}

func parsePrefixes(texts ...string) []netip.Prefix {
	prefixes := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		prefixes[i] = netip.MustParsePrefix(text)
	}
	return prefixes
}
