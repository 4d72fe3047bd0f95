package server

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/sojourn-auth/sojourn/identity"
)

// effects find out whom a cause struck. What is expected says only how long to wait for it.
var effects = map[string]func(s *scene, t *testing.T, want []string) []string{
	"refused": (*scene).refused, "cookie": (*scene).signedOut, "back": (*scene).backChannel, "front": (*scene).frontChannel,
	"live": (*scene).heard, "told": (*scene).told, "codes": (*scene).codes, "grants": (*scene).grants,
}

// refused are the Sessions that get nothing any more. A Session is refused everywhere or nowhere.
func (s *scene) refused(t *testing.T, _ []string) (names []string) {
	defer func() { s.judge.agrees(t, s, "after the next refresh") }()
	for name, h := range s.held {
		before := h.userinfo(t, h.AccessToken).status
		answer := h.refresh(t, h.RefreshToken)
		if answer.status == http.StatusOK {
			h.tokens = h.app.tokens(t, answer)
			if got := h.userinfo(t, h.AccessToken).status; got != http.StatusOK {
				t.Errorf("%s: a refresh is answered, and its access token is answered %d", name, got)
			}
			if got := s.w.bearing(t, http.MethodGet, s.w.issuer+"/me", h.AccessToken).status; got != http.StatusOK {
				t.Errorf("%s: /me answers %d", name, got)
			}
			continue
		}
		names = append(names, name)
		me := s.w.bearing(t, http.MethodGet, s.w.issuer+"/me", h.AccessToken).status
		if before != http.StatusUnauthorized || me != http.StatusUnauthorized {
			t.Errorf("%s: no refresh, but userinfo answers %d and /me %d", name, before, me)
		}
		gone := answer.Error == "invalid_client" // the client itself is
		if !gone && answer.Error != "invalid_grant" || answer.Action != "login" {
			t.Errorf("%s: the refusal is %d %s", name, answer.status, answer.body)
		}
		s.inactive(t, name)
	}
	return names
}

// inactive checks that introspection knows the tokens of a Session no more.
func (s *scene) inactive(t *testing.T, name string) {
	t.Helper()
	asking := s.w.app(t, confidential)
	for _, token := range []string{s.held[name].AccessToken, s.held[name].RefreshToken} {
		if got := asking.form(t, "/oauth2/introspect", "token", token); strings.TrimSpace(got.body) != `{"active":false}` {
			t.Errorf("%s: introspection says %d %s", name, got.status, got.body)
		}
	}
}

// signedOut are the browsers that are asked to sign in.
func (s *scene) signedOut(t *testing.T, _ []string) (names []string) {
	for name, v := range map[string]*visitor{"phone": s.phone, "tablet": s.tablet} {
		v.open(t, s.third.asking("prompt", "none"))
		answer := s.third.arrival(t)
		if answer.Get("error") == "login_required" || s.standing(t, v).User.ID != s.ada.user.ID {
			names = append(names, name)
		}
	}
	return names
}

// patience is for a machine that does much else, and for streams: they reckon when their Session expires by real time, so
// where a test moves the clock they notice at their next sign of life, which is 15 seconds away at most.
const patience = 4 * time.Minute

// backChannel are the Sessions that clients were told of.
func (s *scene) backChannel(t *testing.T, want []string) []string {
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if len(s.back.arrived()) >= len(want) && s.delivered(t) {
			break
		}
	}
	return s.names(s.back.arrived())
}

// delivered reports whether nothing waits for delivery any more.
func (s *scene) delivered(t *testing.T) bool {
	t.Helper()
	waiting, err := s.w.db.Deliveries(t.Context(), identity.DeliveryFilter{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	return len(waiting) == 0
}

// frontChannel are the Sessions whose clients the signed-out page loads.
func (s *scene) frontChannel(t *testing.T, _ []string) []string {
	sids := map[string]bool{}
	if s.page.Document != nil {
		s.page.Find("iframe").Each(func(_ int, frame *goquery.Selection) {
			sids[parsed(t, frame.AttrOr("src", "")).Query().Get("sid")] = true
		})
	}
	return s.names(sids)
}

// heard are the Sessions whose apps heard that they ended.
func (s *scene) heard(t *testing.T, want []string) (names []string) {
	for until := time.Now().Add(patience); time.Now().Before(until) && len(names) < len(want); time.Sleep(20 * time.Millisecond) {
		names = s.closed()
	}
	return s.closed()
}

func (s *scene) closed() (names []string) {
	for name, h := range s.held {
		select {
		case <-h.stream.over:
			names = append(names, name)
		default:
		}
	}
	return names
}

// told are the Sessions of whose end an Event tells.
func (s *scene) told(t *testing.T, _ []string) []string {
	events, err := s.w.db.Events(t.Context(), identity.EventQuery{UserID: s.ada.user.ID, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	sids := map[string]bool{}
	for _, e := range events {
		if e.Kind == identity.SessionEnded {
			sids[e.SessionID.String()] = true
		}
	}
	return s.names(sids)
}

// codes are the Sessions from whose sign-in a code was on its way to their app, and came to nothing.
func (s *scene) codes(*testing.T, []string) []string { return s.void }

// grants are the Sessions whose apps have to ask for consent again. Those of one app share it.
func (s *scene) grants(t *testing.T, _ []string) (names []string) {
	user, err := s.w.db.UserByID(t.Context(), s.ada.user.ID)
	if err != nil && identity.KindOf(err) != identity.NotFound {
		t.Fatal(err)
	}
	for name, a := range map[string]*app{"this": s.first, "sib": s.second, "off": s.third} {
		grant, err := s.w.db.GrantOf(t.Context(), s.ada.user.ID, a.client.ID)
		if err != nil {
			t.Fatal(err)
		}
		d := identity.Demand{Client: a.client, Redirect: a.client.RedirectURIs[0], Scopes: []string{"openid"}}
		if !grant.Suffices(d, user.Epoch) {
			names = append(names, name)
		}
	}
	return names
}

// stream is an app that listens to /me/events. It is over once the app has heard that its own Session ended, with a
// reason, and the stream was closed.
type stream struct {
	over chan struct{}
}

func listenTo(t *testing.T, h *held) *stream {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.w.issuer+"/me/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+h.AccessToken)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("/me/events answers %d", resp.StatusCode)
	}
	s := &stream{over: make(chan struct{})}
	go func() {
		defer resp.Body.Close()
		if heardOwnEnd(bufio.NewScanner(resp.Body), h.sid) {
			close(s.over)
		}
	}()
	return s
}

// heardOwnEnd reads a stream to its end.
func heardOwnEnd(lines *bufio.Scanner, sid identity.ID) (ended bool) {
	kind := ""
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "event":
			kind = value
		case "data":
			var told struct{ Sid, Reason string }
			known := json.Unmarshal([]byte(value), &told) == nil
			ended = ended || known && kind == "session.ended" && told.Sid == sid.String() && told.Reason != ""
		}
	}
	return ended
}
