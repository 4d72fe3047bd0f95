package oauth_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/oauth"
	"github.com/sojourn-auth/sojourn/storage"
)

// redirected is where a request of a signed-in person leads, and checks state and iss on the way (RFC 9207).
func (s *stage) redirected(q url.Values, cookies ...*http.Cookie) url.Values {
	s.Helper()
	place, got := s.location(s.authorize(q, cookies...))
	if !strings.HasPrefix(place, appBack) {
		s.Fatalf("led to %s", place)
	}
	if got.Get("iss") != issuer {
		s.Errorf("iss is %q", got.Get("iss"))
	}
	if got.Get("state") != q.Get("state") || got.Has("state") != (q.Get("state") != "") {
		s.Errorf("state came back as %q, sent was %q", got["state"], q["state"])
	}
	return got
}

func TestAuthorize_answersWithCodeStateAndIss(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		got := s.redirected(asking(s.app()), s.signIn(s.user))
		if got.Get("code") == "" || len(got) != 3 {
			t.Errorf("answered %v", got)
		}
	})
}

// RFC 6749 §3.1, §3.1.2: the query of a redirect URI is kept, and no parameter comes twice. Whoever registered it may have written
// an answer of their own into it, which an app could take for ours.
func TestAuthorize_theAnswerIsOursAlone(t *testing.T) {
	t.Parallel()
	const back = "https://a.example/cb?keep=1&code=theirs&st%61te=theirs&iss=https%3A%2F%2Fevil.example&error=x&&keep=2"
	onStage(t, func(s *stage) {
		c, cookie := s.app(func(c *identity.Client) { c.RedirectURIs = []string{back} }), s.signIn(s.user)
		for scope, want := range map[string]string{"openid": "code", "nope": "error"} {
			place, got := s.location(s.authorize(asking(c, "redirect_uri", back, "scope", scope), cookie))
			if place != "https://a.example/cb" || len(got["keep"]) != 2 || got.Get(want) == "" || got.Has("code") == got.Has("error") {
				t.Errorf("%s: led to %s with %v", scope, place, got)
			}
			for name, values := range got {
				if name != "keep" && len(values) != 1 || slices.Contains(values, "theirs") || values[0] == "x" {
					t.Errorf("%s: %s is %q", scope, name, values)
				}
			}
		}
		to, answer := s.handover(asking(c, "redirect_uri", back), cookie)
		if to != "https://a.example/cb?keep=1&&keep=2" || answer.Get("code") == "" {
			t.Errorf("%s is sent %v", to, answer)
		}
	})
}

// fosite refuses a request without state, and answers `state=` where none was sent.
func TestAuthorize_stateIsOptionalAndComesBackAsSent(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, cookie := s.app(), s.signIn(s.user)
		for _, state := range []string{"", "x", "a b&c=d%20", strings.Repeat("s", 5000)} {
			if got := s.redirected(asking(c, "state", state), cookie); got.Get("code") == "" {
				t.Errorf("state %q: %v", state, got)
			}
			if got := s.redirected(asking(c, "state", state, "scope", "nope"), cookie); got.Get("error") != "invalid_scope" {
				t.Errorf("state %q: %v", state, got)
			}
		}
	})
}

