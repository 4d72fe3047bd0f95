package oauth_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

// as sends a request to one of our own APIs with an access token.
func (s *stage) as(token, method, path string, edit ...func(*http.Request)) reply {
	s.Helper()
	return s.ask(changedRequest(httptest.NewRequest(method, path, nil), append([]func(*http.Request){bearer(token)}, edit...)))
}

// siblings are the sids that /me tells beside the own one.
func (s *stage) siblings(token string) (sids []string) {
	s.Helper()
	for _, entry := range s.as(token, http.MethodGet, "/me").want(http.StatusOK).json["siblings"].([]any) {
		sids = append(sids, entry.(map[string]any)["sid"].(string))
	}
	return sids
}

func named(name string) func(*identity.Client) {
	return func(c *identity.Client) { c.Name = name }
}

func TestMe_tellsTheSessionAndItsSiblings(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, cookie := s.app(named("Notes")), s.signIn(s.user)
		s.pass(time.Hour)
		form := redeeming(c, s.code(asking(c), cookie), "device_name", "Ada's phone", "device_model", "Pixel 9",
			"app_version", "4.2", "install_id", "i-1")
		own := s.post(form)
		s.good(own)
		same := s.post(redeeming(c, s.code(asking(c, "scope", "openid"), cookie), "install_id", "i-2"))
		s.good(same)
		other := s.begin(s.app(named("Mail")))
		s.beginOf(s.addUser("eve@example.com"))

		got := s.as(own.AccessToken, http.MethodGet, "/me").want(http.StatusOK)
		row := s.session(own)
		want := map[string]any{
			"sid": row.ID.String(), "client_id": c.ID, "client_name": "Notes", "device_name": "Ada's phone",
			"device_model": "Pixel 9", "app_version": "4.2", "install_id": "i-1", "signed_in_at": float64(s.now().Unix()),
			"last_seen": "2026-03-01", "ends_at": float64(row.EndsAt.Unix()), "amr": []any{"pwd"}, "offline": true,
			"same_sign_in": true, "current": true,
		}
		if diff := cmp.Diff(want, got.json["session"]); diff != "" || got.json["sub"] != s.user.Sub {
			t.Errorf("of %v: %s", got.json["sub"], diff)
		}
		if sids := s.siblings(own.AccessToken); len(sids) != 2 || !slices.Contains(sids, s.session(same).ID.String()) ||
			!slices.Contains(sids, s.session(other).ID.String()) {
			t.Errorf("siblings are %v", sids)
		}
		for _, entry := range got.json["siblings"].([]any) {
			sibling := entry.(map[string]any)
			ofSame := sibling["sid"] == s.session(same).ID.String()
			if sibling["same_sign_in"] != ofSame || sibling["offline"] == ofSame || sibling["current"] != false ||
				sibling["install_id"] != nil {
				t.Errorf("told of a sibling: %v", sibling)
			}
		}
	})
}

// beginOf signs another person in with an app.
func (s *stage) beginOf(u identity.User) told {
	s.Helper()
	c := s.app()
	got := s.post(redeeming(c, s.code(asking(c), s.signIn(u))))
	s.good(got)
	return got
}

// TestMe_tellsNobodyWhenTheFamilyRefreshed: a thief who shadows the app must not see when it refreshes (DESIGN §2).
func TestMe_tellsNobodyWhenTheFamilyRefreshed(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		first := s.begin(c)
		before := s.as(first.AccessToken, http.MethodGet, "/me").want(http.StatusOK).body
		s.pass(5 * time.Minute)
		s.good(s.post(refreshing(c, first.RefreshToken)))
		if after := s.as(first.AccessToken, http.MethodGet, "/me").want(http.StatusOK).body; after != before {
			t.Errorf("a refresh shows:\n%s\n%s", before, after)
		}
	})
}

// managing makes an app one that nobody trusts, and that may ask for the scope.
func managing(c *identity.Client) { c.Trusted, c.Scope = false, c.Scope+" "+identity.ScopeDevices }

// beginAgreed signs the person in with an app that nobody trusts: they press Allow where they are asked.
func (s *stage) beginAgreed(c identity.Client, pairs ...string) told {
	s.Helper()
	cookie, form := s.signIn(s.user), asking(c, pairs...)
	if page, q := s.location(s.authorize(form, cookie)); page == "/consent" {
		s.allow(c, cookie, identity.SplitScope(form.Get("scope"))...)
		form = s.pressing(identity.ForAllowal, q, cookie)
	}
	got := s.post(redeeming(c, s.code(form, cookie)))
	s.good(got)
	return got
}

