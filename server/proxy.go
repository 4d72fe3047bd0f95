package server

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// maxHops bounds how many proxies' entries are read of one X-Forwarded-For.
const maxHops = 32

// realAddress puts the address of the client behind trusted proxies into r.RemoteAddr. Each proxy appends who called it,
// so the list is read from the right for as long as the entries are our own proxies; what stands left of the first
// stranger was written by that stranger and says nothing.
func realAddress(trusted []netip.Prefix) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if len(trusted) == 0 {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if client, ok := behind(trusted, r); ok {
				r.RemoteAddr = net.JoinHostPort(client.String(), "0")
			}
			next.ServeHTTP(w, r)
		})
	}
}

// behind returns the right-most address of the chain that is no proxy of ours, and false when no proxy of ours called.
func behind(trusted []netip.Prefix, r *http.Request) (netip.Addr, bool) {
	peer, ok := parseHop(r.RemoteAddr)
	if !ok || !holds(trusted, peer) {
		return netip.Addr{}, false
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := range min(len(hops), maxHops) {
		hop, ok := parseHop(strings.TrimSpace(hops[len(hops)-1-i]))
		if !ok {
			break
		}
		if peer = hop; !holds(trusted, hop) {
			break
		}
	}
	return peer, true
}

// parseHop reads an address with or without a port, and forgets the zone.
func parseHop(text string) (netip.Addr, bool) {
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return withPort.Addr().Unmap().WithZone(""), true
	}
	addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return addr.Unmap().WithZone(""), err == nil
}

func holds(prefixes []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}