func TestAuthorize_refusals(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, cookie := s.app(), s.signIn(s.user)
		tests := []struct {
			name string
			edit []string
			want string
		}{
			{"no response_type", []string{"response_type", ""}, "invalid_request"},
			{"token", []string{"response_type", "token"}, "unsupported_response_type"},
			{"hybrid", []string{"response_type", "code id_token"}, "unsupported_response_type"},
			{"fragment", []string{"response_mode", "fragment"}, "invalid_request"},
			{"form_post", []string{"response_mode", "form_post"}, "invalid_request"},
			{"unknown mode", []string{"response_mode", "x"}, "invalid_request"},
			{"query is fine", []string{"response_mode", "query"}, ""},
			{"unknown scope", []string{"scope", "openid admin"}, ""},
			{"unknown scopes only", []string{"scope", "admin root"}, "invalid_scope"},
			{"part of a scope", []string{"scope", "file"}, "invalid_scope"},
			{"scope of odd characters", []string{"scope", "fi\"les"}, "invalid_scope"},
			{"no scope is fine", []string{"scope", ""}, ""},
			{"request object", []string{"request", "eyJ"}, "invalid_request_object"},
			{"request object without openid", []string{"request", "eyJ", "scope", "files"}, "invalid_request_object"},
			{"request_uri", []string{"request_uri", "https://x.example/r"}, "invalid_request_uri"},
			{"pushed request", []string{"request_uri", "urn:ietf:params:oauth:request_uri:x"}, "invalid_request_uri"},
			{"registration", []string{"registration", "{}"}, "registration_not_supported"},
			{"no PKCE", []string{"code_challenge", "", "code_challenge_method", ""}, "invalid_request"},
			{"plain", []string{"code_challenge_method", "plain"}, "invalid_request"},
			{"plain by default", []string{"code_challenge_method", ""}, "invalid_request"},
			{"method alone", []string{"code_challenge", ""}, "invalid_request"},
			{"short challenge", []string{"code_challenge", answerTo[1:]}, "invalid_request"},
			{"padded challenge", []string{"code_challenge", answerTo + "="}, "invalid_request"},
			{"long challenge", []string{"code_challenge", answerTo + "AAAA"}, "invalid_request"},
			{"challenge of zeros", []string{"code_challenge", strings.Repeat("A", 43)}, "invalid_request"},
			{"challenge with loose bits", []string{"code_challenge", answerTo[:42] + "N"}, "invalid_request"},
			{"nonce that no request holds", []string{"nonce", strings.Repeat("n", 6200)}, "invalid_request"},
			{"nonce of 600", []string{"nonce", strings.Repeat("n", 600)}, ""},
			{"nonce of 520", []string{"nonce", strings.Repeat("n", 520)}, ""},
			{"unknown prompt", []string{"prompt", "create"}, "invalid_request"},
			{"none and login", []string{"prompt", "none login"}, "invalid_request"},
			{"none twice", []string{"prompt", "none none"}, "invalid_request"},
			{"max_age of letters", []string{"max_age", "soon"}, "invalid_request"},
			{"negative max_age", []string{"max_age", "-1"}, "invalid_request"},
			{"endless max_age", []string{"max_age", "99999999999"}, "invalid_request"},
			{"hint that is no token", []string{"id_token_hint", "x"}, ""},
			{"what may be ignored", []string{"ui_locales", "de", "display", "popup", "claims_locales", "x", "acr_values", "9"}, ""},
			{"unknown parameters", []string{"audience", "x", "foo", "bar"}, ""},
		}
		for _, test := range tests {
			got := s.redirected(asking(c, test.edit...), cookie)
			if got.Get("error") != test.want || (test.want == "") != got.Has("code") {
				t.Errorf("%s: answered %v, want error %q", test.name, got, test.want)
			}
			if test.want != "" && got.Get("error_description") == "" {
				t.Errorf("%s: there is no description", test.name)
			}
		}
	})
}

// OpenID Connect Core 1.0 §3.1.2.1; RFC 6749 §3.3: the answer says what was granted.
func TestAuthorize_unknownScopesAreLeftOut(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		got := s.post(redeeming(c, s.code(asking(c, "scope", "admin openid files:write fi\"les"), s.signIn(s.user))))
		s.good(got)
		if row := s.session(got); got.Scope != "openid" || !slices.Equal(row.Scopes, []string{"openid"}) {
			t.Errorf("granted are %q, and in the Session %q", got.Scope, row.Scopes)
		}
	})
}

// Why an app's address does not match, its developer sees in the debug log, without what could be a secret.
func TestAuthorize_aRefusedRedirectURIStandsInTheDebugLog(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		var log strings.Builder
		s.rebuild(func(o *oauth.Options) {
			o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		c := s.app()
		code := s.code(asking(c), s.signIn(s.user))
		s.authorize(asking(c, "redirect_uri", "https://ada:topsecret@elsewhere.example/cb?x=topsecret#topsecret"))
		<-s.problems
		s.invalidGrant(s.post(redeeming(c, code, "redirect_uri", "https://other.example/?code=topsecret")))
		for _, want := range []string{"elsewhere.example/cb?x=***", "other.example/?code=***", c.ID} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%s is not in the log: %s", want, log.String())
			}
		}
		if strings.Contains(log.String(), "topsecret") {
			t.Errorf("the log tells a secret: %s", log.String())
		}
	})
}

