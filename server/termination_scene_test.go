package server

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

// scene is Ada with her two devices, as docs/termination.md describes it.
type scene struct {
	w             *world
	ada           *person
	phone, tablet *visitor
	first         *app // this and twin
	second        *app // sib
	third         *app // off and far
	held          map[string]*held
	back          *backChannels
	judge         *judge
	other         string      // another process, that remembers what it read
	memory        *storage.DB // its memory
	page          sight       // what the browser shows after the cause, where it is one of a browser
	void          []string    // whose codes in flight were worth nothing
}

// held is one app's Session.
type held struct {
	*app
	tokens
	code   string        // that it began with
	old    string        // a superseded refresh token, where the cause needs one
	flying string        // another code, on its way to the app while the cause strikes
	again  func() string // gets one more code
	sid    identity.ID
	stream *stream
}

// cause is one row of the table: what is played, and what must hold before.
type cause struct {
	settings []string           // of the server
	lives    identity.Lifetimes // of the first app's Sessions
	first    func(*app)         // changes the first app; may be nil
	bare     bool               // Ada has no authenticator
	squatted bool               // nobody has confirmed her address
	still    bool               // nobody uses a browser before it: the codes are as old as the sign-ins
	before   func(t *testing.T, s *scene)
	play     func(t *testing.T, s *scene)
}

// between is how much later the tablet signed in: what expires on the phone lives on there.
const between = 20 * time.Minute

func newScene(t *testing.T, kind string, c cause) *scene {
	t.Helper()
	w := newWorld(t, kind, append([]string{"access_ttl", "60m"}, c.settings...)...)
	s := &scene{w: w, phone: newVisitor(t), tablet: newVisitor(t), held: map[string]*held{}, back: newBackChannels(t)}
	s.ada = w.account(t, !c.squatted)
	if !c.bare {
		s.ada.enrol(t)
	}
	told := func(name string) func(*app) {
		return func(a *app) {
			a.client.BackchannelLogoutURI = s.back.URL
			a.client.FrontchannelLogoutURI, a.client.FrontchannelSession = a.home+"frontchannel", true
			a.client.Name = name
		}
	}
	s.first = w.app(t, told("Notes"), func(a *app) {
		a.client.Lives = c.lives
		if c.first != nil {
			c.first(a)
		}
	})
	s.judge = newJudge(t, w)
	s.other, s.memory = w.process(t, append([]string{"access_ttl", "60m"}, c.settings...)...)
	s.second, s.third = w.app(t, told("Mail")), w.app(t, told("Maps"))
	s.begin(t, "this", s.phone, s.first, "scope", s.first.client.Scope)
	s.begin(t, "sib", s.phone, s.second, "scope", "openid profile email")
	s.begin(t, "off", s.phone, s.third)
	w.pass(between)
	s.begin(t, "twin", s.tablet, s.first, "scope", s.first.client.Scope)
	s.begin(t, "far", s.tablet, s.third)
	return s
}

// begin signs in to an app in a browser.
func (s *scene) begin(t *testing.T, name string, v *visitor, a *app, pairs ...string) {
	t.Helper()
	again := func() string { return v.signIn(t, a, s.ada, pairs...).Get("code") }
	h := &held{app: a, code: again(), again: again}
	h.tokens, h.flying = a.tokens(t, a.spend(t, h.code)), again()
	h.sid = uuid.MustParse(claimsOf(t, h.IDToken)["sid"].(string))
	s.held[name] = h
}

// perform plays the cause while every app listens.
func (s *scene) perform(t *testing.T, c cause) {
	t.Helper()
	if c.before != nil {
		c.before(t, s)
	}
	for _, h := range s.held {
		h.stream = listenTo(t, h)
	}
	for _, h := range s.held {
		if !c.still {
			h.flying = h.again()
		}
	}
	s.judge.agrees(t, s, "before")
	s.remember(t)
	c.play(t, s)
	s.judge.agrees(t, s, "after")
	s.agreeElsewhere(t)
	s.void = s.land(t)
}

