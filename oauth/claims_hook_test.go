package oauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/oauth"
)

// oracle is the operator's program: what it says, and what it was asked.
type oracle struct {
	mu    sync.Mutex
	says  oauth.HookAnswer
	fails error
	slow  chan struct{} // it answers once this is closed; nil: at once
	asked []oauth.HookQuestion
	about []identity.User
}

func (o *oracle) ask(_ context.Context, q oauth.HookQuestion, u identity.User) (oauth.HookAnswer, error) {
	o.mu.Lock()
	o.asked, o.about = append(o.asked, q), append(o.about, u)
	slow, says, fails := o.slow, o.says, o.fails
	o.mu.Unlock()
	if slow != nil {
		<-slow
	}
	return says, fails
}

func (o *oracle) say(answer oauth.HookAnswer, fails error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.says, o.fails = answer, fails
}

// times is how often it was asked since the last time.
func (o *oracle) times() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(o.asked)
	o.asked, o.about = nil, nil
	return n
}

func roles(text string) oauth.HookAnswer {
	return oauth.HookAnswer{Claims: map[string]json.RawMessage{"roles": json.RawMessage(text)}}
}

var errDead = errors.New("connection refused")

// hooked is the option of a stage with this program, which says roles everywhere.
func (s *stage) hooked(o *oracle, open bool) *oauth.ClaimsHook {
	s.Helper()
	hook := oauth.NewClaimsHook(oauth.HookOptions{Ask: o.ask, Timeout: time.Minute, Life: 15 * time.Minute, Open: open, Now: s.now, Log: s.log()})
	s.rebuild(func(options *oauth.Options) {
		options.Hook = hook
		options.Claims = []identity.ClaimRule{{Claim: "roles", From: "hook.roles", Scope: "openid", AccessToken: true, IDToken: true, Userinfo: true}}
	})
	return hook
}

// said is the claim roles of a JWT, as JSON.
func (s *stage) said(token string) string {
	s.Helper()
	_, claims := s.decode(token)
	text, err := json.Marshal(claims["roles"])
	if err != nil {
		s.Fatal(err)
	}
	return string(text)
}

func TestHook_whatItSaysIsWhereAppsRead(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		o := &oracle{says: roles(`["clerk",{"of":12345678901234567}]`)}
		hook := s.hooked(o, false)
		web := s.app(s.confidential, func(c *identity.Client) { c.AccessFormat = identity.FormatReference })
		for _, c := range []identity.Client{s.app(), web} {
			form := redeeming(c, s.code(asking(c), s.signIn(s.user)))
			if !c.Public() {
				form.Set("client_secret", clientSecret)
			}
			got := s.post(form)
			s.good(got)
			o.mu.Lock()
			if len(o.asked) == 0 || o.asked[0].For != oauth.HookSignIn || o.asked[0].ClientID != c.ID || o.asked[0].Resource != issuer ||
				o.asked[0].ACR != "pwd" || len(o.asked[0].Scopes) != 2 || o.about[0].Sub != s.user.Sub || o.about[0].Email != s.user.Email {
				t.Errorf("it was asked %+v about %+v", o.asked, o.about)
			}
			o.mu.Unlock()
			if c.Public() && !strings.Contains(s.said(got.AccessToken), "clerk") {
				t.Errorf("the access token says %s", s.said(got.AccessToken))
			}
			if !strings.Contains(s.said(got.IDToken), "clerk") || s.tell(got.AccessToken)["roles"] == nil {
				t.Errorf("the ID token says %s, userinfo %v", s.said(got.IDToken), s.tell(got.AccessToken))
			}
			if told := s.introspect(web, got.AccessToken); !strings.Contains(told.body, `"of":12345678901234567`) {
				t.Errorf("introspection says %s", told.body)
			}
			if n := o.times(); n != 1 {
				t.Errorf("for a sign-in, userinfo and introspection it was asked %d times", n)
			}
		}
		if all := hook.Outcomes(); all["answered"] != 2 || all["kept"] < 4 || all["unavailable"] != 0 {
			t.Errorf("counted %v", all)
		}
	})
}

