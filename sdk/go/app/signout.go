package app

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"

	"github.com/sojourn-auth/sojourn/sdk/go/internal/clock"
)

// maxLeaving is how many sign-outs wait to be heard.
const maxLeaving = 8

// leave notes a session that the server shall be told is over. The oldest is forgotten where too many wait.
func (r *record) leave(t *tokens) {
	if t == nil || t.Refresh == "" {
		return
	}
	l := leaving{Refresh: t.Refresh, Key: t.Key}
	if r.Identity != nil {
		l.Subject = r.Identity.Subject
	}
	r.Leaving = append(r.Leaving, l)
	if extra := len(r.Leaving) - maxLeaving; extra > 0 {
		r.Leaving = r.Leaving[extra:]
	}
}

// spare drops what waits for somebody who has signed in again, at a server that knows only revocation: it may end the new
// session with the old one (RFC 7009 §2.1).
func (r *record) spare(subject string) {
	if r.Provider.SignOut == "" {
		r.Leaving = slices.DeleteFunc(r.Leaving, func(l leaving) bool { return l.Subject == subject })
	}
}

// SignOut signs the person out here, at once and for good, and tells the server, without a browser. heard says whether the
// server has heard it within a moment; where it has not it is told again until it has, in later processes too.
func (a *App) SignOut(ctx context.Context) (heard bool, err error) {
	err = a.change(ctx, func(r *record) error {
		r.leave(r.Tokens)
		if r.Arrived != nil {
			r.leave(&r.Arrived.Tokens)
		}
		r.forget()
		r.Identity, r.Ended, r.Pending, r.Finished = nil, nil, nil, ""
		return a.bury(r)
	})
	if err != nil {
		return false, err
	}
	err = a.insist(ctx, a.clock.Elapsed()+patience, func() {}, a.sayGoodbye)
	if kind := KindOf(err); kind == Offline || kind == Store {
		a.nudge()
		return false, nil
	}
	return err == nil, err
}

// sayGoodbye tells the server of all sign-outs that it has not heard of, one after another.
func (a *App) sayGoodbye(ctx context.Context) error {
	for {
		left := 0
		err := a.change(ctx, func(r *record) error {
			if len(r.Leaving) == 0 {
				return nil
			}
			if err := a.goodbye(ctx, r, r.Leaving[0]); err != nil {
				return err
			}
			r.Leaving = r.Leaving[1:]
			left = len(r.Leaving)
			if err := a.bury(r); err != nil {
				return err
			}
			a.cfg.Notify(Event{SignedOut: true})
			return nil
		})
		if err != nil || left == 0 {
			return err
		}
	}
}

// goodbye tells the server of one sign-out: nil when it was heard, or never will be.
func (a *App) goodbye(ctx context.Context, r *record, l leaving) error {
	p, err := a.provider(ctx, r)
	if err != nil {
		return err
	}
	k, err := a.keyOf(ctx, l.Key)
	if errors.Is(err, errLostKey) {
		return nil // nobody can use it, we neither
	}
	if err != nil {
		return err
	}
	form := url.Values{"client_id": {a.cfg.ClientID}}
	to := p.SignOut
	switch {
	case to != "":
		form.Set("refresh_token", l.Refresh)
	case p.Revocation != "": // RFC 7009
		to = p.Revocation
		form.Set("token", l.Refresh)
		form.Set("token_type_hint", "refresh_token")
	default:
		return nil // this server can't be told
	}
	got, v := a.send(ctx, sending{to, form, k})
	if got.heard(v) {
		return nil
	}
	return &again{v.after, v.trouble()}
}

// heard reports whether a sign-out was taken note of, or will never be. A page of HTML is a portal's.
func (a answer) heard(v verdict) bool {
	kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	if a.status == http.StatusOK {
		return kind != "text/html"
	}
	return v.code != "" && v.do != doRetry // what is no error of OAuth's came from someone in between
}

// nudge sends sign-outs that were not heard, until they are, beside all else.
func (a *App) nudge() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.farewell || a.rec == nil || len(a.rec.Leaving) == 0 {
		return
	}
	a.farewell = true
	go func() {
		for n := 0; a.sayGoodbye(a.life) != nil && a.clock.Wait(a.life, clock.Backoff(n, firstWait, longStop)) == nil; n++ {
		}
		a.mu.Lock()
		a.farewell = false
		a.mu.Unlock()
	}()
}
