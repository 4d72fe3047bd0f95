package identity

import (
	"net/netip"
	"slices"
	"time"
)

// Habit is from where a person signs in, coarsely: countries and parts of the internet, no addresses. It is kept for as long as
// KeepHabit after the last sign-in, and goes with the account.
type Habit struct {
	UserID ID
	Places []Spot
}

const (
	// MaxSpots is how many places are kept of a person; the one that was seen longest ago gives way.
	MaxSpots = 8
	// KeepHabit is how long a place is kept after it was last seen.
	KeepHabit = 400 * 24 * time.Hour
)

// Spot is somewhere that a person signed in from.
type Spot struct {
	Network string    `json:"net"`               // Region of the address
	Country string    `json:"country,omitempty"` // ISO 3166-1; empty: nobody knows
	Lat     int       `json:"lat,omitempty"`     // whole degrees: some hundred kilometres
	Lon     int       `json:"lon,omitempty"`
	Located bool      `json:"located,omitempty"` // Lat and Lon are known
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
}

// Region is the part of the internet that an address is in, as coarse as providers have it: an IPv4 /16, an IPv6 /32.
func Region(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	bits := 16
	if addr = addr.Unmap(); addr.Is6() {
		bits = 32
	}
	prefix, _ := addr.Prefix(bits)
	return prefix.String()
}

// Premises is the part of an IP address that one customer can have many networks in: an IPv4 address, an IPv6 /48.
func Premises(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil || addr.Unmap().Is4() {
		return Network(address)
	}
	return site(address)
}

// Learn takes in that the person signed in at s, at s.Last. It may come again, late and out of order. It reports whether
// anything worth writing changed: the time alone is at most every hour.
func (h *Habit) Learn(s Spot) bool {
	for i, known := range h.Places {
		if known.Network != s.Network || known.Country != s.Country {
			continue
		}
		changed := s.Last.Sub(known.Last) >= time.Hour || s.Last.Before(known.First)
		if changed {
			known.First, known.Last = earlier(known.First, s.Last), later(known.Last, s.Last)
			h.Places[i] = known
		}
		return changed
	}
	s.First = s.Last
	h.Places = append(h.Places, s)
	h.Forget(s.Last)
	return true
}

// Forget drops what is too old at a time, and what is too much.
func (h *Habit) Forget(now time.Time) {
	h.Places = slices.DeleteFunc(h.Places, func(s Spot) bool { return now.Sub(s.Last) > KeepHabit })
	slices.SortStableFunc(h.Places, func(a, b Spot) int { return b.Last.Compare(a.Last) })
	if len(h.Places) > MaxSpots {
		h.Places = h.Places[:MaxSpots]
	}
}

// Knows reports whether the person signed in at a place that same says is one, before a time.
func (h *Habit) Knows(before time.Time, same func(Spot) bool) bool {
	return slices.ContainsFunc(h.Places, func(s Spot) bool { return s.First.Before(before) && same(s) })
}

// LastElsewhere returns the place other than s that the person signed in from last, before a time, of those that are located.
func (h *Habit) LastElsewhere(s Spot, before time.Time) (last Spot, found bool) {
	for _, known := range h.Places {
		here := known.Network == s.Network && known.Country == s.Country
		if !here && known.Located && known.Last.Before(before) && known.Last.After(last.Last) {
			last, found = known, true
		}
	}
	return last, found
}