// RFC 6749 §3.1. fosite takes the first of two.
func TestAuthorize_repeatedParametersAreRefused(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, cookie := s.app(reaching("urn:a", "urn:b")), s.signIn(s.user)
		for name := range asking(c) {
			q := asking(c)
			q.Add(name, "again")
			resp := s.authorize(q, cookie)
			if name == "client_id" || name == "redirect_uri" {
				if resp.StatusCode != 400 || resp.Header.Get("Location") != "" {
					t.Errorf("two of %s: answered %d, leading to %q", name, resp.StatusCode, resp.Header.Get("Location"))
				}
				continue
			}
			if _, got := s.location(resp); got.Get("error") != "invalid_request" {
				t.Errorf("two of %s: %v", name, got)
			}
		}
		q := asking(c)
		q["resource"], q["prompt"] = []string{"urn:a", "urn:b"}, []string{"", ""} // RFC 8707 §2; and nothing sent twice is nothing
		if got := s.redirected(q, cookie); got.Get("code") == "" {
			t.Errorf("answered %v", got)
		}
	})
}

// Until client and redirect URI are known to belong together, nothing is redirected (RFC 6749 §4.1.2.1).
func TestAuthorize_neverRedirectsToAnUnverifiedPlace(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, cookie := s.app(), s.signIn(s.user)
		two := s.app(func(c *identity.Client) { c.RedirectURIs = append(c.RedirectURIs, "com.example.app:/other") })
		for name, q := range map[string]url.Values{
			"no client":                asking(c, "client_id", ""),
			"unknown client":           asking(c, "client_id", "nobody"),
			"client id too long":       asking(c, "client_id", strings.Repeat("x", 65)),
			"another redirect URI":     asking(c, "redirect_uri", "https://evil.example/cb"),
			"almost the redirect URI":  asking(c, "redirect_uri", appBack+"/"),
			"a script":                 asking(c, "redirect_uri", "javascript:alert(1)"),
			"no redirect URI, openid":  asking(c, "redirect_uri", ""),
			"no redirect URI, two":     asking(two, "redirect_uri", "", "scope", "files"),
			"NUL":                      asking(c, "state", "\x00"),
			"not UTF-8":                asking(c, "state", "\xff"),
			"not UTF-8 in a client id": asking(c, "client_id", "\xff"),
			"prompt=none does not matter": asking(c, "redirect_uri", "https://evil.example/cb", "prompt",
				"none"),
		} {
			resp := s.authorize(q, cookie)
			if resp.StatusCode != 400 || resp.Header.Get("Location") != "" {
				t.Errorf("%s: answered %d, leading to %q", name, resp.StatusCode, resp.Header.Get("Location"))
			}
			if p := <-s.problems; p.BackURL != "" || p.Msg == "" || p.Title == "" {
				t.Errorf("%s: the page is %+v", name, p)
			}
		}
	})
}

func TestAuthorize_malformedQueriesArePages(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		for _, query := range []string{"%zz", "a;b", asking(c).Encode() + "&x=%", asking(c).Encode() + "&%ff=1", "next=x", ""} {
			r := httptest.NewRequest(http.MethodGet, "/oauth2/authorize", nil)
			r.URL.RawQuery = query
			if resp := s.send(r); resp.StatusCode != 400 {
				t.Errorf("%q: answered %d", query, resp.StatusCode)
			}
			<-s.problems
		}
	})
}

func TestAuthorize_otherMethodsArePages(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		for _, method := range []string{"PUT", "DELETE", "PATCH", "HEAD", "TRACE"} {
			resp := s.send(httptest.NewRequest(method, "/oauth2/authorize?"+asking(s.app()).Encode(), nil))
			if resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, POST" {
				t.Errorf("%s: answered %d, Allow %q", method, resp.StatusCode, resp.Header.Get("Allow"))
			}
			<-s.problems
		}
	})
}

