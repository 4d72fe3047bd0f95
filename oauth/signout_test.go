package oauth_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

const logoutAt = "/oauth2/logout"

// logout asks for a sign-out with a browser that says nothing of itself: the endpoint reads no cookie.
func (s *stage) logout(method string, q url.Values) *http.Response {
	s.Helper()
	if method == http.MethodGet {
		return s.send(httptest.NewRequest(method, logoutAt+"?"+q.Encode(), nil))
	}
	r := httptest.NewRequest(method, logoutAt, strings.NewReader(q.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.send(r)
}

// asked is what the endpoint seals for the page.
func (s *stage) asked(resp *http.Response) identity.AskedSignOut {
	s.Helper()
	place, q := s.location(resp)
	if place != "/signout" || len(q) != 1 {
		s.Fatalf("leads to %s with %v", place, q)
	}
	asked, err := s.keys.ReadSignOut(q.Get("ask"))
	if err != nil {
		s.Fatal(err)
	}
	if asked.At != s.now().Unix() {
		s.Errorf("asked at %d", asked.At)
	}
	asked.At = 0
	return asked
}

func TestLogout_everyParameterTravelsSealedByGetAndPost(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		tokens := s.begin(c)
		q := url.Values{
			"id_token_hint": {tokens.IDToken}, "client_id": {c.ID}, "logout_hint": {"ada@example.com"}, "state": {"a&b ü"},
			"post_logout_redirect_uri": {"https://app.example/bye"}, "ui_locales": {"de"}, "unknown": {"x"},
		}
		want := identity.AskedSignOut{
			ClientID: c.ID, Sub: s.user.Sub, SessionID: s.session(tokens).ID, LoginHint: "ada@example.com",
			Back: "https://app.example/bye", State: "a&b ü",
		}
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			resp := s.logout(method, q)
			if diff := cmp.Diff(want, s.asked(resp)); diff != "" {
				t.Errorf("%s: %s", method, diff)
			}
			if to := resp.Header.Get("Location"); strings.Contains(to, "ada") || strings.Contains(to, tokens.IDToken[:20]) {
				t.Errorf("%s: the address tells: %s", method, to)
			}
		}
	})
}

func TestLogout_whatIsKnownOfTheAppAndThePerson(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		tokens := s.begin(c)
		sid := s.session(tokens).ID
		ours := identity.AskedSignOut{ClientID: c.ID, Sub: s.user.Sub, SessionID: sid}
		s.pass(400 * 24 * time.Hour) // every ID token is long over
		for name, is := range map[string]struct {
			q    url.Values
			want identity.AskedSignOut
		}{
			"nothing":                  {nil, identity.AskedSignOut{}},
			"a hint that expired":      {url.Values{"id_token_hint": {tokens.IDToken}}, ours},
			"a hint and its client":    {url.Values{"id_token_hint": {tokens.IDToken}, "client_id": {c.ID}}, ours},
			"a client alone":           {url.Values{"client_id": {c.ID}}, identity.AskedSignOut{ClientID: c.ID}},
			"a client that is unknown": {url.Values{"client_id": {"nobody"}}, identity.AskedSignOut{ClientID: "nobody"}},
			"a client that cannot be":  {url.Values{"client_id": {strings.Repeat("x", 65)}}, identity.AskedSignOut{}},
			"a hint that was altered":  {url.Values{"id_token_hint": {tokens.IDToken[:len(tokens.IDToken)-6] + "AAAAAA"}}, identity.AskedSignOut{}},
			"an access token":          {url.Values{"id_token_hint": {tokens.AccessToken}}, identity.AskedSignOut{}},
			"garbage beside a client":  {url.Values{"id_token_hint": {"x.y.z"}, "client_id": {c.ID}}, identity.AskedSignOut{ClientID: c.ID}},
		} {
			if diff := cmp.Diff(is.want, s.asked(s.logout(http.MethodGet, is.q))); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	})
}

func TestLogout_aHintOfARetiredKeyIsStillOne(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		tokens := s.begin(c)
		for range 2 {
			if err := s.signing.Rotate(t.Context(), "RS256"); err != nil {
				t.Fatal(err)
			}
		}
		s.pass(30 * 24 * time.Hour)
		s.rebuild()
		asked := s.asked(s.logout(http.MethodGet, url.Values{"id_token_hint": {tokens.IDToken}}))
		if asked.Sub != s.user.Sub {
			t.Errorf("the hint says %+v", asked)
		}
	})
}