// Power comes from being trusted, or from what consent named: not from being added.
func TestMe_anAppThatNobodyTrustsKnowsItsOwnSessionAlone(t *testing.T) {
	t.Parallel()
	for name, made := range map[string][]func(*identity.Client){
		"that registered itself":       {selfRegistered},
		"that the operator added":      {untrusted},
		"that did not ask for devices": {managing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onStage(t, func(s *stage) {
				own, others := s.app(made...), s.app()
				first, second, other := s.beginAgreed(own), s.beginAgreed(own), s.begin(others)
				if sids := s.siblings(first.AccessToken); len(sids) != 0 {
					t.Errorf("siblings are %v", sids)
				}
				if sids := s.siblings(other.AccessToken); len(sids) != 2 {
					t.Errorf("the operator's own client knows %v", sids)
				}
				for _, got := range []told{second, other} {
					path := "/me/sessions/" + s.session(got).ID.String()
					s.as(first.AccessToken, http.MethodDelete, path).refused(http.StatusNotFound, "not_found")
				}
				s.signOut(own, first.RefreshToken, "device", "true").refused(http.StatusBadRequest, "unauthorized_client")
				for _, got := range []told{first, second, other} {
					s.as(got.AccessToken, http.MethodGet, "/me").want(http.StatusOK)
				}
				s.as(first.AccessToken, http.MethodDelete, "/me/sessions/"+s.session(first).ID.String()).want(http.StatusNoContent)
			})
		})
	}
}

func TestMe_theScopeDevicesGivesThePowerThatItNames(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, cookie := s.app(managing), s.signIn(s.user)
		first := s.beginAgreed(c, "scope", "openid offline_access devices")
		other, third := s.begin(s.app()), s.begin(s.app())
		if sids := s.siblings(first.AccessToken); len(sids) != 2 {
			t.Errorf("siblings are %v", sids)
		}
		narrow := s.post(refreshing(c, first.RefreshToken, "scope", "openid"))
		if sids := s.siblings(narrow.AccessToken); len(sids) != 0 {
			t.Errorf("a narrower token tells of %v", sids)
		}
		e := s.listen(first.AccessToken)
		e.next("ready")
		s.as(first.AccessToken, http.MethodDelete, "/me/sessions/"+s.session(other).ID.String()).want(http.StatusNoContent)
		e.next("session.ended")
		c.Scope = "openid offline_access" // the operator takes it back
		s.no(s.db.UpdateClient(t.Context(), c))
		s.as(first.AccessToken, http.MethodDelete, "/me/sessions/"+s.session(third).ID.String()).refused(http.StatusNotFound, "not_found")
		s.signOut(c, narrow.RefreshToken, "device", "true").refused(http.StatusBadRequest, "unauthorized_client")
		if !s.signedInBy(cookie) {
			t.Error("the browser was signed out")
		}
	})
}

func TestMeSessions_endsASiblingOnce(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		own, other := s.begin(c), s.begin(c)
		path := "/me/sessions/" + s.session(other).ID.String()
		s.as(own.AccessToken, http.MethodDelete, path).want(http.StatusNoContent)
		s.as(own.AccessToken, http.MethodDelete, path).refused(http.StatusNotFound, "not_found")
		s.as(other.AccessToken, http.MethodGet, "/me").refused(http.StatusUnauthorized, "invalid_token")
		s.invalidGrant(s.post(refreshing(c, other.RefreshToken)))
		if row := s.session(other); row.EndCause != identity.EndDevice {
			t.Errorf("ended by %q", row.EndCause)
		}
		s.good(s.post(refreshing(c, own.RefreshToken)))
	})
}

func TestMeSessions_endsItself(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		own, other := s.begin(c), s.begin(c)
		path := "/me/sessions/" + s.session(own).ID.String()
		s.as(own.AccessToken, http.MethodDelete, path).want(http.StatusNoContent)
		s.as(own.AccessToken, http.MethodDelete, path).refused(http.StatusUnauthorized, "invalid_token")
		if row := s.session(own); row.EndCause != identity.EndSignedOut {
			t.Errorf("ended by %q", row.EndCause)
		}
		s.as(other.AccessToken, http.MethodGet, "/me").want(http.StatusOK)
	})
}