// fosite takes any port on 127.0.0.1 only; apps in use register localhost (its issue 873).
func TestAuthorize_loopbackHasAnyPort(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		cookie := s.signIn(s.user)
		for registered, sent := range map[string]string{
			"http://localhost/cb":      "http://localhost:49152/cb",
			"http://127.0.0.1:1234/cb": "http://127.0.0.1:5/cb",
			"http://[::1]/cb?x=1":      "http://[::1]:8000/cb?x=1",
		} {
			c := s.app(func(c *identity.Client) { c.RedirectURIs = []string{registered} })
			location := s.authorize(asking(c, "redirect_uri", sent), cookie).Header.Get("Location")
			if !strings.HasPrefix(location, sent) || !strings.Contains(location, "code=") {
				t.Errorf("%s led to %q", sent, location)
			}
		}
		c := s.app(func(c *identity.Client) { c.RedirectURIs = []string{"https://127.0.0.1/x", "http://127.0.0.1/cb"} })
		for _, bad := range []string{"http://127.0.0.1:80/x", "http://user@127.0.0.1:1/cb", "http://localhost/cb"} {
			if resp := s.authorize(asking(c, "redirect_uri", bad), cookie); resp.StatusCode != 400 {
				t.Errorf("%s: answered %d", bad, resp.StatusCode)
			}
		}
	})
}

func TestAuthorize_keepsTheQueryOfARedirectURI(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		const uri = "https://web.example/cb?tenant=1&x=a+b%20c"
		c := s.app(func(c *identity.Client) { c.RedirectURIs = []string{uri} })
		location := s.authorize(asking(c), s.signIn(s.user)).Header.Get("Location")
		if !strings.HasPrefix(location, uri+"&code=") {
			t.Errorf("led to %q", location)
		}
		if _, got := s.location(s.authorize(asking(c, "scope", "nope"))); got.Get("error") == "" || got.Get("tenant") != "1" {
			t.Errorf("an error led to %v", got)
		}
	})
}

func TestAuthorize_confidentialClientsNeedPKCEWhereRegisteredSo(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		cookie := s.signIn(s.user)
		without := []string{"code_challenge", "", "code_challenge_method", ""}
		back := func(c *identity.Client) { c.RedirectURIs = []string{appBack} }
		free, bound := s.app(s.confidential, back), s.app(s.confidential, back, func(c *identity.Client) { c.RequirePKCE = true })
		if got := s.redirected(asking(free, without...), cookie); !got.Has("code") {
			t.Errorf("answered %v", got)
		}
		if got := s.redirected(asking(free, "code_challenge_method", "plain"), cookie); got.Get("error") != "invalid_request" {
			t.Errorf("plain: %v", got)
		}
		if got := s.redirected(asking(bound, without...), cookie); got.Get("error") != "invalid_request" {
			t.Errorf("answered %v", got)
		}
	})
}

func TestAuthorize_aClientWithoutTheGrantIsUnauthorized(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(func(c *identity.Client) { c.GrantTypes = []string{"client_credentials"} })
		if got := s.redirected(asking(c)); got.Get("error") != "unauthorized_client" {
			t.Errorf("answered %v", got)
		}
	})
}

// OpenID Connect Core 1.0 §3.1.2.1 wants POST; the cookie is SameSite=Lax and does not come with it.
func TestAuthorize_aPostIsAskedAgainAsAGet(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app()
		post := func(body string) *http.Response {
			r := httptest.NewRequest(http.MethodPost, "/oauth2/authorize", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			return s.send(r)
		}
		place, q := s.location(post(asking(c).Encode()))
		if place != "/oauth2/authorize" || len(q) != 1 || !q.Has("next") {
			t.Fatalf("led to %s with %v", place, q)
		}
		place, got := s.location(s.authorize(q, s.signIn(s.user)))
		if place != appBack || !got.Has("code") || got.Get("state") != "st" {
			t.Errorf("led to %s with %v", place, got)
		}
		for name, body := range map[string]string{"NUL": "state=%00", "repeated": "client_id=a&client_id=b", "broken": "%"} {
			if resp := post(body); resp.StatusCode != 400 {
				t.Errorf("%s: answered %d", name, resp.StatusCode)
			}
			<-s.problems
		}
	})
}

func TestAuthorize_leadsToTheMissingStepAndBack(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(untrusted)
		page, q := s.location(s.authorize(asking(c, "login_hint", "ada@example.com")))
		if page != "/signin" || len(q) != 1 {
			t.Fatalf("led to %s with %v", page, q)
		}
		asked, err := s.keys.ReadAsked(q.Get("next"))
		if err != nil || asked.Get("login_hint") != "ada@example.com" || !asked.At.Equal(s.now()) {
			t.Errorf("sealed is %v at %v: %v", asked.Params, asked.At, err)
		}
		s.pass(time.Minute)
		cookie := s.signIn(s.user)
		page, q2 := s.location(s.authorize(q, cookie))
		if page != "/consent" {
			t.Fatalf("led to %s", page)
		}
		again, err := s.keys.ReadAsked(q2.Get("next"))
		asked.Reached = again.Reached // it has come further
		if err != nil || !cmp.Equal(again, asked) {
			t.Errorf("the request changed on its way: %v, %v", again, asked)
		}
		s.allow(c, cookie, asked.Scopes()...)
		place, got := s.location(s.authorize(q2, cookie))
		if place != appBack || !got.Has("code") || got.Get("state") != "st" {
			t.Fatalf("led to %s with %v", place, got)
		}
		s.good(s.post(redeeming(c, got.Get("code"))))
	})
}

