package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// pending is a sign-in that was begun.
type pending struct {
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"`
	Redirect string    `json:"redirect_uri"`
	Begun    time.Time `json:"begun"`          // by the wall clock
	Key      string    `json:"jkt,omitempty"`  // which key the code will be bound to
	Code     string    `json:"code,omitempty"` // what came back, written before it is sent
	Came     time.Time `json:"came,omitzero"`
}

// arrived is what a code was redeemed for, before it is verified.
type arrived struct {
	Tokens  tokens `json:"tokens"`
	IDToken string `json:"id_token"`
	Nonce   string `json:"nonce"`
}

const (
	pendingLife = time.Hour // the server asks anew what was asked before that
	maxPending  = 4
)

// Begin begins a sign-in and returns the address to open in the system's browser. Everything that is needed to finish it is
// written first, so that a process that is killed meanwhile finishes it when it is back. What is signed in stays so until then.
// prompt is passed on where it isn't empty.
func (a *App) Begin(ctx context.Context, prompt string) (address string, err error) {
	return a.begin(ctx, asking{prompt: prompt, redirect: a.cfg.RedirectURI})
}

// asking is how a sign-in differs from others.
type asking struct{ prompt, redirect string }

func (a *App) begin(ctx context.Context, what asking) (address string, err error) {
	err = a.insist(ctx, a.clock.Elapsed()+patience, func() {}, func(ctx context.Context) error {
		return a.change(ctx, func(r *record) error {
			if err := a.store.Check(); err != nil {
				return &Error{Kind: Store, Err: err}
			}
			address, err = a.ask(ctx, r, what)
			return err
		})
	})
	return address, err
}

// ask writes a pending sign-in and spells its address.
func (a *App) ask(ctx context.Context, r *record, what asking) (string, error) {
	p, err := a.provider(ctx, r)
	if err != nil {
		return "", err
	}
	now := pending{
		State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Redirect: what.redirect, Begun: a.clock.Wall(),
	}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(now.Verifier), oauth2.SetAuthURLParam("nonce", now.Nonce)}
	if prompt := cmp.Or(what.prompt, a.promptAt(p)); prompt != "" {
		options = append(options, oauth2.SetAuthURLParam("prompt", prompt))
	}
	if a.proves(p) {
		k, err := a.makeKey()
		if err != nil {
			return "", err
		}
		now.Key = k.thumbprint
		options = append(options, oauth2.SetAuthURLParam("dpop_jkt", k.thumbprint)) // RFC 9449 §10
	}
	where := url.Values{}
	a.describe(r, where)
	for name := range where {
		options = append(options, oauth2.SetAuthURLParam(name, where.Get(name)))
	}
	r.Pending = append(slices.DeleteFunc(r.Pending, a.lapsed), now)
	if extra := len(r.Pending) - maxPending; extra > 0 {
		r.Pending = r.Pending[extra:]
	}
	if err := a.save(r); err != nil {
		return "", err
	}
	a.stamp(now.State)
	config := oauth2.Config{
		ClientID: a.cfg.ClientID, RedirectURL: now.Redirect, Scopes: a.cfg.Scopes, Endpoint: oauth2.Endpoint{AuthURL: p.Authorization},
	}
	return config.AuthCodeURL(now.State, options...), nil
}

// promptAt is what the person has to be asked for a server to take note of offline_access (OpenID Connect Core §11). Sojourn
// takes it without.
func (a *App) promptAt(p *provider) string {
	if p.SignOut == "" && slices.Contains(a.cfg.Scopes, "offline_access") {
		return "consent"
	}
	return ""
}

// proves reports whether this app binds its tokens to its key at this server.
func (a *App) proves(p *provider) bool { return !a.cfg.NoDPoP && slices.Contains(p.ProofAlgs, "ES256") }

// lapsed reports whether a sign-in was begun too long ago. A clock that went back lets it live.
func (a *App) lapsed(p pending) bool { return a.since(p.State, p.Begun) > pendingLife }

// Redirect finishes a sign-in with the whole address that the browser came back to. Addresses that are not the answer to a sign-in
// of this app are NotMine and change nothing; one that was delivered before is answered as then.
func (a *App) Redirect(ctx context.Context, address string) (Identity, error) {
	came, err := url.Parse(address)
	if err != nil {
		return Identity{}, fail(NotMine, "that is no address")
	}
	ctx, stop := a.whileOpen(ctx)
	defer stop()
	finished := false
	err = a.change(ctx, func(r *record) error {
		finished, err = a.accept(ctx, r, came.Query())
		return err
	})
	if err != nil {
		return Identity{}, err
	}
	if !finished {
		if err := a.finish(ctx, func() {}); err != nil {
			return Identity{}, err
		}
		a.greet(ctx)
	}
	who, ok := a.Identity()
	if !ok {
		return who, fail(SignedOut, "they signed out meanwhile")
	}
	return who, nil
}