func TestMeSessions_knowsNobodyElses(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		own, stranger := s.begin(s.app()), s.beginOf(s.addUser("eve@example.com"))
		for _, id := range []string{s.session(stranger).ID.String(), identity.NewID().String(), "x", "%00", strings.Repeat("a", 300)} {
			s.as(own.AccessToken, http.MethodDelete, "/me/sessions/"+id).refused(http.StatusNotFound, "not_found")
		}
		s.as(stranger.AccessToken, http.MethodGet, "/me").want(http.StatusOK)
	})
}

// ourOwn are the endpoints that take an access token of a Session, with a method each.
var ourOwn = map[string]string{
	"/me": http.MethodGet, "/me/events": http.MethodGet, "/me/state": http.MethodGet, "/me/state/k": http.MethodPut,
	"/me/sessions/x": http.MethodDelete,
}

func TestMe_refusesAsEveryAPIBehindAToken(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		tokens := s.begin(s.app())
		for path, method := range ourOwn {
			none := s.ask(httptest.NewRequest(method, path, nil)).refused(http.StatusUnauthorized, "invalid_token")
			if got := none.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, bareBearer+`, scope="openid", resource_metadata="`) {
				t.Errorf("%s without a token: %s", path, got)
			}
			s.as("x", method, path).refused(http.StatusUnauthorized, "invalid_token")
			s.as(tokens.RefreshToken, method, path).refused(http.StatusUnauthorized, "invalid_token")
			s.as(tokens.AccessToken, method, path+"?access_token="+tokens.AccessToken).refused(http.StatusBadRequest, "invalid_request")
			s.as(tokens.AccessToken, http.MethodPost, path).refused(http.StatusMethodNotAllowed, "invalid_request")
			s.as(tokens.AccessToken, method, path, tooLate).away()
		}
	})
}

func TestMe_refusesATokenThatAClientGotForItself(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		service := s.app(s.confidential)
		own := s.post(url.Values{"grant_type": {"client_credentials"}}, asClient(service, clientSecret))
		s.good(own)
		for path, method := range ourOwn {
			s.as(own.AccessToken, method, path).refused(http.StatusForbidden, "insufficient_scope")
		}
	})
}

func TestMe_takesABoundTokenOnlyWithItsProof(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		k, other := newProofKey(t, jose.ES256), newProofKey(t, jose.ES256)
		tokens := s.beginBy(s.app(), k)
		bound := func(key proofKey) []func(*http.Request) {
			return []func(*http.Request){
				func(r *http.Request) { r.Header.Set("Authorization", "DPoP "+tokens.AccessToken) },
				s.by(key, "ath", ath(tokens.AccessToken)),
			}
		}
		for path, method := range ourOwn {
			s.as(tokens.AccessToken, method, path).refused(http.StatusUnauthorized, "invalid_token")
			s.as("", method, path, bound(other)...).refused(http.StatusUnauthorized, "invalid_token")
		}
		s.as("", http.MethodGet, "/me", bound(k)...).want(http.StatusOK)
		s.as("", http.MethodGet, "/me/state", bound(k)...).want(http.StatusOK)
	})
}

// TestMe_expiryIsJudgedWhenRead holds the same for every API that asks about a Session: nobody swept anything.
func TestMe_expiryIsJudgedWhenRead(t *testing.T) {
	t.Parallel()
	for name, lives := range map[string]identity.Lifetimes{
		"idle": {Idle: 5 * time.Minute, Absolute: time.Hour}, "absolute": {Idle: time.Hour, Absolute: 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onStage(t, func(s *stage) {
				asker := s.app(s.confidential)
				tokens := s.begin(s.app(func(c *identity.Client) { c.Lives = lives }))
				begun := s.session(tokens)
				s.pass(5*time.Minute - time.Microsecond)
				s.as(tokens.AccessToken, http.MethodGet, "/me").want(http.StatusOK)
				s.userinfo(tokens.AccessToken).want(http.StatusOK)
				s.active(asker, tokens.AccessToken)
				s.pass(time.Microsecond)
				for path, method := range ourOwn {
					s.as(tokens.AccessToken, method, path).refused(http.StatusUnauthorized, "invalid_token")
				}
				s.userinfo(tokens.AccessToken).refused(http.StatusUnauthorized, "invalid_token")
				s.inactive(asker, tokens.AccessToken)
				s.inactive(asker, tokens.RefreshToken)
				if row, err := s.db.SessionByID(t.Context(), begun.ID); err != nil || !row.EndedAt.IsZero() {
					t.Error("the row was written:", err)
				}
			})
		})
	}
}