// remember has the other process tell of every Session from memory.
func (s *scene) remember(t *testing.T) {
	t.Helper()
	for name, h := range s.held {
		for until, before := time.Now().Add(patience), s.memory.Recall().Hits; s.memory.Recall().Hits == before; {
			if got := h.at(s.other).userinfo(t, h.AccessToken); got.status != http.StatusOK {
				return // it was over before the cause, as some rows have it
			}
			if time.Now().After(until) {
				t.Fatalf("%s is never remembered", name)
			}
		}
	}
}

// agreeElsewhere expects the other process to answer, a second later, as the one does in which the cause was played.
func (s *scene) agreeElsewhere(t *testing.T) {
	t.Helper()
	time.Sleep(time.Second) // the promise itself
	for name, h := range s.held {
		if h.AccessToken == "" {
			continue
		}
		here, there := h.userinfo(t, h.AccessToken), h.at(s.other).userinfo(t, h.AccessToken)
		if here.status != there.status || here.body != there.body {
			t.Errorf("%s: a second later another process says %d %s, this one %d %s", name, there.status, there.body, here.status, here.body)
		}
	}
}

// land redeems the codes in flight: whose are void?
func (s *scene) land(t *testing.T) (void []string) {
	t.Helper()
	for name, h := range s.held {
		if got := h.spend(t, h.flying); got.status == http.StatusOK {
			h.app.tokens(t, got)
		} else if void = append(void, name); got.Error != "invalid_grant" && got.Error != "invalid_client" {
			t.Errorf("%s: the code is refused with %d %s", name, got.status, got.body)
		}
	}
	return void
}

// renew refreshes a Session.
func (h *held) renew(t *testing.T) {
	t.Helper()
	h.tokens = h.app.tokens(t, h.refresh(t, h.RefreshToken))
}

// names are those of the Sessions whose ids are among sids.
func (s *scene) names(sids map[string]bool) (names []string) {
	for name, h := range s.held {
		if sids[h.sid.String()] {
			names = append(names, name)
		}
	}
	return names
}

// standing is who is signed in in a browser.
func (s *scene) standing(t *testing.T, v *visitor) identity.Standing {
	t.Helper()
	var value string
	for _, cookie := range v.http.Jar.Cookies(parsed(t, s.w.issuer)) {
		if cookie.Name == identity.CookieName(false) {
			value = cookie.Value
		}
	}
	signIns := identity.SignIns{
		Store: s.w.db, Keys: s.w.keys, Now: s.w.now, Lives: identity.Lifetimes{Idle: 12 * time.Hour, Absolute: 14 * 24 * time.Hour},
	}
	standing, err := signIns.Current(t.Context(), value)
	if err != nil || !standing.SignedIn() {
		t.Fatal("nobody is signed in:", err)
	}
	return standing
}

// keep gives a browser a new value of the cookie.
func (s *scene) keep(t *testing.T, v *visitor, value string) {
	t.Helper()
	v.http.Jar.SetCookies(parsed(t, s.w.issuer), []*http.Cookie{{Name: identity.CookieName(false), Value: value, Path: "/"}})
}

// backChannels is where the logout tokens of all three apps arrive.
type backChannels struct {
	*httptest.Server
	mu   sync.Mutex
	sids map[string]bool
}

func newBackChannels(t *testing.T) *backChannels {
	t.Helper()
	b := &backChannels{sids: map[string]bool{}}
	b.Server = httptest.NewServer(b)
	t.Cleanup(b.Close)
	return b
}

// ServeHTTP notes whose Session a logout token is about. Other tests verify its signature.
func (b *backChannels) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.FormValue("logout_token"), ".")
	var claims struct {
		SessionID string `json:"sid"`
	}
	if len(parts) == 3 {
		payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
		_ = json.Unmarshal(payload, &claims)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sids[claims.SessionID] = true
	w.WriteHeader(http.StatusOK)
}

// arrived returns a copy of what has arrived.
func (b *backChannels) arrived() map[string]bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := map[string]bool{}
	for sid := range b.sids {
		all[sid] = true
	}
	return all
}
