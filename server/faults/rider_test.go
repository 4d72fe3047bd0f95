package faults

import (
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	lostOf = 10 // one answer in so many doesn't reach the phone
	// heldWithin is how soon an ending holds at every endpoint of every server.
	heldWithin = time.Second
	// watched is how long somebody tries the access token of a Session that ended.
	watched = 8 * time.Second
	// takesTurns is more than a thief and an owner can both be served, whatever is lost.
	takesTurns = 12
)

// rider is a phone, or whoever copied one, whose requests are kept in the history.
type rider struct {
	play    *play
	session identity.ID
	token   string // the refresh token that it holds
	access  string
	served  int
}

// tokens are what a rider is given.
type tokens struct {
	Refresh string `json:"refresh_token"`
	Access  string `json:"access_token"`
}

func (p *play) rider(token string) *rider {
	p.t.Helper()
	r, err := p.keys.ReadRefresh(token)
	if err != nil {
		p.t.Fatal(err)
	}
	return &rider{play: p, session: r.SessionID, token: token}
}

// shown reads what a token says of itself.
func (r *rider) shown() shown {
	t, err := r.play.keys.ReadRefresh(r.token)
	if err != nil {
		r.play.t.Error(err)
	}
	return shown{session: r.session, generation: t.Generation, branch: t.Branch, lost: r.play.history.losses.done.Load()}
}

// refresh asks once, through the balancer. One answer in ten is read by the history alone.
func (r *rider) refresh(ctx context.Context) (outcome, error) {
	in, began := r.shown(), r.play.history.now()
	var got tokens
	result, err := r.play.post(ctx, "/oauth2/token", url.Values{
		"grant_type": {"refresh_token"}, "client_id": {"notes"}, "refresh_token": {r.token},
	}, &got)
	out := answered{known: result != later, served: result == served}
	if out.served {
		t, bad := r.play.keys.ReadRefresh(got.Refresh)
		if bad != nil {
			return later, bad
		}
		out.generation, out.branch = t.Generation, t.Branch
	}
	r.play.history.note(began, in, out)
	switch {
	case result != served:
	case rand.IntN(lostOf) == 0:
		return later, err
	default:
		r.token, r.access = got.Refresh, got.Access
		r.served++
	}
	return result, err
}

// leave asks once to be signed out.
func (r *rider) leave(ctx context.Context) (outcome, error) {
	in, began := r.shown(), r.play.history.now()
	in.ends = true
	result, err := r.play.post(ctx, "/oauth2/revoke", url.Values{"client_id": {"notes"}, "token": {r.token}}, nil)
	r.play.history.note(began, in, answered{known: result != later, served: result == served})
	return result, err
}

// until asks until there is an answer.
func (r *rider) until(ask func(context.Context) (outcome, error)) outcome {
	result, err := insist(r.play.t.Context(), "", func(ctx context.Context, _ string) (outcome, error) { return ask(ctx) })
	if err != nil {
		r.play.t.Error(err)
	}
	return result
}

// accepted asks a server's userinfo with the access token: true for an answer, false for a refusal; known is false where the server is
// away.
func (r *rider) accepted(ctx context.Context, address string) (yes, known bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/oauth2/userinfo", nil)
	if err != nil {
		return false, false
	}
	req.Header.Set("Authorization", "Bearer "+r.access)
	resp, err := r.play.direct.Do(req)
	if err != nil {
		return false, false
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode == http.StatusOK, resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusUnauthorized
}

// ride refreshes until it is told to stop, and uses each access token at some server.
func (r *rider) ride(ctx context.Context) {
	for ctx.Err() == nil {
		// Not cut off at the end: each phone shall know where it stands.
		result, err := r.refresh(context.WithoutCancel(ctx))
		if err != nil {
			r.play.t.Error(err)
		}
		if result == signIn {
			r.play.forced.Add(1)
			return
		}
		if result == served {
			r.play.refreshes.Add(1)
			if yes, known := r.accepted(ctx, r.play.anyServer()); known && !yes {
				r.play.t.Errorf("the access token of %s, which lives, was refused", r.session)
			}
		}
		time.Sleep(time.Duration(20+rand.IntN(60)) * time.Millisecond)
	}
}

// signOut rides a little and leaves; then somebody tries the access token at every server.
func (r *rider) signOut() {
	for range 2 {
		r.until(r.refresh)
	}
	began := time.Now()
	if r.until(r.leave) != served {
		r.play.t.Errorf("%s could not sign out", r.session)
		return
	}
	left := time.Now()
	r.play.left(r, began)
	time.Sleep(heldWithin)
	for time.Since(left) < watched {
		for _, s := range r.play.c.Servers {
			if yes, _ := r.accepted(r.play.t.Context(), s.Address); yes {
				r.play.t.Errorf("%v after %s was signed out, %s took its access token", time.Since(left), r.session, s.Address)
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// robbed has somebody copy the phone's token, use it, and go on as the owner does: it takes turns until one of them is told to
// sign in, and nobody is served from then on.
func (r *rider) robbed() {
	for range 2 {
		r.until(r.refresh)
	}
	began := time.Now()
	thief := &rider{play: r.play, session: r.session, token: r.token}
	for range takesTurns {
		for _, who := range []*rider{thief, r} {
			if who.until(who.refresh) != signIn {
				continue
			}
			for _, either := range []*rider{thief, r} {
				if result := either.until(either.refresh); result != signIn {
					r.play.t.Errorf("%s was found stolen, and served again", r.session)
				}
			}
			r.play.caught.Add(1)
			r.play.left(r, began)
			return
		}
	}
	r.play.t.Errorf("the thief and the owner of %s were both served %d times", r.session, takesTurns)
}

// post asks the balancer.
func (p *play) post(ctx context.Context, path string, form url.Values, into any) (outcome, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.c.Issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		return later, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return ask(p.phones, req, into)
}

// events is one reading of /me/events: it calls heard for each event until the stream is over.
func (r *rider) events(ctx context.Context, last string, heard func(name, id string, data map[string]any)) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.play.c.Issuer+"/me/events", nil)
	if err != nil {
		return
	}
	req.Header.Set("Authorization", "Bearer "+r.access)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := r.play.streams.Do(req)
	if err != nil {
		return
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return
	}
	readEvents(resp.Body, func(name, id, data string) {
		var said map[string]any
		if json.Unmarshal([]byte(data), &said) == nil {
			heard(name, id, said)
		}
	})
}
