package simulate

import (
	"context"
	"math/rand/v2"
	"time"
)

// world is one shard: its devices, its own clock, and who answers them. Everything in it happens one after the other.
type world struct {
	Options
	timeline
	issuer  issuer
	tally   tally
	truths  [len(makes)]truth
	begun   int // Sessions
	thieves []*thief
	pace    *pace
}

// arrivals is how long it takes until everyone has signed in for the first time.
const arrivals = time.Hour

// populate plans the lives of devices from one number up to another, of all that there are. Thieves rob the first ones.
func (w *world) populate(from, to int) {
	for n := from; n < to; n++ {
		p := &phone{world: w, dice: newDice(w.Seed, n), n: n, key: w.newKey()}
		if w.Stores > 0 && p.chance(w.Stores) {
			p.split()
		}
		w.after(p.between(0, arrivals), p.signIn)
		if n < w.Thieves {
			t := &thief{world: w, dice: newDice(w.Seed, -1-n), owner: p, kind: kinds[n%len(kinds)], key: w.newKey()}
			w.thieves = append(w.thieves, t)
			// Early enough for thieves and owners to meet before the simulation ends.
			w.after(t.between(arrivals+w.length()/20, arrivals+w.length()*6/10), t.steal)
		}
	}
}

func (w *world) length() time.Duration { return time.Duration(w.Days) * 24 * time.Hour }

// arrive lets everyone sign in.
func (w *world) arrive(ctx context.Context) error { return w.until(ctx, arrivals) }

// live lets the days pass. In the end every thief who was not found out gets a last chance to be.
func (w *world) live(ctx context.Context) error {
	if err := w.until(ctx, arrivals+w.length()); err != nil {
		return err
	}
	for _, t := range w.thieves {
		if err := t.lastTry(ctx); err != nil {
			return err
		}
		w.tally.settle(t)
	}
	return nil
}

// deliver brings a refresh request to the server, whoever it comes from, and keeps the books: what it did to the Session,
// and who is to blame when that ended by it.
func (w *world) deliver(ctx context.Context, of *session, s shown) (string, error) {
	next, err := w.issuer.refresh(ctx, s.token, s.proof)
	if err != nil {
		return "", err
	}
	if next != "" {
		w.truths[of.make].moved(&w.clock, of, s.token, next)
		w.tally.Refreshes++
		w.pace.refreshes.Add(1)
		return next, nil
	}
	if of.over {
		return "", nil
	}
	of.over = true
	cause, err := w.issuer.ended(ctx, s.token)
	if err != nil {
		return "", err
	}
	w.truths[of.make].forced(&w.clock, of, cause)
	if of.thief != nil && of.thief.used() {
		of.thief.foundOut = w.clock.elapsed()
		return "", nil
	}
	if s.excuse == "" {
		s.excuse = cause
	}
	w.tally.forced(s.excuse)
	if of.thief != nil { // whose copy is worth nothing now: back to work
		w.after(time.Hour, of.thief.steal)
	}
	return "", nil
}

// shown is a refresh token in a request.
type shown struct {
	token  string
	proof  string // of a key; empty: none
	excuse string // why the token may be old
}

// redemption is an authorization code in a request.
type redemption struct {
	code, proof string
	make        int // of makes
}

// issuer is who answers the phones.
type issuer interface {
	// code signs in the person who has a device, and returns an authorization code.
	code(ctx context.Context, device int) (string, error)
	// redeem exchanges a code for a refresh token; "" when it was refused.
	redeem(ctx context.Context, r redemption) (string, error)
	// refresh exchanges a refresh token for the next one; "" when it was refused, errUnproved when only its bearer was.
	refresh(ctx context.Context, token, proof string) (string, error)
	// ended says why the Session of a token ended.
	ended(ctx context.Context, token string) (string, error)
}

const (
	devicesEach = 50 // that one person has: so many people, and no more passwords to hash
	issuerURL   = "http://localhost:8080"
	tokenURL    = issuerURL + "/oauth2/token"
	clientID    = "simulated-phone"
	redirectURI = "http://127.0.0.1/callback"
	password    = "a simulated person's password"
	verifier    = "every-simulated-phone-has-the-same-code-verifier"
)

// dice are what a device's life is decided by. Every device has its own, so that it lives the same life whatever machine
// it is simulated on and in whichever company.
type dice struct{ *rand.Rand }

func newDice(seed uint64, device int) dice {
	return dice{rand.New(rand.NewPCG(seed, uint64(device)))} //nolint:gosec // a simulation must be repeatable, not secret
}

// chance is true in a share of all cases.
func (d dice) chance(share float64) bool { return d.Float64() < share }

// between returns any duration from low to high.
func (d dice) between(low, high time.Duration) time.Duration {
	return low + time.Duration(d.Float64()*float64(high-low))
}

// about returns a duration with a mean, as of things that happen at random.
func (d dice) about(mean time.Duration) time.Duration {
	return time.Duration(d.ExpFloat64() * float64(mean))
}
