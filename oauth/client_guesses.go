package oauth

import (
	"net/http"
	"sync"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// clientThrottle is how many wrong secrets are free for one client from one network (RFC 6749 §2.3.1: "MUST protect any
// endpoint utilizing it against brute force attacks").
var clientThrottle = identity.Throttle{Free: 20, First: 10 * time.Second, Max: 5 * time.Minute, Forget: time.Hour}

const maxGuessers = 10_000

// guesses counts wrong client secrets in this process: each replica gives a guesser as little, and a right secret costs
// the database nothing. The zero value is empty.
type guesses struct {
	mu    sync.Mutex
	byKey map[string]guesser
}

type guesser struct {
	misses       int
	last         time.Time
	blockedUntil time.Time
}

// guessKey is what wrong secrets are counted against: a client can't be locked out from another network.
func guessKey(clientID string, r *http.Request) string {
	return identity.ThrottleKey("client", clientID+"\n"+identity.Network(identity.SeenFrom(r.RemoteAddr, "").Address))
}

// wait refuses (Throttled) while a key is blocked.
func (g *guesses) wait(key string, now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if left := g.byKey[key].blockedUntil.Sub(now); left > 0 {
		return &identity.Error{
			Kind: identity.Throttled, Wait: left, Msg: "Too many wrong client secrets from this network. Try again later.",
		}
	}
	return nil
}

// missed counts a wrong secret. When there is no room it forgets everyone: so many guessers at once are rare.
func (g *guesses) missed(key string, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.byKey == nil || len(g.byKey) >= maxGuessers {
		g.byKey = map[string]guesser{}
	}
	who := g.byKey[key]
	if now.Sub(who.last) > clientThrottle.Forget {
		who.misses = 0
	}
	who.misses++
	who.last, who.blockedUntil = now, now.Add(clientThrottle.Wait(who.misses))
	g.byKey[key] = who
}