// A hook that fails must cost nobody their session: it is asked before the write, so that a retry presents what is still good.
func TestHook_oneThatIsDownSignsNobodyOut(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		o := &oracle{fails: errDead}
		s.hooked(o, false)
		strict := s.app(func(c *identity.Client) { c.Rotation = identity.RotateStrict })
		code := s.code(asking(strict), s.signIn(s.user))
		for range 2 {
			s.bad(s.post(redeeming(strict, code)), 503, "temporarily_unavailable", "retry")
		}
		s.pass(6 * time.Second)
		o.say(roles(`["a"]`), nil)
		first := s.post(redeeming(strict, code))
		s.good(first)
		began := s.session(first)
		s.pass(16 * time.Minute)
		o.say(oauth.HookAnswer{}, errDead)
		for range 3 {
			s.bad(s.post(refreshing(strict, first.RefreshToken)), 503, "temporarily_unavailable", "retry")
		}
		if row, err := s.db.SessionByID(s.Context(), began.ID); err != nil || row.Line.Generation != 0 {
			t.Errorf("a refresh that was refused moved the line to %+v (%v)", row.Line, err)
		}
		s.pass(6 * time.Second)
		o.say(roles(`["b"]`), nil)
		next := s.post(refreshing(strict, first.RefreshToken))
		s.good(next)
		if s.said(next.AccessToken) != `["b"]` {
			t.Errorf("after its life it says %s", s.said(next.AccessToken))
		}
	})
}

// A thief's token ends its Session whether or not the hook answers, and so does a code that comes twice.
func TestHook_oneThatIsDownShieldsNoThief(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		o := &oracle{says: roles(`["a"]`)}
		s.hooked(o, false)
		c := s.app()
		first := s.begin(c)
		second := s.post(refreshing(c, first.RefreshToken))
		s.good(s.post(refreshing(c, second.RefreshToken)))
		replayed := s.app()
		code := s.code(asking(replayed), s.signIn(s.user))
		spent := s.post(redeeming(replayed, code))
		s.good(spent)
		s.pass(21 * time.Second)
		o.times()
		s.rebuild(func(options *oauth.Options) { // another process, which heard nothing yet
			options.Hook = oauth.NewClaimsHook(oauth.HookOptions{Ask: o.ask, Timeout: time.Minute, Life: time.Minute, Now: s.now, Log: s.log()})
		})
		o.say(oauth.HookAnswer{}, errDead)
		s.invalidGrant(s.post(refreshing(c, first.RefreshToken)))
		s.invalidGrant(s.post(redeeming(replayed, code)))
		if a, b := s.session(second).EndCause, s.session(spent).EndCause; a != identity.EndReuse || b != identity.EndReplay {
			t.Errorf("the sessions ended by %q and %q", a, b)
		}
		if n := o.times(); n != 0 {
			t.Errorf("it was asked %d times about tokens that are worth nothing", n)
		}
	})
}

func TestHook_refusesWithASentenceAndEndsNothing(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		o := &oracle{says: roles(`["a"]`)}
		s.hooked(o, false)
		c, web := s.app(), s.app(s.confidential)
		first := s.begin(c)
		s.pass(16 * time.Minute)
		o.say(oauth.HookAnswer{Refusal: "Bitte zahlen Sie zuerst die Gebühr."}, nil)
		got := s.post(refreshing(c, first.RefreshToken))
		s.bad(got, 400, "access_denied", "stop")
		if got.Message != "Bitte zahlen Sie zuerst die Gebühr." {
			t.Errorf("the message for people is %q", got.Message)
		}
		s.pass(2 * time.Minute)
		o.say(roles(`["b"]`), nil)
		next := s.post(refreshing(c, first.RefreshToken))
		s.good(next)
		s.hooked(&oracle{says: oauth.HookAnswer{Refusal: "Not today."}}, true) // another process, which heard nothing yet
		r := httptest.NewRequest("GET", "/oauth2/userinfo", nil)
		r.Header.Set("Authorization", "Bearer "+next.AccessToken)
		if resp := s.send(r); resp.StatusCode != 403 || !strings.Contains(resp.Header.Get("WWW-Authenticate"), "access_denied") {
			t.Errorf("userinfo answered %d, %s", resp.StatusCode, resp.Header.Get("WWW-Authenticate"))
		}
		s.inactive(web, next.AccessToken)
		fresh := s.post(redeeming(c, s.code(asking(c), s.signIn(s.user))))
		s.bad(fresh, 400, "access_denied", "stop")
		if fresh.Description != "Not today." || fresh.Message != "Not today." {
			t.Errorf("says %q and %q", fresh.Description, fresh.Message)
		}
	})
}

