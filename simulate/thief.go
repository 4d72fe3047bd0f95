package simulate

import (
	"context"
	"errors"
	"time"
)

// kind is how a thief goes about it.
type kind string

// The kinds of thieves, dealt out in turn.
const (
	atRandom kind = "at_random"     // whenever it likes
	shadow   kind = "shadow_after"  // seconds after each refresh of the owner
	ahead    kind = "shadow_before" // seconds before each refresh of the owner
	onTimer  kind = "on_a_timer"    // as a robot does
	polling  kind = "polling"       // every few minutes
	dropping kind = "dropping"      // in the network: takes answers and keeps them from the owner
	orphaned kind = "owner_gone"    // of a phone that nobody picks up any more
)

var kinds = []kind{atRandom, shadow, ahead, onTimer, polling, dropping, orphaned}

// thief copies the token of one phone and goes on with it for as long as it gets answers.
type thief struct {
	*world
	dice
	owner     *phone
	kind      kind
	of        *session
	token     string
	firstUse  time.Duration
	foundOut  time.Duration // when the Session ended over it
	ownerCame int           // how often the owner got an answer or was refused since the first use
	got       int           // refreshes
	outlived  int           // ownerCame when it last got one
	toDrop    int           // answers that it will still keep from the owner
	refused   int           // for it had no proof of the owner's key
	key       *key          // its own, where tokens are bound to keys
	retired   bool          // the Session is over, or it was its last try
}

func (t *thief) used() bool { return t.firstUse > 0 }

// steal copies what is in the phone's store; while nothing is, it waits.
func (t *thief) steal(context.Context) error {
	if t.owner.gone {
		return nil
	}
	if t.owner.held == "" || t.owner.session.over {
		t.after(time.Minute, t.steal)
		return nil
	}
	t.of, t.token = t.owner.session, t.owner.held
	t.of.thief = t
	switch t.kind {
	case atRandom:
		t.again(t.between(0, 2*refreshEvery))
	case onTimer:
		t.again(refreshEvery)
	case polling:
		t.again(5 * time.Minute)
	case dropping:
		t.toDrop = 1 + t.IntN(3)
	case orphaned:
		t.owner.gone = true
		t.again(refreshEvery)
	case shadow, ahead: // the owner's refreshes are what it waits for
	}
	return nil
}

func (t *thief) again(wait time.Duration) { t.after(wait, t.present) }

// present is one try with the newest token it has.
func (t *thief) present(ctx context.Context) error {
	if t.of.over || t.retired {
		return nil
	}
	if !t.used() {
		t.firstUse = t.clock.elapsed()
	}
	s := shown{t.token, "", string(t.kind)}
	if t.refused%2 == 1 { // without any proof at first, then with one of its own
		s.proof = t.key.proof(t.clock.now())
	}
	next, err := t.deliver(ctx, t.of, s)
	switch {
	case errors.Is(err, errUnproved):
		t.refused++
	case err != nil || next == "":
		return err
	default:
		t.got++
		t.outlived, t.token = t.ownerCame, next
	}
	t.goOn()
	return nil
}

// goOn plans the next try.
func (t *thief) goOn() {
	switch t.kind {
	case atRandom:
		t.again(t.between(0, 2*refreshEvery))
	case onTimer:
		t.again(refreshEvery + t.between(-20*time.Second, 20*time.Second))
	case polling:
		t.again(t.between(4*time.Minute, 6*time.Minute))
	case dropping:
		t.again(t.between(time.Hour, 3*time.Hour))
	case orphaned:
		t.again(t.about(refreshEvery))
	case shadow, ahead:
	}
}

// met counts the owner's refreshes since the thief's first.
func (t *thief) met() {
	if t.used() {
		t.ownerCame++
	}
}

// sees is a thief who watches the owner refresh.
func (t *thief) sees() {
	t.met()
	if t.kind == shadow {
		t.again(t.between(time.Second, 10*time.Second))
	}
}

// foresees is a thief who knows when the owner will refresh.
func (t *thief) foresees(wait time.Duration) {
	if t.kind == ahead {
		t.again(max(0, wait-t.between(time.Second, 10*time.Second)))
	}
}

// drops reports whether the owner's answer ends with the thief, who then uses it before or after the owner asks again.
func (t *thief) drops(next string) bool {
	if t.toDrop == 0 {
		return false
	}
	t.toDrop--
	t.token = next
	t.again(t.between(0, 40*time.Second))
	return true
}

// ownerReturned reports whether there were two parties: the owner came back twice after the thief's first use (the first
// time may be taken for a retry, whose answer is still undecided), or both were refused.
func (t *thief) ownerReturned() bool { return t.foundOut > 0 || t.ownerCame >= 2 }

// lastTry brings it to light whether what it holds is worth anything.
func (t *thief) lastTry(ctx context.Context) error {
	if t.of == nil || t.of.over {
		return nil
	}
	err := t.present(ctx)
	t.retired = true
	return err
}
