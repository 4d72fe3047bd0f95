package config

import (
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // machines may have none
)

// value is a field that can be read from text; its String is safe to show. The error of Set says what would be right.
type value interface {
	Set(text string) error
	String() string
}

type text struct{ to *string }

func (v text) Set(s string) error {
	*v.to = s
	return nil
}

func (v text) String() string { return *v.to }

type choice struct {
	to *string
	of []string
}

func (v choice) Set(s string) error {
	if !slices.Contains(v.of, s) {
		return fmt.Errorf("%q is not one of %s", s, strings.Join(v.of, ", "))
	}
	*v.to = s
	return nil
}

func (v choice) String() string { return *v.to }

type span struct{ to *time.Duration }

func (v span) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%q is not a duration like 10m or 720h", s)
	}
	*v.to = d
	return nil
}

func (v span) String() string { return v.to.String() }

// zone is the name of a time zone. The program brings them all along.
type zone struct{ to *string }

func (v zone) Set(s string) error {
	location, err := time.LoadLocation(s)
	if err != nil || location == time.Local { // which would be another one on each machine
		return fmt.Errorf("%q is not a time zone like UTC or Europe/Berlin", s)
	}
	*v.to = location.String()
	return nil
}

func (v zone) String() string { return *v.to }

type number struct{ to *int }

func (v number) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil {
		return fmt.Errorf("%q is not a number like 24", s)
	}
	*v.to = n
	return nil
}

func (v number) String() string { return strconv.Itoa(*v.to) }

// share is a setting between 0 and 1.
type share struct{ to *float64 }

func (v share) Set(s string) (err error) {
	*v.to, err = strconv.ParseFloat(s, 64)
	if err != nil {
		return fmt.Errorf("%q is not a number like 0.05", s)
	}
	return nil
}

func (v share) String() string { return strconv.FormatFloat(*v.to, 'g', -1, 64) }

type instant struct{ to *time.Time }

// Set takes the empty text for the zero time.
func (v instant) Set(s string) error {
	if s == "" {
		*v.to = time.Time{}
		return nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return fmt.Errorf("%q is not a time like 2026-01-02T15:04:05Z", s)
	}
	*v.to = t.UTC()
	return nil
}

func (v instant) String() string {
	if v.to.IsZero() {
		return ""
	}
	return v.to.Format(time.RFC3339)
}

type level struct{ to *slog.Level }

func (v level) Set(s string) error {
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, s) {
		return fmt.Errorf("%q is not one of debug, info, warn, error", s)
	}
	return v.to.UnmarshalText([]byte(s))
}

func (v level) String() string { return strings.ToLower(v.to.String()) }

type networks struct{ to *[]netip.Prefix }

func (v networks) Set(s string) error {
	var all []netip.Prefix
	for _, item := range list(s) {
		network, err := parseNetwork(item)
		if err != nil {
			return err
		}
		all = append(all, network)
	}
	*v.to = all
	return nil
}

func (v networks) String() string { return joined(*v.to) }

type schemes struct{ to *[]string }

func (v schemes) Set(s string) error {
	var all []string
	for _, item := range list(s) {
		odd := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '+' }
		if item[0] < 'a' || strings.ContainsFunc(item, odd) {
			return fmt.Errorf("%q is not a scheme like cursor: lower case, without a dot (those with one need no leave) and without ://", item)
		}
		all = append(all, item)
	}
	*v.to = all
	return nil
}

func (v schemes) String() string { return strings.Join(*v.to, ",") }

type algs struct{ to *[]string }

// knownAlgs are what tokens can be signed with. Every list has the first two: ES256 signs all access tokens, and RS256 must be
// offered by every OpenID provider (OpenID Connect Discovery 1.0 §3).
var knownAlgs = []string{"ES256", "RS256", "EdDSA", "PS256", "Ed25519"}

func (v algs) Set(s string) error {
	all := list(s)
	for _, alg := range all {
		if !slices.Contains(knownAlgs, alg) {
			return fmt.Errorf("%q is not one of %s", alg, strings.Join(knownAlgs, ", "))
		}
	}
	for _, alg := range knownAlgs[:2] {
		if !slices.Contains(all, alg) {
			return fmt.Errorf("%s is missing: access tokens are signed with ES256, and OpenID Connect has every provider offer RS256", alg)
		}
	}
	*v.to = slices.DeleteFunc(slices.Clone(knownAlgs), func(alg string) bool { return !slices.Contains(all, alg) })
	return nil
}