func TestHook_open_goesOnWithWhatItSaidLastOrWithout(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		o := &oracle{says: roles(`["a"]`)}
		hook := s.hooked(o, true)
		c := s.app()
		first := s.begin(c)
		s.pass(16 * time.Minute)
		o.say(oauth.HookAnswer{}, errDead)
		next := s.post(refreshing(c, first.RefreshToken))
		s.good(next)
		if s.said(next.AccessToken) != `["a"]` {
			t.Errorf("it goes on with %s", s.said(next.AccessToken))
		}
		s.pass(25 * time.Hour)
		last := s.post(refreshing(c, next.RefreshToken))
		s.good(last)
		if s.said(last.AccessToken) != "null" {
			t.Errorf("a day later it goes on with %s", s.said(last.AccessToken))
		}
		if all := hook.Outcomes(); all["stale"] != 1 || all["without"] != 1 {
			t.Errorf("counted %v", all)
		}
	})
}

// Changed credentials, another client or resource ask anew; what is known is asked of nobody.
func TestHook_anAnswerCountsForItsPersonClientAndCredentials(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		o := &oracle{says: roles(`["a"]`)}
		s.hooked(o, false)
		c, other := s.app(), s.app()
		first := s.begin(c)
		s.begin(c)
		if n := o.times(); n != 1 {
			t.Errorf("two sessions of one app asked %d times", n)
		}
		s.begin(other)
		if n := o.times(); n != 1 {
			t.Errorf("another app asked %d times", n)
		}
		next := first
		refresh := func() int64 {
			before := s.statements.Load()
			next = s.post(refreshing(c, next.RefreshToken))
			s.good(next)
			return s.statements.Load() - before
		}
		_ = refresh()
		known := refresh()
		s.rebuild()
		if plain := refresh(); known != plain+1 {
			t.Errorf("a refresh with a hook that is known takes %d statements, not the %d of another and the read before", known, plain)
		}
		s.hooked(o, false)
		users := identity.Users{Store: s.db, Passwords: s.signIns.Passwords, Now: s.now}
		if err := users.SetPassword(s.Context(), s.user.Email, password+"!"); err != nil {
			t.Fatal(err)
		}
		o.times()
		s.invalidGrant(s.post(refreshing(c, next.RefreshToken)))
		if n := o.times(); n != 0 {
			t.Errorf("a session that is over asked %d times", n)
		}
	})
}

// However many ask at once, one question is put.
func TestHook_manyAtOnceAskOnce(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		o := &oracle{says: roles(`["a"]`), slow: make(chan struct{})}
		s.hooked(o, false)
		c := s.app()
		codes := make([]string, 16)
		cookie := s.signIn(s.user)
		for i := range codes {
			codes[i] = s.code(asking(c), cookie)
		}
		var all sync.WaitGroup
		for _, code := range codes {
			all.Go(func() {
				if got := s.post(redeeming(c, code)); got.Status != 200 || s.said(got.AccessToken) != `["a"]` {
					t.Errorf("answered %d %s", got.Status, got.Description)
				}
			})
		}
		close(o.slow)
		all.Wait()
		if n := o.times(); n != 1 {
			t.Errorf("16 at once asked %d times", n)
		}
	})
}
