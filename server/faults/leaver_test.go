package faults

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// leavers are phones that sign out one after the other, each after two refreshes, whatever breaks meanwhile.
type leavers struct {
	t      *testing.T
	base   string
	phones []*phone
	left   []*phone // those whose sign-out was acknowledged
	err    chan error
}

// leaving begins to let phones sign out.
func leaving(t *testing.T, base string, phones []*phone) *leavers {
	t.Helper()
	l := &leavers{t: t, base: base, phones: phones, err: make(chan error, 1)}
	go func() { l.err <- l.leave() }()
	return l
}

func (l *leavers) leave() error {
	for _, p := range l.phones {
		for _, step := range []func(context.Context, string) (outcome, error){p.refresh, p.refresh, p.leave} {
			if result, err := insist(l.t.Context(), l.base, step); err != nil || result != served {
				return fmt.Errorf("a phone on its way out: outcome %d, %w", result, err)
			}
		}
		l.left = append(l.left, p)
	}
	return nil
}

// insist asks until there is an answer.
func insist(ctx context.Context, base string, ask func(context.Context, string) (outcome, error)) (outcome, error) {
	for began := time.Now(); time.Since(began) < patience; time.Sleep(20 * time.Millisecond) {
		if result, err := ask(ctx, base); err != nil || result != later {
			return result, err
		}
	}
	return later, fmt.Errorf("no answer within %v", patience)
}

// gone waits until all of them were told that they are signed out.
func (l *leavers) gone() {
	l.t.Helper()
	if err := <-l.err; err != nil {
		l.t.Fatal(err)
	}
}

// living counts those who signed out and are served all the same.
func (l *leavers) living() (n int) {
	l.t.Helper()
	for _, p := range l.left {
		result, err := insist(l.t.Context(), l.base, p.refresh)
		if err != nil {
			l.t.Fatal(err)
		}
		if result == served {
			n++
		}
	}
	return n
}
