package app

import (
	"context"
	"errors"
	"net/url"
	"time"
)

// flight is one renewal under way, for all who wait for it.
type flight struct {
	done   chan struct{}
	failed chan struct{} // closed at the first try without a verdict
	err    error
	once   bool
}

// token returns tokens that may be used now, and renews them first where they are due or are those that were refused.
func (a *App) token(ctx context.Context, refused string) (*tokens, error) {
	r, err := a.current()
	if err != nil {
		return nil, err
	}
	if r.Tokens == nil && !r.unfinished() {
		return nil, r.nobody(a.cfg.Language)
	}
	old := r.Tokens
	if old != nil && (old.Access == refused || a.isRefused(old.Access)) {
		refused, old = old.Access, nil
	}
	if old != nil && !a.due(old) && !r.unfinished() {
		return old, nil
	}
	f := a.join(refused)
	var early <-chan struct{} // nobody waits for a renewal that was ahead of time
	if old != nil && a.left(old) > 0 {
		early = f.failed
	}
	select {
	case <-ctx.Done():
		return nil, &Error{Kind: Offline, Err: ctx.Err()}
	case <-early:
		return old, nil
	case <-f.done:
	}
	if f.err == nil {
		return a.fresh()
	}
	if err := a.open(); err != nil {
		return nil, err
	}
	if old != nil && a.left(old) > 0 && KindOf(f.err) != "" && KindOf(f.err) != SignedOut {
		return old, nil
	}
	return nil, f.err
}

// fresh is what a renewal brought.
func (a *App) fresh() (*tokens, error) {
	r, err := a.current()
	if err != nil {
		return nil, err
	}
	if r.Tokens == nil {
		return nil, r.nobody(a.cfg.Language)
	}
	return r.Tokens, nil
}

// join joins the renewal that is under way, or begins one. It goes on when those who wait have left.
func (a *App) join(refused string) *flight {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.flight != nil {
		return a.flight
	}
	f := &flight{done: make(chan struct{}), failed: make(chan struct{})}
	a.flight = f
	go func() {
		f.err = a.renew(a.life, refused, f.fail)
		a.mu.Lock()
		a.flight = nil
		a.mu.Unlock()
		close(f.done)
	}()
	return f
}

// fail tells those who have a token that lives that it did not work at once.
func (f *flight) fail() {
	if !f.once {
		f.once = true
		close(f.failed)
	}
}

// renew finishes a sign-in that waits for it, then refreshes.
func (a *App) renew(ctx context.Context, refused string, failed func()) error {
	r, err := a.current()
	if err != nil {
		return err
	}
	if r.unfinished() {
		if err := a.finish(ctx, failed); err != nil && r.Tokens == nil {
			return err
		}
	}
	if err := a.held(); err != nil {
		return err
	}
	err = a.insist(ctx, a.clock.Elapsed()+patience, failed, func(ctx context.Context) error {
		return a.change(ctx, func(r *record) error { return a.refresh(ctx, r, refused) })
	})
	a.noteStop(err)
	return err
}

// refresh is one try, under the store's lock. r is as another process may just have left it.
func (a *App) refresh(ctx context.Context, r *record, refused string) error {
	t := r.Tokens
	switch {
	case t == nil:
		return r.nobody(a.cfg.Language)
	case !a.due(t) && t.Access != refused:
		return nil // another process was quicker
	case t.Refresh == "":
		return a.end(r, &Ended{Reason: "expired"}) // all that there was is over
	}
	if err := a.store.Check(); err != nil {
		return &Error{Kind: Store, Err: err}
	}
	k, err := a.keyOf(ctx, t.Key)
	if errors.Is(err, errLostKey) {
		return a.end(r, &Ended{Reason: reasonKey})
	}
	if err != nil {
		return err
	}
	p, err := a.provider(ctx, r)
	if err != nil {
		return err
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {t.Refresh}, "client_id": {a.cfg.ClientID}}
	a.describe(r, form)
	got, v := a.send(ctx, sending{p.Token, form, k})
	switch v.do {
	case doUse:
		return a.takeOver(ctx, r, got)
	case doLogin:
		return a.end(r, &Ended{Reason: reasonUnknown})
	default:
		return v.trouble()
	}
}

// takeOver writes what a refresh brought. Where that fails it is dropped: the old refresh token gets another successor.
func (a *App) takeOver(ctx context.Context, r *record, got answer) error {
	old := r.Tokens
	fresh, more, err := a.readTokens(got, old.Key)
	if err != nil {
		return err
	}
	if more.IDToken != "" && r.Identity != nil {
		if err := a.sameAs(ctx, r.Identity, more.IDToken); err != nil {
			return err
		}
	}
	fresh.SessionID, fresh.Origin = old.SessionID, old.Origin
	if fresh.Refresh == "" {
		fresh.Refresh = old.Refresh // RFC 6749 §6: a new one is optional
	}
	if fresh.Ends.IsZero() {
		fresh.Ends = old.Ends
	}
	r.Tokens = fresh
	if r.Identity != nil {
		confirmed := *r.Identity
		confirmed.Since = a.serverTime()
		r.Identity = &confirmed
	}
	return a.save(r)
}

// end forgets a session that is over, and says so.
func (a *App) end(r *record, why *Ended) error {
	why.At, why.SessionID = a.serverTime(), r.Tokens.SessionID
	over := &unwritten{r.Tokens.Origin, why}
	r.forget()
	r.Ended = why
	if a.bury(r) != nil { // it is over, whether or not that could be written
		a.mu.Lock()
		a.over = over
		a.mu.Unlock()
		a.publish(r)
	}
	a.tellEnded(r)
	return r.nobody(a.cfg.Language)
}

// holdOff remembers what a Retry-After asked for.
func (a *App) holdOff(after time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if after > 0 {
		a.notBefore = a.clock.Elapsed() + after
		a.heldBy = nil
	}
}

// noteStop makes the next try after a wrong set-up wait, longer each time.
func (a *App) noteStop(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	stopped, ok := errors.AsType[*Error](err)
	switch {
	case err == nil:
		a.stops, a.heldBy, a.notBefore = 0, nil, 0
	case ok && stopped.Kind == Stop:
		a.notBefore = a.clock.Elapsed() + min(stopWait<<min(a.stops, 8), longStop)
		a.heldBy = stopped
		a.stops++
	}
}

// held says what keeps the app from asking now.
func (a *App) held() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	wait := a.notBefore - a.clock.Elapsed()
	switch {
	case wait <= 0:
		return nil
	case a.heldBy != nil:
		return a.heldBy
	}
	return &Error{Kind: Offline, Wait: wait, Err: errors.New("the server asked to wait")}
}

// Refresh renews the access token although it lives.
func (a *App) Refresh(ctx context.Context) error {
	r, err := a.current()
	if err != nil {
		return err
	}
	if r.Tokens == nil {
		return r.nobody(a.cfg.Language)
	}
	_, err = a.token(ctx, r.Tokens.Access)
	return err
}
