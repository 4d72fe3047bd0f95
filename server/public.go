package server

import "net/netip"

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