func (v algs) String() string { return strings.Join(*v.to, ",") }

// HashCost is what hashing a password with argon2id takes.
type HashCost struct {
	Memory uint32 // KiB
	Passes uint32
}

// Set reads a cost as PHC strings spell it, at one lane.
func (h *HashCost) Set(s string) error {
	var c HashCost
	if n, err := fmt.Sscanf(s, "m=%d,t=%d", &c.Memory, &c.Passes); err != nil || n != 2 || c.String() != s {
		return fmt.Errorf("%q is not a cost of argon2id like m=19456,t=2 (KiB of memory, passes)", s)
	}
	*h = c
	return nil
}

// String is the cost again.
func (h *HashCost) String() string { return fmt.Sprintf("m=%d,t=%d", h.Memory, h.Passes) }

// Places are hosts and networks.
type Places struct {
	Hosts    []string // lower case
	Networks []netip.Prefix
}

// Set reads a comma-separated list of both.
func (p *Places) Set(s string) error {
	var all Places
	for _, item := range list(s) {
		host := strings.ToLower(item)
		if network, err := parseNetwork(item); err == nil {
			all.Networks = append(all.Networks, network)
		} else if isHost(host) {
			all.Hosts = append(all.Hosts, host)
		} else {
			return fmt.Errorf("%q is neither a host like api.internal nor a network like 10.0.0.0/8", item)
		}
	}
	*p = all
	return nil
}

// String is the list again.
func (p *Places) String() string {
	return strings.Join(slices.DeleteFunc([]string{strings.Join(p.Hosts, ","), joined(p.Networks)}, isEmpty), ",")
}

// Hosts are names of hosts in lower case; *.example.com stands for all below example.com.
type Hosts []string

// Set reads a comma-separated list.
func (h *Hosts) Set(s string) error {
	var all Hosts
	for _, item := range list(s) {
		host := strings.ToLower(item)
		if !isHost(strings.TrimPrefix(host, "*.")) {
			return fmt.Errorf("%q is no host like app.example.com or *.example.com", item)
		}
		all = append(all, host)
	}
	*h = all
	return nil
}

// String is the list again.
func (h *Hosts) String() string { return strings.Join(*h, ",") }

// parseNetwork reads a CIDR, or one address as the network of itself.
func parseNetwork(s string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(s); err == nil && address.Zone() == "" {
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	network, err := netip.ParsePrefix(s)
	if err != nil {
		return network, fmt.Errorf("%q is not a network like 10.0.0.0/8", s)
	}
	if network != network.Masked() {
		return network, fmt.Errorf("%q has bits beyond its mask: write %s", s, network.Masked())
	}
	return network, nil
}

// isHost accepts a DNS name without a port (RFC 1123 §2.1).
func isHost(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		odd := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") || strings.ContainsFunc(label, odd) {
			return false
		}
	}
	return true
}

// list splits at commas and drops blanks.
func list(s string) []string {
	items := strings.Split(s, ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return slices.DeleteFunc(items, isEmpty)
}

func isEmpty(s string) bool { return s == "" }

func joined(all []netip.Prefix) string {
	texts := make([]string, len(all))
	for i, p := range all {
		texts[i] = p.String()
	}
	return strings.Join(texts, ",")
}

// EventsKept is for how long Events stay: all, and those of some kinds.
type EventsKept struct {
	All   time.Duration
	Kinds map[string]time.Duration
}

// Set reads 9600h,session.forked=168h.
func (k *EventsKept) Set(s string) error {
	*k = EventsKept{Kinds: map[string]time.Duration{}}
	for part := range strings.SplitSeq(s, ",") {
		kind, kept, named := strings.Cut(strings.TrimSpace(part), "=")
		if !named {
			kind, kept = "", kind
		}
		d, err := time.ParseDuration(kept)
		_, twice := k.Kinds[kind]
		if err != nil || twice || (kind == "" && k.All != 0) {
			return fmt.Errorf("%q is not a duration for all events, and others for kinds, like 9600h,session.forked=168h", s)
		}
		if kind == "" {
			k.All = d
		} else {
			k.Kinds[kind] = d
		}
	}
	if k.All == 0 {
		return fmt.Errorf("%q says nothing of all events, like 9600h", s)
	}
	return nil
}

func (k *EventsKept) String() string {
	parts := []string{k.All.String()}
	for _, kind := range slices.Sorted(maps.Keys(k.Kinds)) {
		parts = append(parts, kind+"="+k.Kinds[kind].String())
	}
	return strings.Join(parts, ",")
}
