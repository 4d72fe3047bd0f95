package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"
)

// record is everything that is kept, but for the key. It is written as a whole.
type record struct {
	Of       string        `json:"of"` // issuer and client
	Tokens   *tokens       `json:"tokens,omitempty"`
	Arrived  *arrived      `json:"arrived,omitempty"` // of a sign-in, not verified yet
	Identity *Identity     `json:"identity,omitempty"`
	Ended    *Ended        `json:"ended,omitempty"`
	Pending  []pending     `json:"pending,omitempty"`  // sign-ins under way, the newest last
	Finished string        `json:"finished,omitempty"` // state of the redirect that the tokens came by
	Leaving  []leaving     `json:"leaving,omitempty"`  // sign-outs that were not heard yet
	Provider *provider     `json:"provider,omitempty"`
	Skew     time.Duration `json:"skew,omitempty"`  // server's time minus wall
	Heard    string        `json:"heard,omitempty"` // the last event's id

	Installed string `json:"install_id,omitempty"`
}

// tokens are what an answer of the token endpoint brought.
type tokens struct {
	Access    string        `json:"access_token"`
	Type      string        `json:"token_type"`
	Refresh   string        `json:"refresh_token,omitempty"`
	Life      time.Duration `json:"life"`             // of the access token; zero: nobody said
	Got       time.Time     `json:"got"`              // by the wall clock
	Ends      time.Time     `json:"ends,omitzero"`    // of the session, by the server's time
	SessionID string        `json:"sid,omitempty"`    // the server's name of the session
	Key       string        `json:"jkt,omitempty"`    // thumbprint of the key that they are bound to
	Origin    string        `json:"origin,omitempty"` // which redirect they came by

	heard time.Duration // when they came, by the elapsed clock of this process
}

// leaving is a session that the person left and the server may not know of yet.
type leaving struct {
	Refresh string `json:"refresh_token"`
	Key     string `json:"jkt,omitempty"`
	Subject string `json:"sub,omitempty"` // whose it was
}

// forget drops the tokens and all that was only good with them.
func (r *record) forget() {
	r.Tokens, r.Arrived, r.Heard = nil, nil, ""
}

// nobody is why there is no token.
func (r *record) nobody(language string) error {
	if r.Ended != nil {
		told := *r.Ended
		told.Sentence = sentence(language, told.Reason)
		return &told
	}
	return &Error{Kind: SignedOut, Err: errors.New("nobody is signed in")}
}

const (
	itemRecord = "session"
	itemKey    = "key"
)

// load reads the newest record. One that is damaged beyond repair counts as a session that is over.
func (a *App) load() (*record, error) {
	r := &record{Of: a.cfg.Issuer + " " + a.cfg.ClientID}
	content, err := a.store.Load(itemRecord)
	if errors.Is(err, ErrDamaged) {
		r.Ended = &Ended{Reason: reasonStore, At: a.serverTime()}
		return r, nil
	}
	if err != nil {
		return nil, &Error{Kind: Store, Err: err}
	}
	if content == nil {
		return r, nil
	}
	var kept record
	if err := json.Unmarshal(content, &kept); err != nil {
		return nil, fail(Store, "read what is kept: %w", err)
	}
	if kept.Of != r.Of {
		return nil, fail(Store, "what is kept belongs to %s", kept.Of)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if over := a.over; over != nil && kept.Tokens != nil && kept.Tokens.Origin == over.origin {
		kept.forget()
		kept.Ended = over.why
	}
	return &kept, nil
}

// change runs f on the newest record under the store's lock. What f saves is what holds from then on.
func (a *App) change(ctx context.Context, f func(*record) error) error {
	if err := a.open(); err != nil {
		return err
	}
	waiting, stop := a.patient(ctx)
	defer stop()
	unlock, err := a.store.Lock(waiting)
	if err != nil && waiting.Err() != nil {
		return cmp.Or(a.open(), error(&Error{Kind: Offline, Err: fmt.Errorf("another process is busy with the store: %w", err)}))
	}
	if err != nil {
		return &Error{Kind: Store, Err: err}
	}
	defer unlock()
	r, err := a.load()
	if err != nil {
		return err
	}
	a.publish(r)
	a.tellEnded(r) // another process may have noticed
	if err := f(r); err != nil {
		return cmp.Or(a.open(), err)
	}
	return nil
}

// patient is a context that ends with the app, and when somebody has waited long enough by the elapsed clock.
func (a *App) patient(ctx context.Context) (limited context.Context, stop func()) {
	limited, cancel := a.whileOpen(ctx)
	until := a.clock.Elapsed() + patience
	go func() {
		look := time.NewTicker(100 * time.Millisecond)
		defer look.Stop()
		for a.clock.Elapsed() < until {
			select {
			case <-limited.Done():
				return
			case <-look.C:
			}
		}
		cancel()
	}()
	return limited, cancel
}

// save writes a record, and only then lets others see it. r stays the caller's.
func (a *App) save(r *record) error {
	r.Skew = a.skewed()
	content, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write what is kept: %w", err)
	}
	if err := a.store.Save(itemRecord, content); err != nil {
		return &Error{Kind: Store, Err: err}
	}
	a.publish(r)
	return nil
}

