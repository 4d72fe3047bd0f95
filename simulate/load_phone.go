package simulate

import (
	"context"
	"time"
)

// Phones in a hurry: what takes minutes in life takes a second here.
const (
	restAtLeast = 200 * time.Millisecond // between an answer and the next refresh
	soonAgain   = time.Second            // after an answer that did not come, at most
)

// loadPhone is one phone with one token store.
type loadPhone struct {
	*load
	dice
	held string
}

// signIn gets tokens by the browser in which the person is signed in.
func (p *loadPhone) signIn(ctx context.Context) error {
	code, err := p.browser.code(ctx, p.LoadOptions)
	if err != nil {
		return err
	}
	p.held, err = p.target.redeem(ctx, code)
	return err
}

// live refreshes until over is closed.
func (p *loadPhone) live(ctx context.Context, over <-chan struct{}) error {
	mean := time.Duration(float64(p.Devices)/p.Rate*float64(time.Second)) - restAtLeast
	wait := p.between(0, mean)
	for {
		select {
		case <-over:
			return nil
		case <-time.After(wait):
		}
		if p.chance(p.Loss) {
			p.note(func(c *counts) { c.cut++ })
			p.target.cut(ctx, p.held)
			wait = p.between(soonAgain/20, soonAgain)
			continue
		}
		got := p.ask(ctx)
		if got.refused {
			p.note(func(c *counts) { c.forcedLogins++ })
			if err := p.signIn(ctx); err != nil {
				return err
			}
		}
		wait = restAtLeast + p.about(mean)
		if got.token == "" && !got.refused {
			wait = max(got.wait, soonAgain)
			continue
		}
		if got.token != "" {
			p.held = got.token
		}
	}
}

// ask refreshes, once or twice at once, and returns what the app ends up with.
func (p *loadPhone) ask(ctx context.Context) refreshed {
	if !p.chance(p.Parallel) {
		return p.one(ctx)
	}
	p.note(func(c *counts) { c.pairs++ })
	other := make(chan refreshed, 1)
	go func() { other <- p.one(ctx) }()
	first, second := p.one(ctx), <-other
	if p.chance(.5) {
		first, second = second, first
	}
	switch {
	case first.refused || second.refused:
		return refreshed{refused: true}
	case first.token == "":
		return second
	}
	return first
}

// one is one refresh and its time.
func (p *loadPhone) one(ctx context.Context) refreshed {
	began := p.Wall()
	got := p.target.refresh(ctx, p.held)
	took := p.Wall().Sub(began)
	p.note(func(c *counts) {
		switch {
		case got.token != "":
			c.took = append(c.took, took)
		case !got.refused:
			c.unanswered++
		}
	})
	return got
}
