package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Throttle is how many misses are free and how the wait grows after them. Misses are forgotten after Forget without any.
type Throttle struct {
	Free       int // the miss with this number is the first that costs a wait
	First, Max time.Duration
	Forget     time.Duration
}

// The throttles. An address may be a whole school behind one router, so it gets more room than a person.
var (
	PasswordThrottle = Throttle{Free: 5, First: 30 * time.Second, Max: time.Hour, Forget: 24 * time.Hour}
	AddressThrottle  = Throttle{Free: 100, First: 30 * time.Second, Max: 15 * time.Minute, Forget: time.Hour}
	FactorThrottle   = Throttle{Free: 5, First: 30 * time.Second, Max: time.Hour, Forget: 24 * time.Hour}
	SignUpThrottle   = Throttle{Free: 30, First: time.Minute, Max: time.Hour, Forget: time.Hour}
	LetterThrottle   = Throttle{Free: 5, First: 5 * time.Minute, Max: time.Hour, Forget: 24 * time.Hour} // to one address
	ChangeThrottle   = Throttle{Free: 10, First: time.Hour, Max: 24 * time.Hour, Forget: 24 * time.Hour} // of what opens an account
)

// Wait returns how long after the given miss the next try must wait: 0 for the free ones, then doubling up to Max.
func (t Throttle) Wait(misses int) time.Duration {
	if misses < t.Free {
		return 0
	}
	if n := misses - t.Free; n < 20 {
		return min(t.First<<n, t.Max)
	}
	return t.Max
}

// TryOrWait counts a try against key, or refuses it as Throttled with the wait.
func TryOrWait(ctx context.Context, store tryCounter, key string, t Throttle) error {
	wait, err := store.CountTry(ctx, key, t)
	if err != nil {
		return err
	}
	if wait > 0 {
		return &Error{Kind: Throttled, Wait: wait, Msg: "Too many tries. " + waitSentence(wait)}
	}
	return nil
}

// Door is something that anybody may do here unasked, and how often.
type Door struct {
	Kind    string   // of the keys that it is counted against
	Network Throttle // of one network
	All     int      // in a minute, of all networks together
}

// The doors. One network gets through at most thirty, or sixty, times before it waits, and all networks of one site half as often
// as all together: nobody takes what all have.
var (
	SignUpDoor   = Door{Kind: "signup", Network: SignUpThrottle, All: 300}
	RegisterDoor = Door{Kind: "register", Network: RegisterThrottle, All: 120}
)

// Pass counts somebody who wants to do it, of the network first, or refuses them as Throttled with the wait.
func (d Door) Pass(ctx context.Context, store throttleStore, address string, now time.Time) error {
	if err := TryOrWait(ctx, store, d.network(address), d.Network); err != nil {
		return err
	}
	rest := now.Truncate(time.Minute).Add(time.Minute).Sub(now)
	inMinute := Throttle{Free: d.All / 2, First: rest, Max: rest, Forget: time.Hour}
	if err := TryOrWait(ctx, store, d.site(address, now), inMinute); err != nil {
		return errors.Join(err, store.ForgiveTry(ctx, d.network(address)))
	}
	inMinute.Free = d.All
	if err := TryOrWait(ctx, store, d.minute(now), inMinute); err != nil {
		return errors.Join(err, store.ForgiveTry(ctx, d.network(address)), store.ForgiveTry(ctx, d.site(address, now)))
	}
	return nil
}

// Forgive takes back what Pass counted.
func (d Door) Forgive(ctx context.Context, store throttleStore, address string, now time.Time) error {
	return errors.Join(
		store.ForgiveTry(ctx, d.network(address)), store.ForgiveTry(ctx, d.site(address, now)), store.ForgiveTry(ctx, d.minute(now)))
}

func (d Door) network(address string) string { return ThrottleKey(d.Kind, Network(address)) }

// site is a key for each minute, too.
func (d Door) site(address string, now time.Time) string {
	return ThrottleKey("site_"+d.Kind, site(address)+" "+now.UTC().Truncate(time.Minute).String())
}

// minute is a key of its own for each minute, so that what was done in the one before counts no more.
func (d Door) minute(now time.Time) string {
	return ThrottleKey("all_"+d.Kind, now.UTC().Truncate(time.Minute).String())
}

// tries are the keys that one guess of a password counts against.
type tries struct {
	person string // forgotten by a right one
	place  string // of the network that strangers come from; empty: not counted
}

// judge counts one try as a miss, lets judge look at it, and takes back what was none: a right one, which also forgets the
// person's misses, and one that nobody judged.
func (t tries) judge(ctx context.Context, store throttleStore, judge func() (bool, error)) (right bool, err error) {
	if t.place != "" {
		if err := TryOrWait(ctx, store, t.place, AddressThrottle); err != nil {
			return false, err
		}
	}
	if err := TryOrWait(ctx, store, t.person, PasswordThrottle); err != nil {
		return false, err
	}
	right, err = judge()
	switch {
	case KindOf(err) == Busy:
		return false, errors.Join(err, store.ForgiveTry(ctx, t.person), t.leave(ctx, store))
	case err != nil || !right:
		return false, err
	}
	return true, errors.Join(store.ClearTries(ctx, t.person), t.leave(ctx, store))
}

// leave takes back the network's try. Its other ones stay: others behind it may be guessing.
func (t tries) leave(ctx context.Context, store throttleStore) error {
	if t.place == "" {
		return nil
	}
	return store.ForgiveTry(ctx, t.place)
}

func waitSentence(wait time.Duration) string {
	unit, name := time.Second, "seconds"
	if wait > time.Minute {
		unit, name = time.Minute, "minutes"
	}
	return fmt.Sprintf("Wait %d %s, then try again.", (wait+unit-1)/unit, name)
}

// ThrottleKey names what tries are counted against. The value is hashed: addresses and names do not pile up in the clear.
func ThrottleKey(kind, value string) string {
	sum := sha256.Sum256([]byte(value))
	return kind + ":" + hex.EncodeToString(sum[:12])
}

// site returns the part of an IP address that one customer can have many networks in: an IPv4 /24, an IPv6 /48.
func site(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	bits := 24
	if addr = addr.Unmap(); addr.Is6() {
		bits = 48
	}
	prefix, _ := addr.Prefix(bits)
	return prefix.String()
}

// Network returns the part of an IP address that one customer has to themselves: an IPv4 address, an IPv6 /64.
func Network(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	addr = addr.Unmap()
	if addr.Is6() {
		prefix, _ := addr.Prefix(64)
		return prefix.String()
	}
	return addr.String()
}