// accept checks what came back (RFC 6749 §4.1.2, RFC 9207 §2.4) and writes the code. It reports whether that sign-in is finished
// already.
func (a *App) accept(ctx context.Context, r *record, came url.Values) (finished bool, err error) {
	state := came.Get("state")
	if state != "" && r.Finished == state && r.Tokens != nil && r.Tokens.Origin == state {
		return true, nil
	}
	at := slices.IndexFunc(r.Pending, func(p pending) bool {
		return subtle.ConstantTimeCompare([]byte(p.State), []byte(state)) == 1 && !a.lapsed(p)
	})
	if at < 0 {
		return false, fail(NotMine, "no sign-in is waiting for this answer")
	}
	if r.Arrived != nil && r.Arrived.Tokens.Origin == state {
		return false, nil // redeemed, to be verified
	}
	p, err := a.provider(ctx, r)
	if err != nil {
		return false, soft(err)
	}
	if (p.SaysIssuer || came.Has("iss")) && came.Get("iss") != a.cfg.Issuer {
		return false, fail(WrongIssuer, "the answer comes from %q", came.Get("iss"))
	}
	switch {
	case r.Pending[at].Code != "":
		return false, nil // delivered twice, and not redeemed yet
	case came.Get("error") != "":
		r.Pending = slices.Delete(r.Pending, at, at+1)
		return false, errors.Join(a.save(r), &Error{
			Kind: Refused, Code: came.Get("error"), Err: errors.New(came.Get("error_description")),
		})
	case came.Get("code") == "":
		return false, fail(Invalid, "the answer has neither a code nor an error")
	}
	r.Pending[at].Code, r.Pending[at].Came = came.Get("code"), a.clock.Wall()
	if err := a.save(r); err != nil {
		return false, err
	}
	a.stamp(came.Get("code"))
	return false, nil
}

// soft makes an error for the app of one that brought no verdict.
func soft(err error) error {
	if lost, ok := errors.AsType[*again](err); ok {
		return &Error{Kind: Offline, Wait: lost.after, Err: lost.err}
	}
	return err
}

// unfinished reports whether a sign-in waits to be finished here.
func (r *record) unfinished() bool {
	return r.Arrived != nil || slices.ContainsFunc(r.Pending, func(p pending) bool { return p.Code != "" })
}

