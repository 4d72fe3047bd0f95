package oauth_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

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
			"a long state":          {http.MethodGet, "state=" + strings.Repeat("s", 513), 400},
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
