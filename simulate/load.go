package simulate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Load lets phones refresh against a running server in real time, for a while and at a rate, and ends their Sessions when
// it is over. All of them are apps of one person, who signs in through the pages once.
func Load(ctx context.Context, o LoadOptions) (LoadReport, error) {
	if err := o.problems(); err != nil {
		return LoadReport{}, err
	}
	s, err := discover(ctx, o)
	if err != nil {
		return LoadReport{}, err
	}
	defer s.http.CloseIdleConnections()
	b, err := s.browser()
	if err != nil {
		return LoadReport{}, err
	}
	l := &load{LoadOptions: o, target: s, browser: b}
	phones, err := l.unbox(ctx)
	if err != nil {
		return LoadReport{}, errors.Join(err, l.goodbye(ctx, phones))
	}
	took, err := l.run(ctx, phones)
	if err = errors.Join(err, l.goodbye(ctx, phones)); err != nil {
		return LoadReport{}, err
	}
	return l.report(took), nil
}

// load is a run and its books.
type load struct {
	LoadOptions
	target  *target
	browser *browser

	mu   sync.Mutex // guards what follows
	seen counts
}

// counts are what the phones lived through.
type counts struct {
	took         []time.Duration // of refreshes that were answered with tokens
	cut          int             // requests
	unanswered   int             // requests that the server or the network failed
	pairs        int
	forcedLogins int
}

func (l *load) note(do func(*counts)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	do(&l.seen)
}

// unbox signs in every phone.
func (l *load) unbox(ctx context.Context) ([]*loadPhone, error) {
	var phones []*loadPhone
	for n := range l.Devices {
		p := &loadPhone{load: l, dice: newDice(l.Seed, n)}
		if err := p.signIn(ctx); err != nil {
			return phones, fmt.Errorf("sign in: %w", err)
		}
		phones = append(phones, p)
	}
	return phones, nil
}

// run lets them refresh until the time is over. What a phone has begun it finishes.
func (l *load) run(ctx context.Context, phones []*loadPhone) (time.Duration, error) {
	began := l.Wall()
	over, stop := context.WithTimeout(ctx, l.Duration)
	defer stop()
	failed, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var all sync.WaitGroup
	for _, p := range phones {
		all.Go(func() {
			if err := p.live(failed, over.Done()); err != nil {
				stop()
				fail(err)
			}
		})
	}
	all.Wait()
	return l.Wall().Sub(began), context.Cause(failed)
}

// goodbye ends the Sessions, so that the person's list of devices is what it was. Many at once: there may be thousands.
func (l *load) goodbye(ctx context.Context, phones []*loadPhone) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer stop()
	queue := make(chan *loadPhone)
	var all sync.WaitGroup
	var mu sync.Mutex
	var problem error
	for range 16 {
		all.Go(func() {
			for p := range queue {
				if err := l.target.revoke(ctx, p.held); err != nil {
					mu.Lock()
					problem = fmt.Errorf("end the sessions: %w", err)
					mu.Unlock()
				}
			}
		})
	}
	for _, p := range phones {
		queue <- p
	}
	close(queue)
	all.Wait()
	return problem
}
