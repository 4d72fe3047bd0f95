package simulate

import (
	"context"
	"errors"
	"time"
)

// What phones do, as in every measurement of real ones that we know of: they come back when someone picks them up.
const (
	refreshEvery = 2 * time.Hour    // on average
	giveUp       = 15 * time.Second // on a request that no answer came to
	together     = 200 * time.Millisecond
	codeWindow   = 18 * time.Second // an app asks again for a code's tokens so long, then starts over
)

// Why a phone may come with an old token; the causes of forced logins that are not the server's.
const (
	lostAnswer   = "lost_answer"    // the answer did not arrive
	appKilled    = "app_killed"     // it arrived, but the app was killed before it stored it
	askedTwice   = "parallel"       // two requests at once
	lateRequest  = "late_duplicate" // a request delivered after the next refresh
	codeExchange = "code_exchange"  // the app never got an answer to its code
	twoStores    = "two_stores"     // the app has two stores that do not know of each other
)

// phone is one device with one app and one token store; or one of two such stores, of which each goes on by itself.
type phone struct {
	*world
	dice
	n        int
	session  *session
	held     string // the token in the store
	excuse   string // why held may be old
	gone     bool   // it never comes back
	key      *key   // that never leaves it; nil: its tokens are bearers'
	follower *phone // another store of the app, as of a widget; nil: there is one
	leader   *phone // the store that it is the second to
}

// split gives the app a second store. The token that it signs in for is in both.
func (p *phone) split() {
	p.follower = &phone{world: p.world, dice: newDice(p.Seed, -1-maxDevices-p.n), n: p.n, key: p.key, leader: p}
}

// session is a Session as this side of the network knows it.
type session struct {
	n                int // of its shard
	make             int // of makes
	over             bool
	began            bool
	beganAt, movedAt time.Duration
	newest           map[string]bool // tokens that nobody has used yet, of the generation that the line is in
	thief            *thief          // who has a copy of its token
}

// signIn is the person at the sign-in page, and a new Session.
func (p *phone) signIn(ctx context.Context) error {
	if p.leader != nil {
		return p.leader.signIn(ctx)
	}
	code, err := p.issuer.code(ctx, p.n)
	if err != nil {
		return err
	}
	p.tally.SignIns++
	p.begun++
	p.session, p.held, p.excuse = &session{n: p.begun, make: p.n % len(makes)}, "", ""
	if p.follower != nil {
		p.follower.session = p.session
	}
	return p.exchange(ctx, code, p.clock.elapsed())
}

// exchange redeems a code, again and again while answers are lost.
func (p *phone) exchange(ctx context.Context, code string, began time.Duration) error {
	token, err := p.issuer.redeem(ctx, redemption{code, p.key.proof(p.clock.now()), p.session.make})
	if err != nil {
		return err
	}
	if token != "" {
		p.truths[p.session.make].redeemed(&p.clock, p.session, token)
	}
	if token != "" && !p.chance(p.Loss) {
		p.held = token
		if p.follower != nil {
			p.follower.held, p.follower.excuse = token, ""
		}
		p.plan(p.about(refreshEvery))
		return nil
	}
	p.tally.LostExchanges++
	wait := p.between(time.Second, 4*time.Second)
	if token == "" || p.clock.elapsed()+wait-began > codeWindow {
		p.tally.forced(codeExchange)
		p.after(wait, p.signIn)
		return nil
	}
	p.after(wait, func(ctx context.Context) error { return p.exchange(ctx, code, began) })
	return nil
}

// plan is the next refresh, of the second store too: they are woken together. Whoever watches the phone knows when that
// will be.
func (p *phone) plan(wait time.Duration) {
	p.later(wait, p.refresh)
	if s := p.follower; s != nil {
		s.later(wait+s.between(0, time.Minute), s.refresh)
	}
	if t := p.session.thief; t != nil {
		t.foresees(wait)
	}
}

// later plans something of this Session. Another store may have signed in anew by then.
func (p *phone) later(wait time.Duration, do func(context.Context) error) {
	of := p.session
	p.after(wait, func(ctx context.Context) error {
		if p.session != of {
			return nil
		}
		return do(ctx)
	})
}

// refresh is a phone that needs a new access token.
func (p *phone) refresh(ctx context.Context) error {
	if p.gone || p.leader != nil && p.leader.gone {
		return nil
	}
	if p.chance(p.Late) {
		p.stuck()
		return nil
	}
	next, err := p.present(ctx, p.held, p.excuse)
	switch {
	case err != nil:
		return err
	case next == "":
		return p.signIn(ctx)
	case p.chance(p.Parallel):
		p.tally.Parallel++
		p.later(together, func(ctx context.Context) error { return p.second(ctx, next) })
		return nil
	}
	p.answered(next)
	return nil
}

// second is another thread of the app with the same token; either answer ends up in the store.
func (p *phone) second(ctx context.Context, first string) error {
	next, err := p.present(ctx, p.held, askedTwice)
	if err != nil {
		return err
	}
	if next == "" || p.chance(.5) {
		next = first
	}
	p.answered(next)
	if p.held == first {
		p.excuse = askedTwice // where only the last answer counts
	}
	return nil
}

// present is the phone's own presentation of a token.
func (p *phone) present(ctx context.Context, token, excuse string) (string, error) {
	if p.leader != nil || p.follower != nil {
		excuse = twoStores
	}
	next, err := p.deliver(ctx, p.session, shown{token, p.key.proof(p.clock.now()), excuse})
	if t := p.session.thief; t != nil && err == nil && next == "" {
		t.met()
	}
	return next, err
}

// answer is what an app reads of a token answer.
type answer struct {
	RefreshToken string `json:"refresh_token"`
	Error        string `json:"error"`
	Description  string `json:"error_description"`
	Action       string `json:"action"`
}

// answered is the way back to the phone, on which answers are lost, into a store that may not be reached any more.
func (p *phone) answered(next string) {
	t := p.session.thief
	dropped := t != nil && t.drops(next)
	if !dropped && !p.chance(p.Loss) {
		p.held, p.excuse = next, ""
		if t != nil {
			t.sees()
		}
		if p.leader == nil {
			p.plan(p.about(refreshEvery))
		}
		return
	}
	excuse, wait := lostAnswer, p.between(time.Second, 20*time.Second)
	switch luck := p.Float64(); {
	case dropped || luck < .6:
	case luck < .8:
		wait = p.between(40*time.Second, 10*time.Minute)
	default:
		excuse, wait = appKilled, p.between(time.Hour, 24*time.Hour)
	}
	p.excuse = excuse
	p.tally.lost(excuse)
	p.plan(wait)
}

// stuck is a request in a dead uplink: the phone gives up and asks again, the server sees it minutes later.
func (p *phone) stuck() {
	p.tally.LateRequests++
	of, late := p.session, shown{p.held, p.key.proof(p.clock.now()), lateRequest}
	p.after(p.between(31*time.Second, 5*time.Minute), func(ctx context.Context) error {
		_, err := p.deliver(ctx, of, late)
		if errors.Is(err, errUnproved) { // its proof is too old, and no one waits for an answer
			return nil
		}
		return err
	})
	p.later(giveUp, p.refresh)
}
