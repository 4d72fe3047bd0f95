package resource

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sojourn-auth/sojourn/sdk/go/internal/clock"
)

const (
	activeLife   = time.Minute
	inactiveLife = 10 * time.Second
	staleLife    = 10 * time.Second // of active answers while the feed is stale
	maxAsked     = 10_000           // answers that are kept of each kind
	maxAsking    = 32               // at once
	maxWaiting   = 1000             // to be asked
)

// answer is what introspection said about a token, and when it was asked.
type answer struct {
	claims *Claims // nil: it is not active
	at     moment
}

// asking is a question on its way.
type asking struct {
	done   chan struct{}
	answer answer
	err    error
}

// asked is introspection (RFC 7662), its answers kept for a while.
type asked struct {
	server *server
	free   chan struct{} // as many as may ask at once

	mu       sync.Mutex
	active   map[hash]answer
	inactive map[hash]answer // apart, so that garbage drives nobody out
	asking   map[hash]*asking
}

func newAsked(s *server) *asked {
	return &asked{
		server: s, free: make(chan struct{}, maxAsking), active: map[hash]answer{}, inactive: map[hash]answer{}, asking: map[hash]*asking{},
	}
}

var (
	errInactive     = errors.New("the server does not know it, or it is over")
	errTooManyAsked = errors.New("too many introspections at once")
)

// about returns what a token says that the server calls active, by an answer that is no older than life.
func (a *asked) about(ctx context.Context, token string, sum hash, life time.Duration) (*Claims, error) {
	found, ok := a.find(sum, life)
	if !ok {
		var err error
		if found, err = a.join(ctx, token, sum); err != nil {
			return nil, &unavailableError{err}
		}
	}
	if found.claims == nil {
		return nil, errInactive
	}
	if found.claims.expires != 0 && found.claims.expires <= a.server.cfg.Clock.Wall().Unix() {
		return nil, errExpired
	}
	return found.claims, nil
}

func (a *asked) find(sum hash, life time.Duration) (answer, bool) {
	clock := a.server.cfg.Clock
	a.mu.Lock()
	defer a.mu.Unlock()
	if found, ok := a.active[sum]; ok && found.at.age(clock) < life {
		return found, true
	}
	if found, ok := a.inactive[sum]; ok && found.at.age(clock) < inactiveLife {
		return found, true
	}
	return answer{}, false
}

// join asks, or waits for whoever asks the same.
func (a *asked) join(ctx context.Context, token string, sum hash) (answer, error) {
	a.mu.Lock()
	one, ok := a.asking[sum]
	if !ok && len(a.asking) >= maxAsking+maxWaiting { // callers who left are still asked for: a flood must not pile up
		a.mu.Unlock()
		return answer{}, errTooManyAsked
	}
	if !ok {
		one = &asking{done: make(chan struct{})}
		a.asking[sum] = one
		go a.ask(context.WithoutCancel(ctx), token, sum) // whoever else waits wants the answer too
	}
	a.mu.Unlock()
	select {
	case <-ctx.Done():
		return answer{}, ctx.Err()
	case <-one.done:
		return one.answer, one.err
	}
}

func (a *asked) ask(ctx context.Context, token string, sum hash) {
	ctx, stop := clock.Within(ctx, a.server.cfg.Clock, fetchLimit)
	defer stop()
	at := momentOf(a.server.cfg.Clock)
	var claims *Claims
	var err error
	select {
	case a.free <- struct{}{}:
		at = momentOf(a.server.cfg.Clock)
		claims, err = a.server.introspect(ctx, token)
		<-a.free
	case <-ctx.Done():
		err = errTooManyAsked
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	one := a.asking[sum]
	delete(a.asking, sum)
	one.answer, one.err = answer{claims, at}, err
	close(one.done)
	if err != nil {
		return
	}
	delete(a.active, sum)
	keep := a.active
	if claims == nil {
		keep = a.inactive
	}
	makeRoom(keep)
	keep[sum] = one.answer
}

// makeRoom drops any answer where there are too many.
func makeRoom(kept map[hash]answer) {
	for sum := range kept {
		if len(kept) < maxAsked {
			return
		}
		delete(kept, sum)
	}
}

// introspect asks the server about a token; nil claims: it is no active access token for this API.
func (s *server) introspect(ctx context.Context, token string) (*Claims, error) {
	d, err := s.where(ctx)
	if err != nil {
		return nil, err
	}
	request, err := s.form(ctx, d.Introspection, url.Values{"token": {token}, "token_type_hint": {"access_token"}})
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	s.introspection.Add(1)
	var all map[string]any
	if err := s.fetch(request, maxBody, &all); err != nil {
		return nil, fmt.Errorf("introspection: %w", err)
	}
	active, ok := all["active"].(bool)
	if !ok {
		return nil, errors.New("introspection: the answer has no active")
	}
	if !active {
		return nil, nil
	}
	c, err := readClaims(all)
	if err != nil || !s.ours(all) || c.Subject == "" || c.ClientID == "" { // whom no mark could strike
		return nil, nil //nolint:nilerr // an answer that does not fit is no yes
	}
	return c, nil
}

// ours reports whether an active answer is about an access token of the issuer for this API: refresh tokens are active too.
func (s *server) ours(all map[string]any) bool {
	if iss, there := all["iss"]; there && iss != s.cfg.Issuer {
		return false
	}
	if kind, there := all["token_type"]; there {
		text, _ := kind.(string)
		if !strings.EqualFold(text, "Bearer") && !strings.EqualFold(text, "DPoP") {
			return false
		}
	}
	return isFor(all["aud"], s.cfg.Audience)
}
