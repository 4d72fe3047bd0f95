package oauth_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// agent is a client that registered itself as such programs do, on a host that it has.
func (s *stage) agent() identity.Client {
	return s.app(selfRegistered, func(c *identity.Client) {
		c.RedirectURIs, c.Scope = []string{"https://agent.example/cb"}, "openid files"
	})
}

// allowedBy gets a code for a request by a button of the consent page; stay is the choice that was made on it.
func (s *stage) allowedBy(c identity.Client, cookie *http.Cookie, stay bool, pairs ...string) string {
	s.Helper()
	request := asking(c, append([]string{"scope", "openid files"}, pairs...)...)
	page, q := s.location(s.authorize(request, cookie))
	asked, err := s.keys.ReadAsked(q.Get("next"))
	if err != nil || page != "/consent" {
		s.Fatalf("led to %s: %v", page, err)
	}
	demand, err := asked.Demand(c, nil, s.now())
	s.no(err)
	button := identity.ForAllowal
	if demand.Stay = stay && demand.OffersStay(); demand.Stay {
		button = identity.ForStay
	}
	s.no(s.grants.Allow(s.Context(), s.standing(cookie), demand))
	return s.code(s.pressing(button, q, cookie), cookie)
}

// Without offline_access a Session ends with the browser's sign-in; a person who lets the app stay connected has it go on, for
// ninety days.
func TestAgent_staysConnectedWhereThePersonLetsIt(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		agent := s.agent()
		for _, stay := range []bool{false, true} {
			cookie := s.signIn(s.user)
			got := s.post(redeeming(agent, s.allowedBy(agent, cookie, stay, "prompt", "consent")))
			s.good(got)
			if told := slices.Contains(strings.Fields(got.Scope), "offline_access"); got.RefreshToken == "" || told != stay {
				t.Errorf("staying %t: scope %q", stay, got.Scope)
			}
			row := s.session(got)
			if life := row.EndsAt.Sub(s.now()); stay && life != 90*24*time.Hour {
				t.Errorf("it lives for %s", life)
			}
			_, err := s.db.End(s.Context(), identity.Ending{SignIn: s.standing(cookie).SignIn.ID, Cause: identity.EndSignedOut})
			s.no(err)
			again := s.post(refreshing(agent, got.RefreshToken))
			if !stay {
				s.invalidGrant(again)
				continue
			}
			s.good(again)
			for range 4 { // used now and then
				s.pass(22 * 24 * time.Hour)
				again = s.post(refreshing(agent, again.RefreshToken))
				s.good(again)
			}
			s.pass(3 * 24 * time.Hour)
			s.invalidGrant(s.post(refreshing(agent, again.RefreshToken)))
		}
	})
}

// What was chosen holds as long as the consent that is remembered with it (DESIGN law 12), and another choice replaces it.
func TestAgent_theChoiceIsRememberedWithTheConsent(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		agent, cookie := s.agent(), s.signIn(s.user)
		offline := func(code string) bool {
			got := s.post(redeeming(agent, code))
			s.good(got)
			return s.session(got).Offline()
		}
		silently := asking(agent, "scope", "openid files")
		for _, stay := range []bool{true, false, true} {
			if got := offline(s.allowedBy(agent, cookie, stay, "prompt", "consent")); got != stay {
				t.Errorf("chose %t, got %t", stay, got)
			}
			if got := offline(s.code(silently, cookie)); got != stay {
				t.Errorf("chose %t before, got %t", stay, got)
			}
		}
	})
}

// The choice is the person's, for this request in this browser: no link brings it, and no client that it is not for gets it.
func TestAgent_theChoiceCannotBeMadeForThePerson(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		agent, cookie := s.agent(), s.signIn(s.user)
		request := asking(agent, "scope", "openid files")
		_, q := s.location(s.authorize(request, cookie))
		for name, press := range map[string]identity.Press{
			"another request": {Button: identity.ForStay, By: s.standing(cookie), Next: "another"},
			"another person":  {Button: identity.ForStay, By: s.standing(s.signIn(s.addUser("eve@example.com"))), Next: q.Get("next")},
			"a no":            {Button: identity.ForDenial, By: s.standing(cookie), Next: q.Get("next")},
		} {
			bad := map[string][]string{"next": q["next"], "allowed": {s.keys.PressText(press, s.now())}}
			if page, _ := s.location(s.authorize(bad, cookie)); page != "/consent" {
				t.Errorf("%s: led to %s", name, page)
			}
		}
		mine := s.app(untrusted, func(c *identity.Client) { c.RedirectURIs = []string{"https://a.example/cb"} })
		without := s.app(selfRegistered, func(c *identity.Client) {
			c.RedirectURIs, c.GrantTypes = []string{"https://b.example/cb"}, []string{"authorization_code"}
		})
		for name, c := range map[string]identity.Client{"the operator's": mine, "one that cannot refresh": without} {
			if (identity.Demand{Client: c, Scopes: []string{"openid"}}).OffersStay() {
				t.Errorf("%s is offered to stay", name)
			}
		}
		if (identity.Demand{Client: agent, Scopes: []string{"offline_access"}}).OffersStay() {
			t.Error("one that asks for it anyway is offered to stay")
		}
	})
}

// A connected app that listens hears from here that it was ended, by the device's owner, and why; its next refresh says so too.
func TestAgent_hearsItsEndingOnTheEventStream(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, cookie := s.agent(), s.signIn(s.user)
		got := s.post(redeeming(c, s.allowedBy(c, cookie, true)))
		s.good(got)
		e := s.listen(got.AccessToken)
		e.next("ready")
		devices := identity.Devices{Store: s.db, Now: s.now}
		s.no(devices.End(s.Context(), s.standing(cookie).From(identity.Seen{}), s.session(got).ID))
		s.saysWhy(e, got, identity.EndDevice)
		s.invalidGrant(s.post(refreshing(c, got.RefreshToken)))
	})
}
