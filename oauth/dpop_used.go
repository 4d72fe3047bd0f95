package oauth

import (
	"crypto/sha256"
	"math"
	"sync"
	"time"
)

// maxUsedProofs bounds the memory of used proofs: about 50 MB, and 3,500 requests with proofs a second for five minutes.
const maxUsedProofs = 1 << 20

// usedProofs remembers which proofs were used, by key and jti, for as long as they would pass again (RFC 9449 §11.1). When
// it is full, those that would pass for the shortest time are forgotten: no honest phone is refused for the crowd.
//
// It is one process's memory. Replicas share it only once Redis carries it (DESIGN §7), so until then a captured request
// can be sent to another replica within the proof's minutes. At the token endpoint that gains nothing: the tokens that come
// back are bound to the key, which the thief does not have, and the owner's next refresh goes on by the rule for holders
// who prove their key (DESIGN §2). At userinfo it tells once more what the captured answer told.
type usedProofs struct {
	now func() time.Time
	max int

	mu      sync.Mutex
	minutes map[int64]map[usedProof]struct{} // by the minute at whose end they are forgotten
	count   int
}

// usedProof stands for a key and a jti of it: half of a SHA-256, so that a long jti costs no more than a short one.
type usedProof [16]byte

func newUsedProofs(now func() time.Time) *usedProofs {
	return &usedProofs{now: now, max: maxUsedProofs, minutes: map[int64]map[usedProof]struct{}{}}
}

// first reports whether the proof was not used before, and remembers it.
func (u *usedProofs) first(p proof) bool {
	sum := sha256.Sum256(append(p.key[:], p.id...))
	id, last := usedProof(sum[:16]), minuteOf(p.until)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.forget()
	for _, used := range u.minutes { // never more than eight
		if _, known := used[id]; known {
			return false
		}
	}
	if u.minutes[last] == nil {
		u.minutes[last] = map[usedProof]struct{}{}
	}
	u.minutes[last][id] = struct{}{}
	u.count++
	return true
}

// forget drops the minutes that are over, and the one that ends first while there is no room.
func (u *usedProofs) forget() {
	for next := minuteOf(u.now()); len(u.minutes) > 0; {
		first := firstOf(u.minutes)
		if first >= next && u.count < u.max {
			return
		}
		u.count -= len(u.minutes[first])
		delete(u.minutes, first)
	}
}

func firstOf(minutes map[int64]map[usedProof]struct{}) int64 {
	first := int64(math.MaxInt64)
	for minute := range minutes {
		first = min(first, minute)
	}
	return first
}

func minuteOf(t time.Time) int64 { return t.Unix() / 60 }