func TestAuthorize_unknownParametersAreNotCarriedAlong(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		_, q := s.location(s.authorize(asking(s.app(), "utm", strings.Repeat("x", 10_000))))
		if asked, err := s.keys.ReadAsked(q.Get("next")); err != nil || asked.Params.Has("utm") {
			t.Errorf("sealed is %v: %v", asked, err)
		}
	})
}

func TestAuthorize_aRequestThatIsTooLongIsRefused(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		if got := s.redirected(asking(s.app(), "login_hint", strings.Repeat("x", 7000))); got.Get("error") != "invalid_request" {
			t.Errorf("answered %v", got)
		}
	})
}

func TestAuthorize_offlineAccessNeedsTheRefreshGrant(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c := s.app(func(c *identity.Client) { c.GrantTypes = []string{"authorization_code"} })
		if got := s.begin(c); got.Scope != "openid" {
			t.Errorf("scope is %q", got.Scope)
		}
	})
}

func TestAuthorize_writesNothing(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		c, cookie := s.app(), s.signIn(s.user)
		before, err := s.db.Events(s.Context(), identity.EventQuery{UserID: s.user.ID, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		code := s.code(asking(c), cookie)
		p, err := s.keys.ReadCode(code)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.db.SessionByID(s.Context(), p.SessionID); identity.KindOf(err) != identity.NotFound {
			t.Errorf("the Session exists before its code was used: %v", err)
		}
		after, err := s.db.Events(s.Context(), identity.EventQuery{UserID: s.user.ID, Limit: 100})
		if err != nil || len(after) != len(before) {
			t.Errorf("%d Events became %d: %v", len(before), len(after), err)
		}
	})
}

func TestAuthorize_isNeverKept(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		resp := s.authorize(asking(s.app()), s.signIn(s.user))
		if resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("Cache-Control is %q", resp.Header.Get("Cache-Control"))
		}
	})
}

// DESIGN §9, The way back: of errors, by who registered the client and whether anyone has signed in.

// The way through the pages is counted of the app and its platform: here to consent, and on to the code.
func TestAuthorize_countsTheWayOfASignIn(t *testing.T) {
	t.Parallel()
	s := newStage(t, storage.SQLite)
	c := s.app(untrusted)
	cookie := s.signIn(s.addUser("grace@example.com"))
	counted := func(q url.Values) (url.Values, *identity.Trail) {
		ctx, trail := identity.WithTrail(t.Context())
		r := requesting(q).WithContext(ctx)
		r.Header.Set("User-Agent", "Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36")
		r.AddCookie(cookie)
		r.AddCookie(thisBrowser)
		_, to := s.location(s.send(r))
		return to, trail
	}
	measures := func(trail *identity.Trail) (all []string) {
		for _, tick := range trail.Ticks {
			step, _, _ := strings.Cut(tick.Label, "/")
			all = append(all, string(tick.Measure)+" "+step)
		}
		return all
	}
	page, trail := counted(asking(c))
	if got := strings.Join(measures(trail), ", "); got != "reached asked, passed asked, reached consent" {
		t.Error(got)
	}
	if trail.Subject.ClientID != c.ID || trail.Subject.Platform != "Android" {
		t.Errorf("it is counted of %+v", trail.Subject)
	}
	s.allow(c, cookie, "openid", "offline_access")
	answer, trail := counted(s.pressing(identity.ForAllowal, page, cookie))
	if got := strings.Join(measures(trail), ", "); got != "passed consent, reached code" || answer.Get("code") == "" {
		t.Error(got, answer)
	}
	if _, trail = counted(asking(c, "prompt", "none")); len(trail.Ticks) > 0 {
		t.Errorf("counted of a request without pages: %v", trail.Ticks)
	}
}