func TestLogout_badRequestsSignNobodyOut(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, other := s.app(), s.app()
		tokens := s.begin(c)
		for name, is := range map[string]struct {
			method, query string
			status        int
		}{
			"another client's hint": {http.MethodGet, url.Values{"id_token_hint": {tokens.IDToken}, "client_id": {other.ID}}.Encode(), 400},
			"a long state":          {http.MethodGet, "state=" + strings.Repeat("s", 5000), 400},
			"a long address":        {http.MethodGet, "post_logout_redirect_uri=https://app.example/" + strings.Repeat("s", 5000), 400},
			"twice the same":        {http.MethodGet, "state=a&state=b", 400},
			"a NUL byte":            {http.MethodGet, "state=%00", 400},
			"no encoding":           {http.MethodGet, "state=%zz", 400},
			"another method":        {http.MethodPut, "", 405},
		} {
			resp := s.send(httptest.NewRequest(is.method, logoutAt+"?"+is.query, nil))
			if resp.StatusCode != is.status {
				t.Errorf("%s: answered %d", name, resp.StatusCode)
				continue
			}
			if p := <-s.problems; p.BackURL != "" || !strings.Contains(p.Msg, "still signed in") {
				t.Errorf("%s: the page says %+v", name, p)
			}
		}
		if row := s.session(tokens); !row.Alive(s.now()) {
			t.Errorf("the Session ended: %s", row.EndCause)
		}
	})
}

// Whatever is asked, the answer is a page of ours.
func FuzzLogout(f *testing.F) {
	f.Add("id_token_hint=a.b.c&client_id=app&state=x&post_logout_redirect_uri=https://evil.example/", true)
	f.Add("logout_hint=%00&state=%ff;", false)
	s := fuzzed(f)
	f.Fuzz(func(t *testing.T, query string, post bool) {
		r := httptest.NewRequest(http.MethodGet, logoutAt, nil)
		r.URL.RawQuery = query
		if post {
			r = httptest.NewRequest(http.MethodPost, logoutAt, strings.NewReader(query))
			r.Header.Set("Content-Type", formType)
		}
		w := httptest.NewRecorder()
		s.server.ServeHTTP(w, r)
		to := w.Header().Get("Location")
		if !strings.HasPrefix(to, "/signout?ask=sj_so_") {
			if p := <-s.problems; to != "" || p.Status >= http.StatusInternalServerError {
				t.Errorf("%q leads to %q, or to a page that says %+v", query, to, p)
			}
		}
	})
}

const signOutAt = "/oauth2/signout"

// signOut signs an app out without a browser, as a public client.
func (s *stage) signOut(c identity.Client, token string, pairs ...string) reply {
	s.Helper()
	return s.askForm(signOutAt, changed(url.Values{"refresh_token": {token}, "client_id": {c.ID}}, pairs))
}

// says checks whether the answer is that something ended now.
func (a reply) says(ended bool) {
	a.Helper()
	if a.status != http.StatusOK || a.json["ended"] != ended || (a.json["sid"] != nil) != ended {
		a.Errorf("answered %d %s, want ended %v", a.status, a.body, ended)
	}
}

// beside starts Sessions of several clients from one SignIn, and returns its cookie.
func (s *stage) beside(clients ...identity.Client) (cookie *http.Cookie, all []told) {
	s.Helper()
	cookie = s.signIn(s.user)
	for _, c := range clients {
		scope := "openid offline_access"
		if len(all) > 1 {
			scope = "openid"
		}
		got := s.post(redeeming(c, s.code(asking(c, "scope", scope), cookie)))
		s.good(got)
		all = append(all, got)
	}
	return cookie, all
}

func (s *stage) signedInBy(c *http.Cookie) bool {
	s.Helper()
	standing, err := s.signIns.Current(s.Context(), c.Value)
	if err != nil {
		s.Fatal(err)
	}
	return standing.SignedIn()
}

func TestSignOut_endsTheAppsSessionAndNothingElse(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		cookie, all := s.beside(c, c, c)
		sid := s.session(all[0]).ID.String()
		got := s.signOut(c, all[0].RefreshToken, "device", "false")
		got.says(true)
		if got.json["sid"] != sid {
			t.Errorf("it ended %v, want %s", got.json["sid"], sid)
		}
		if row := s.session(all[0]); row.EndCause != identity.EndSignedOut {
			t.Errorf("the end cause is %q", row.EndCause)
		}
		s.invalidGrant(s.post(refreshing(c, all[0].RefreshToken)))
		s.good(s.post(refreshing(c, all[1].RefreshToken)))
		s.good(s.post(refreshing(c, all[2].RefreshToken)))
		if !s.signedInBy(cookie) {
			t.Error("the browser is signed out")
		}
		s.signOut(c, all[0].RefreshToken).says(false) // the answer was lost: the app asks again
	})
}

func TestSignOut_anyAuthenticTokenOfTheSessionWillDo(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		first := s.begin(c)
		second := s.post(refreshing(c, first.RefreshToken))
		s.good(s.post(refreshing(c, second.RefreshToken)))
		s.signOut(c, first.RefreshToken).says(true)
	})
}

func TestSignOut_ofTheDeviceEndsAllThatBeganFromItsSignIn(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, sibling := s.app(), s.app()
		cookie, all := s.beside(c, sibling, sibling)
		elsewhere := s.begin(sibling)
		s.signOut(c, all[0].RefreshToken, "device", "true").says(true)
		if s.signedInBy(cookie) {
			t.Error("the browser is still signed in")
		}
		for i, got := range all {
			if row := s.session(got); row.EndCause != identity.EndSignedOut {
				t.Errorf("Session %d has the end cause %q", i, row.EndCause)
			}
		}
		s.good(s.post(refreshing(sibling, elsewhere.RefreshToken)))
	})
}

