package oauth

import (
	"crypto/sha256"
	"strconv"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// clockAt is a clock that stands still until it is moved.
type clockAt struct{ time.Time }

func (c *clockAt) now() time.Time { return c.Time }

func newClock() *clockAt { return &clockAt{time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)} }

func newRing(t testing.TB, fill ...byte) *identity.Keyring {
	t.Helper()
	var roots [][]byte
	for _, b := range fill {
		root := sha256.Sum256([]byte{b})
		roots = append(roots, root[:])
	}
	ring, err := identity.NewKeyring(roots...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func TestNonces_areOursToTheLastBit(t *testing.T) {
	t.Parallel()
	clock := newClock()
	n := nonces{newRing(t, 1), clock.now}
	nonce := n.fresh()
	if made, ok := n.madeAt(nonce); !ok || !made.Equal(clock.Time) {
		t.Fatalf("%q was made at %v, %v", nonce, made, ok)
	}
	raw, err := nonceText.DecodeString(nonce)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range len(raw) * 8 {
		raw[bit/8] ^= 1 << (bit % 8)
		if _, ok := n.madeAt(nonceText.EncodeToString(raw)); ok {
			t.Errorf("bit %d can be turned over", bit)
		}
		raw[bit/8] ^= 1 << (bit % 8)
	}
	for _, wrong := range []string{"", nonce[1:], nonce[:35], nonce + "A", nonce[:20] + "\n" + nonce[20:], nonce + "=="} {
		if _, ok := n.madeAt(wrong); ok {
			t.Errorf("%q passes", wrong)
		}
	}
}

func TestNonces_ofARetiredRootSecretStayGood(t *testing.T) {
	t.Parallel()
	clock := newClock()
	old := nonces{newRing(t, 1), clock.now}.fresh()
	if _, ok := (nonces{newRing(t, 2, 1), clock.now}).madeAt(old); !ok {
		t.Error("the root secret was rotated, and the nonce is lost")
	}
	if _, ok := (nonces{newRing(t, 2), clock.now}).madeAt(old); ok {
		t.Error("another server's nonce passes")
	}
}

func TestNonces_areNoOtherSignatureOfOurs(t *testing.T) {
	t.Parallel()
	ring, clock := newRing(t, 1), newClock()
	other := nonceText.EncodeToString(ring.Sign(identity.ForBinding, make([]byte, 8)))
	if _, ok := (nonces{ring, clock.now}).madeAt(other); ok || len(other) != nonceLen {
		t.Errorf("%q passes for a nonce", other)
	}
}

func used(id string, until time.Time) proof {
	return proof{key: identity.Thumbprint{1}, id: id, until: until}
}

func TestUsedProofs_areKnownForAsLongAsTheyWouldPass(t *testing.T) {
	t.Parallel()
	clock := newClock()
	u := newUsedProofs(clock.now)
	p := used("a", clock.Add(5*time.Minute))
	if !u.first(p) || u.first(p) {
		t.Fatal("a proof must pass once")
	}
	otherKey := p
	otherKey.key = identity.Thumbprint{2}
	if !u.first(otherKey) || !u.first(used("b", p.until)) {
		t.Error("another key's jti, or another jti, is taken for the same")
	}
	if u.first(used("a", p.until.Add(time.Minute))) {
		t.Error("the same jti passes again in a proof that lasts longer")
	}
	clock.Time = p.until
	if u.first(p) {
		t.Error("forgotten while it would still pass")
	}
	clock.Time = p.until.Add(time.Minute)
	u.first(used("c", clock.Add(time.Minute)))
	if u.count != 1 || len(u.minutes) != 1 {
		t.Errorf("%d proofs of %d minutes are kept, want one of one", u.count, len(u.minutes))
	}
}

func TestUsedProofs_areBounded(t *testing.T) {
	t.Parallel()
	clock := newClock()
	u := newUsedProofs(clock.now)
	u.max = 100
	soon, late := clock.Add(time.Minute), clock.Add(5*time.Minute)
	for i := range 1000 {
		until := soon
		if i%20 == 0 {
			until = late
		}
		if !u.first(used(strconv.Itoa(i), until)) {
			t.Fatalf("proof %d is refused", i)
		}
		if n := len(u.minutes[minuteOf(soon)]) + len(u.minutes[minuteOf(late)]); n != u.count || n > u.max {
			t.Fatalf("%d proofs are remembered, counted %d, want at most %d", n, u.count, u.max)
		}
	}
	if u.first(used("980", late)) {
		t.Error("what would pass longest was forgotten first")
	}
}