// bury saves a record twice, so that the copy of the one before, which held tokens that are over, is gone too.
func (a *App) bury(r *record) error {
	if err := a.save(r); err != nil {
		return err
	}
	return a.save(r)
}

// publish makes a record the one that this process went by last.
func (a *App) publish(r *record) {
	a.mu.Lock()
	news := a.note(r)
	a.mu.Unlock()
	a.tellChanged(news)
}

// publishUnless does so unless another task was quicker than a read without the lock, which began when before was the last.
func (a *App) publishUnless(r, before *record) bool {
	a.mu.Lock()
	if a.rec != before {
		a.mu.Unlock()
		return false
	}
	news := a.note(r)
	a.mu.Unlock()
	a.tellChanged(news)
	return true
}

// tellChanged is called without the lock: what hears it may ask.
func (a *App) tellChanged(news bool) {
	if news {
		a.cfg.Notify(Event{Changed: true})
	}
}

// note reports whether the record shows something else than the one before.
func (a *App) note(r *record) (news bool) {
	if r.Tokens != nil && r.Tokens.heard == 0 {
		r.Tokens.heard = a.clock.Elapsed()
		if old := a.rec; old != nil && old.Tokens != nil && old.Tokens.Access == r.Tokens.Access {
			r.Tokens.heard = old.Tokens.heard
		} else if age := a.clock.Wall().Sub(r.Tokens.Got); age > 0 {
			r.Tokens.heard -= age
		}
	}
	if !a.learnt {
		a.skew = r.Skew
	}
	maps.DeleteFunc(a.stamps, func(name string, _ time.Duration) bool {
		return !slices.ContainsFunc(r.Pending, func(p pending) bool { return p.State == name || p.Code == name })
	})
	copied := *r
	copied.Pending, copied.Leaving = slices.Clone(r.Pending), slices.Clone(r.Leaving)
	news = a.rec != nil && a.rec.differs(r)
	a.rec = &copied
	return news
}

// differs reports whether an app shows two records differently.
func (r *record) differs(from *record) bool {
	switch {
	case (r.Tokens == nil) != (from.Tokens == nil), (r.Identity == nil) != (from.Identity == nil):
		return true
	case r.Tokens != nil && r.Tokens.Access != from.Tokens.Access, r.Ended.id() != from.Ended.id():
		return true
	}
	return r.Identity != nil && !reflect.DeepEqual(r.Identity.Claims, from.Identity.Claims)
}

// current is the newest record in the store, for another process may have signed out, or in, since; while it can't be read, the one
// that was read last.
func (a *App) current() (*record, error) {
	for {
		if err := a.open(); err != nil {
			return nil, err
		}
		a.mu.Lock()
		before := a.rec
		a.mu.Unlock()
		r, err := a.load()
		switch {
		case err != nil && before != nil && before.Tokens != nil:
			return before, nil
		case err != nil:
			return nil, err
		}
		if a.publishUnless(r, before) {
			a.tellEnded(r)
			return r, nil
		}
	}
}

// unwritten is a session that is over although the store could not be told.
type unwritten struct {
	origin string
	why    *Ended
}

// left is how long an access token lives: by both clocks, of which the one that says less counts. A wall clock that went
// back says nothing.
func (a *App) left(t *tokens) time.Duration {
	if t.life() == 0 {
		return time.Hour // nobody said: the server's 401 will
	}
	age := a.clock.Elapsed() - t.heard
	if byWall := a.clock.Wall().Sub(t.Got); byWall > age {
		age = byWall
	}
	return t.life() - age
}

// life is how long an access token is good for: five minutes where nobody said and it can be renewed, else zero.
func (t *tokens) life() time.Duration {
	if t.Life == 0 && t.Refresh != "" {
		return 5 * time.Minute
	}
	return t.Life
}

// due reports whether an access token should be renewed before it is used.
func (a *App) due(t *tokens) bool { return a.left(t) < min(time.Minute, t.life()/10) || a.left(t) <= 0 }

// serverTime is what the server's clock shows, as far as its Date headers told.
func (a *App) serverTime() time.Time { return a.clock.Wall().Add(a.skewed()) }

func (a *App) skewed() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.skew
}

// learn takes the server's time from an answer that was understood.
func (a *App) learn(date time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	skew := date.Sub(a.clock.Wall())
	if !a.learnt || (skew-a.skew).Abs() > 2*time.Second { // Date has whole seconds
		a.skew, a.learnt = skew, true
	}
}