// finish redeems and verifies what came back, and insists until there is a verdict or the time is over.
func (a *App) finish(ctx context.Context, failed func()) error {
	next := true
	for next {
		err := a.insist(ctx, a.clock.Elapsed()+codeLife, failed, func(ctx context.Context) error {
			return a.change(ctx, func(r *record) (err error) {
				next, err = a.finishOnce(ctx, r)
				return err
			})
		})
		if KindOf(err) == Offline && next {
			return a.change(ctx, func(r *record) error { return a.abandon(r, err) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// abandon gives up a code that brought no answer for so long that it must not be sent again.
func (a *App) abandon(r *record, why error) error {
	if at := slices.IndexFunc(r.Pending, func(p pending) bool { return p.Code != "" }); at >= 0 {
		return a.giveUp(r, at, why)
	}
	return why
}

// finishOnce takes one step: redeem a code, or verify what it brought. It reports whether there is another.
func (a *App) finishOnce(ctx context.Context, r *record) (next bool, err error) {
	if r.Arrived != nil {
		return false, a.settle(ctx, r)
	}
	at := slices.IndexFunc(r.Pending, func(p pending) bool { return p.Code != "" })
	if at < 0 {
		return false, nil // another process has done it
	}
	return true, a.redeem(ctx, r, at)
}

// redeem sends a code, and writes what it brings.
func (a *App) redeem(ctx context.Context, r *record, at int) error {
	now := &r.Pending[at]
	if a.tooLate(now) {
		return a.giveUp(r, at, errors.New("the code was not redeemed in time"))
	}
	if err := a.store.Check(); err != nil {
		return &Error{Kind: Store, Err: err}
	}
	p, err := a.provider(ctx, r)
	if err != nil {
		return err
	}
	k, err := a.keyOf(ctx, now.Key)
	if errors.Is(err, errLostKey) {
		return a.giveUp(r, at, err)
	}
	if err != nil {
		return err
	}
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {now.Code}, "redirect_uri": {now.Redirect},
		"client_id": {a.cfg.ClientID}, "code_verifier": {now.Verifier},
	}
	a.describe(r, form)
	got, v := a.send(ctx, sending{p.Token, form, k})
	switch v.do {
	case doUse:
		return a.keepArrived(r, got, *now)
	case doLogin:
		return a.giveUp(r, at, v.trouble())
	case doStop:
		return errors.Join(a.drop(r, at), v.trouble())
	default:
		return v.trouble()
	}
}

// tooLate reports whether a code came too long ago to be sent again (docs/mobile.md).
func (a *App) tooLate(p *pending) bool {
	age := a.since(p.Code, p.Came)
	return age > codeLife || age < -codeLife
}

// stamp remembers when a sign-in was begun (its state) or its code came. It is called once that was written: what no record holds is
// forgotten (note).
func (a *App) stamp(what string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stamps == nil {
		a.stamps = map[string]time.Duration{}
	}
	a.stamps[what] = a.clock.Elapsed()
}

// since is how long ago that was: by the clock that nobody sets, where it was in this process.
func (a *App) since(what string, wall time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if here, ok := a.stamps[what]; ok {
		return a.clock.Elapsed() - here
	}
	return a.clock.Wall().Sub(wall)
}

// drop forgets a pending sign-in.
func (a *App) drop(r *record, at int) error {
	r.Pending = slices.Delete(r.Pending, at, at+1)
	return a.save(r)
}

func (a *App) giveUp(r *record, at int, why error) error {
	if err := a.drop(r, at); err != nil {
		return err
	}
	return &Error{Kind: StartAgain, Err: why}
}

// keepArrived writes what a code was redeemed for, before anything is done with it.
func (a *App) keepArrived(r *record, got answer, from pending) error {
	fresh, more, err := a.readTokens(got, from.Key)
	if err != nil {
		return err
	}
	fresh.Origin = from.State
	r.Arrived = &arrived{Tokens: *fresh, IDToken: more.IDToken, Nonce: from.Nonce}
	at := slices.IndexFunc(r.Pending, func(p pending) bool { return p.State == from.State })
	r.Pending[at].Code = "" // it is spent; the state stays, for a redirect that is delivered again
	return a.save(r)
}

// settle verifies what arrived and makes it the session. The one before is signed out.
func (a *App) settle(ctx context.Context, r *record) error {
	if _, err := a.provider(ctx, r); err != nil {
		return err
	}
	came := r.Arrived
	who, err := a.verify(ctx, r, came)
	if KindOf(err) == Invalid {
		r.Arrived = nil
		r.leave(&came.Tokens)
		return errors.Join(a.save(r), err)
	}
	if err != nil {
		return err
	}
	r.leave(r.Tokens)
	r.spare(who.Subject)
	r.Tokens, r.Identity, r.Arrived, r.Ended = &came.Tokens, who, nil, nil
	r.Pending, r.Finished, r.Heard = nil, came.Tokens.Origin, ""
	if err := a.save(r); err != nil {
		return err
	}
	a.nudge()
	return nil
}

// said is what an answer of the token endpoint says beside the tokens (RFC 6749 §5.1; Sojourn's and draft-ietf-oauth-refresh-token-expiration).
type said struct {
	Access     string  `json:"access_token"`
	Type       string  `json:"token_type"`
	Refresh    string  `json:"refresh_token"`
	IDToken    string  `json:"id_token"`
	ExpiresIn  seconds `json:"expires_in"`
	SessionIn  seconds `json:"session_expires_in"`
	SessionIn2 seconds `json:"authorization_expires_in"`
}

// seconds are a number above zero, or a text that spells one, as some servers have it. Zero stands for all else: nobody said.
type seconds time.Duration

// UnmarshalJSON never fails: a time that makes no sense must not cost the tokens beside it.
func (s *seconds) UnmarshalJSON(text []byte) error {
	const aCentury = 3_000_000_000
	n, err := strconv.ParseFloat(strings.Trim(string(text), `"`), 64)
	if *s = 0; n > 0 && (err == nil || errors.Is(err, strconv.ErrRange)) {
		*s = seconds(min(n, aCentury) * float64(time.Second))
	}
	return nil
}

// readTokens reads a good answer.
func (a *App) readTokens(got answer, thumbprint string) (*tokens, said, error) {
	var s said
	if err := json.Unmarshal(got.body, &s); err != nil {
		return nil, s, &again{0, fmt.Errorf("the answer is no good JSON: %w", err)}
	}
	t := &tokens{
		Access: s.Access, Type: s.Type, Refresh: s.Refresh, Life: time.Duration(s.ExpiresIn),
		Got: a.clock.Wall(), heard: a.clock.Elapsed(), Key: thumbprint,
	}
	if in := max(s.SessionIn, s.SessionIn2); in > 0 {
		t.Ends = a.serverTime().Add(time.Duration(in))
	}
	if thumbprint != "" && !strings.EqualFold(s.Type, "DPoP") {
		t.Key = "" // the server bound it to nothing
	}
	return t, s, nil
}