// Anyone may have written it: it cannot sign people out of the operator's apps.
func TestSignOut_aSelfRegisteredAppCannotEndTheDevice(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(selfRegistered)
		tokens := s.beginAgreed(c)
		s.signOut(c, tokens.RefreshToken, "device", "true").refused(http.StatusBadRequest, "unauthorized_client")
		s.good(s.post(refreshing(c, tokens.RefreshToken)))
		s.signOut(c, tokens.RefreshToken).says(true)
	})
}

func TestSignOut_aBoundSessionNeedsItsKey(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, k, thief := s.app(), newProofKey(t, jose.ES256), newProofKey(t, jose.ES256)
		tokens := s.beginBy(c, k)
		form := url.Values{"refresh_token": {tokens.RefreshToken}, "client_id": {c.ID}}
		s.invalidProof(s.postTo(signOutAt, form))
		s.invalidProof(s.postTo(signOutAt, form, s.by(thief)))
		proof := k.sign(s.draft(k, http.MethodPost, "/oauth2/token")) // of another address
		s.invalidProof(s.postTo(signOutAt, form, shown(proof)))
		if row := s.session(tokens); !row.Alive(s.now()) {
			t.Fatalf("a thief ended it: %s", row.EndCause)
		}
		proof = k.sign(s.draft(k, http.MethodPost, signOutAt))
		s.askForm(signOutAt, form, shown(proof)).says(true)
		s.replayed(s.postTo(signOutAt, form, shown(proof))) // a proof works once
		bound := s.app(boundOnly)
		s.invalidProof(s.postTo(signOutAt, url.Values{"refresh_token": {"x"}, "client_id": {bound.ID}}))
	})
}

func TestSignOut_aConfidentialClientMustAuthenticate(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(s.confidential)
		form := redeeming(c, s.code(asking(c), s.signIn(s.user)))
		form.Del("client_id")
		tokens := s.post(form, asClient(c, clientSecret))
		s.good(tokens)
		s.signOut(c, tokens.RefreshToken).refused(http.StatusUnauthorized, "invalid_client")
		form = url.Values{"refresh_token": {tokens.RefreshToken}}
		s.askForm(signOutAt, form, asClient(c, "wrong")).refused(http.StatusUnauthorized, "invalid_client")
		s.askForm(signOutAt, form, asClient(c, clientSecret)).says(true)
	})
}

func TestSignOut_whatIsWorthNothingIsSignedOut(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, other := s.app(), s.app()
		tokens := s.begin(c)
		for _, token := range []string{
			"x", "sj_rt_AAAA", "a.b.c", tokens.IDToken, tokens.AccessToken, tokens.RefreshToken + "A",
			s.keys.RefreshText(identity.NewRefreshToken(identity.NewID(), identity.NewSecret(), c.ID)), // of no Session
			s.keys.RefreshText(identity.NewRefreshToken(s.session(tokens).ID, identity.NewSecret(), c.ID)),
			strings.Repeat("x", 60<<10),
		} {
			s.signOut(c, token, "device", "true").says(false)
		}
		s.signOut(other, tokens.RefreshToken, "device", "true").refused(http.StatusBadRequest, "invalid_grant")
		s.signOut(c, "").refused(http.StatusBadRequest, "invalid_request")
		s.signOut(c, tokens.RefreshToken, "device", "yes").refused(http.StatusBadRequest, "invalid_request")
		s.good(s.post(refreshing(c, tokens.RefreshToken)))
	})
}

func TestSignOut_badInput(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) { s.badForms(signOutAt) })
}

func TestSignOut_databaseAwayIsNeverSignedOut(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		tokens := s.begin(c)
		s.pass(2 * time.Second)
		form := url.Values{"refresh_token": {tokens.RefreshToken}, "client_id": {c.ID}, "device": {"true"}}
		s.askForm(signOutAt, form, tooLate).away()
		s.askForm(signOutAt, form).says(true)
	})
}

func TestSignOut_ofSixteenAtOnceOneEndsIt(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		tokens := s.begin(c)
		var ended atomic.Int32
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				device := []string{"true", "false"}[i%2]
				if got := s.signOut(c, tokens.RefreshToken, "device", device); got.json["ended"] == true {
					ended.Add(1)
				}
			})
		}
		all.Wait()
		if ended.Load() != 1 {
			t.Errorf("%d say that they ended it", ended.Load())
		}
	})
}

func FuzzSignOut(f *testing.F) {
	f.Add("client_id=app&refresh_token=sj_rt_AAAA&device=true", "")
	f.Add("refresh_token=%00&device=%ff", "Basic YXBwOg==")
	s := fuzzed(f)
	f.Fuzz(func(t *testing.T, body, proof string) {
		r := httptest.NewRequest(http.MethodPost, signOutAt, strings.NewReader(body))
		r.Header.Set("Content-Type", formType)
		r.Header.Set("DPoP", proof)
		s.never5xx(t, r)
	})
}
