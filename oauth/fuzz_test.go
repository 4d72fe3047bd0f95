package oauth_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

func FuzzAuthorize(f *testing.F) {
	f.Add("client_id=app&response_type=code", "")
	f.Add("next=sj_rq_AAAA", "sj_si_AAAA")
	f.Add("client_id=app&response_type=code&resource=https://a.example/&resource=urn:b%23c", "")
	f.Add("client_id=%00&redirect_uri=%ff;", "\x00")
	s := fuzzed(f)
	f.Fuzz(func(t *testing.T, query, cookie string) {
		r := httptest.NewRequest(http.MethodGet, "/oauth2/authorize", nil)
		r.URL.RawQuery = query
		r.Header.Set("Cookie", identity.CookieName(false)+"="+cookie)
		s.never5xx(t, r)
	})
}

func FuzzNext(f *testing.F) {
	f.Add("prompt=none&scope=openid", int64(0))
	f.Add("client_id=app&max_age=0&id_token_hint=a.b.c", int64(1)<<62)
	s := fuzzed(f)
	f.Fuzz(func(t *testing.T, query string, at int64) {
		params, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		next, err := s.keys.AskedText(identity.NewAsked(params, time.UnixMicro(at)))
		if err != nil {
			return
		}
		s.never5xx(t, httptest.NewRequest(http.MethodGet, "/oauth2/authorize?next="+next, nil))
	})
}

func FuzzToken(f *testing.F) {
	f.Add("grant_type=authorization_code&client_id=app&code=sj_ac_AAAA&code_verifier=x", "")
	f.Add("grant_type=refresh_token&client_id=app&refresh_token=sj_rt_AAAA", "Basic YXBwOg==")
	f.Add("grant_type=refresh_token&client_id=app&refresh_token=sj_rt_AAAA&resource=urn:a&resource=%23&scope=openid", "")
	f.Add("grant_type=client_credentials&client_assertion=a.b.c&client_assertion_type="+jwtBearer, "Bearer x")
	s := fuzzed(f)
	f.Fuzz(func(t *testing.T, body, authorization string) {
		r := httptest.NewRequest(http.MethodPost, "/oauth2/token", strings.NewReader(body))
		r.Header.Set("Content-Type", formType)
		r.Header.Set("Authorization", authorization)
		s.never5xx(t, r)
	})
}

func FuzzIntrospect(f *testing.F) {
	f.Add("sj_at_AQAA", "application/token-introspection+jwt;q=0.5, */*")
	f.Add("sj_rt_AAAA", "application/token-introspection+jwt;q=nan")
	f.Add("a.b.c", ";,\x00")
	s := fuzzed(f)
	asker := s.app(s.confidential)
	f.Fuzz(func(t *testing.T, token, accept string) {
		form := url.Values{"token": {token}}
		r := httptest.NewRequest(http.MethodPost, "/oauth2/introspect", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", formType)
		r.Header.Set("Accept", accept)
		asClient(asker, clientSecret)(r)
		s.never5xx(t, r)
	})
}

// fuzzed is the stage of one fuzz test: whatever is thrown at it changes nothing.
func fuzzed(f *testing.F) *stage {
	f.Helper()
	s := newStage(f, storage.SQLite)
	s.app(func(c *identity.Client) { c.ID = "app" })
	return s
}

// never5xx sends a request, and fails when it is answered as a fault of ours.
func (s *stage) never5xx(t *testing.T, r *http.Request) {
	t.Helper()
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r)
	if w.Code >= http.StatusInternalServerError {
		t.Errorf("answered %d: %s", w.Code, w.Body)
	}
	select {
	case <-s.problems:
	default:
	}
}
