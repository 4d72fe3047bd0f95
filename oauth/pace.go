package oauth

import (
	"math"
	"sync"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// pace is how often somebody may do what costs others something: so many at once, then one each time.
type pace struct {
	burst float64
	every time.Duration
}

var (
	// documentPace is of one Session's writes to /me/state: each wakes the person's other devices. All documents that there
	// may be can be written at once, three times.
	documentPace = pace{burst: 200, every: time.Second / 2}
	// denialPace is of one Session's access tokens that are revoked one by one: each is a row until it expires. Whoever signs
	// out revokes the refresh token, which has no limit and leaves none.
	denialPace = pace{burst: 20, every: 30 * time.Second}
)

// maxPaced bounds of how many is remembered how often they did it, of each kind.
const maxPaced = 10_000

// paces hold each one to a pace, in this process. The zero value is empty.
type paces struct {
	mu      sync.Mutex
	by      map[string]paced
	refused int
}

// paced is what one has left.
type paced struct {
	left float64
	at   time.Time
}

// take counts one more of key, or refuses it (Throttled).
func (p *paces) take(key string, to pace, now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	one, known := p.by[key]
	if !known {
		p.makeRoom(to, now)
		one = paced{to.burst, now}
	}
	one.left = min(to.burst, one.left+float64(now.Sub(one.at))/float64(to.every))
	one.at = now
	if one.left < 1 {
		p.refused++
		p.by[key] = one
		wait := time.Duration(math.Ceil((1 - one.left) * float64(to.every)))
		return &identity.Error{Kind: identity.Throttled, Wait: wait, Msg: "Too many at once. Ask again in a moment."}
	}
	one.left--
	p.by[key] = one
	return nil
}

// makeRoom forgets those who have all that one may have again, and where there are none of them anyone.
func (p *paces) makeRoom(to pace, now time.Time) {
	if p.by == nil {
		p.by = map[string]paced{}
	}
	if len(p.by) < maxPaced {
		return
	}
	for key, one := range p.by {
		if one.left+float64(now.Sub(one.at))/float64(to.every) >= to.burst {
			delete(p.by, key)
		}
	}
	for key := range p.by {
		if len(p.by) < maxPaced {
			return
		}
		delete(p.by, key)
	}
}

// turnedAway is how many were refused.
func (p *paces) turnedAway() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused
}

// RefusedWrites is how many writes to /me/state were refused since this process started, RefusedRevocations how many
// revocations of an access token.
func (e *Endpoints) RefusedWrites() int { return e.writes.turnedAway() }

// RefusedRevocations is said there.
func (e *Endpoints) RefusedRevocations() int { return e.denials.turnedAway() }
