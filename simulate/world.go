package simulate

import (
	"context"
	"time"
)

// world is one shard: its devices, its own clock, and who answers them. Everything in it happens one after the other.
type world struct {
	Options
	timeline
	issuer  issuer
	tally   tally
	thieves []*thief
	pace    *pace
}

// arrivals is how long it takes until everyone has signed in for the first time.
const arrivals = time.Hour

// populate plans the lives of devices from one number up to another, of all that there are. Thieves rob the first ones.
func (w *world) populate(from, to int) {
	for n := from; n < to; n++ {
		p := &phone{world: w, dice: newDice(w.Seed, n), n: n}
		w.after(p.between(0, arrivals), p.signIn)
		if n < w.Thieves {
			t := &thief{world: w, dice: newDice(w.Seed, -1-n), owner: p, kind: kinds[n%len(kinds)]}
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
func (w *world) deliver(ctx context.Context, of *session, token, excuse string) (string, error) {
	next, err := w.issuer.refresh(ctx, token)
	if err != nil {
		return "", err
	}
	if next != "" {
		w.tally.Refreshes++
		w.pace.refreshes.Add(1)
		return next, nil
	}
	if of.over {
		return "", nil
	}
	of.over = true
	if of.thief != nil && of.thief.used() {
		of.thief.foundOut = w.clock.elapsed()
		return "", nil
	}
	if excuse == "" {
		if excuse, err = w.issuer.ended(ctx, token); err != nil {
			return "", err
		}
	}
	w.tally.forced(excuse)
	if of.thief != nil { // whose copy is worth nothing now: back to work
		w.after(time.Hour, of.thief.steal)
	}
	return "", nil
}
