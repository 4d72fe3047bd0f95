package server

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

// request is one that was well-formed before it was spoilt.
type request struct {
	method, path string
	query, form  url.Values
	json         string // instead of a form
	bearer       string

	contentType string
	rawQuery    string // instead of query
	body        string // instead of form and json
	chunked     bool
}

// endpoint is a place with a request that it takes, and what it answers to spoilt ones: "status error" by mistake; where
// nothing is said, any refusal will do, and where the mistake does not concern it, what it answers to a good one.
type endpoint struct {
	request
	good int
	want map[string]string
}

// mistakes are what senders get wrong. The key of the field or parameter that is spoilt is first in the alphabet.
var mistakes = map[string]func(*request){
	"nothing wrong":             func(*request) {},
	"unknown parameter":         func(r *request) { r.params().Set("utm_source", "x") },
	"wrong method":              func(r *request) { r.method = http.MethodPatch },
	"wrong type":                func(r *request) { r.contentType = "text/plain" },
	"oversized":                 (*request).swell,
	"oversized, length unknown": func(r *request) { r.swell(); r.chunked = true },
	"repeated parameter":        func(r *request) { k := r.first(); r.params().Add(k, r.params().Get(k)) },
	"malformed UTF-8":           func(r *request) { r.params().Set(r.first(), "\xff\xfe\xc3"); r.json = spoil(r.json, "\xff\xfe\xc3") },
	"NUL byte": func(r *request) {
		k := r.first()
		r.params().Set(k, r.params().Get(k)+"\x00")
		r.json = spoil(r.json, `\u0000`)
	},
	"broken escape":  func(r *request) { r.rawQuery, r.body = r.query.Encode()+"&a=%zz", r.form.Encode()+"&a=%zz" },
	"no body":        func(r *request) { r.form, r.json = nil, "" },
	"garbage":        func(r *request) { r.body, r.rawQuery = "\x00\x01{]]%&&==;\xff", "%25%00;&&=" },
	"garbage tokens": (*request).garble,
	"forged tokens":  (*request).forge,
}

func (r *request) swell() {
	if r.json != "" {
		r.json = strings.Repeat(" ", 70<<10) + r.json
		return
	}
	r.params().Set("zz", strings.Repeat("x", 70<<10))
}

func spoil(json, with string) string { return strings.Replace(json, `:"`, `:"`+with, 1) }

// params are the parameters where they are: in the form, or in the query.
func (r *request) params() url.Values {
	if r.form != nil {
		return r.form
	}
	if r.query == nil {
		r.query = url.Values{}
	}
	return r.query
}

func (r *request) first() string {
	keys := slices.Sorted(maps.Keys(r.params()))
	if len(keys) == 0 {
		return "a"
	}
	return keys[0]
}

// tokenNames are the parameters that hold what machines made.
var tokenNames = []string{"code", "refresh_token", "token", "next", "enrolment", "binding", "totp", "recovery_code"}

func (r *request) garble() {
	r.change(func(string) string { return "sj_rt_\u00e4!garbage." + strings.Repeat("A", 300) })
}

// forge changes one character in the middle.
func (r *request) forge() {
	r.change(func(token string) string {
		if len(token) < 20 {
			return token + "x"
		}
		at, other := len(token)/2, "A"
		if token[at] == 'A' {
			other = "B"
		}
		return token[:at] + other + token[at+1:]
	})
}

func (r *request) change(how func(string) string) {
	for _, name := range tokenNames {
		if r.params().Has(name) {
			r.params().Set(name, how(r.params().Get(name)))
		}
	}
	if r.bearer != "" {
		r.bearer = strings.Map(func(c rune) rune { return min(c, '~') }, how(r.bearer))
	}
}

// send sends it, and returns the answer without following it.
func (r request) send(t *testing.T, v *visitor, base string) reply {
	t.Helper()
	query := r.rawQuery
	if query == "" {
		query = r.query.Encode()
	}
	body := r.body
	if body == "" {
		body = r.form.Encode() + r.json
	}
	var from io.Reader = strings.NewReader(body)
	if r.chunked {
		from = io.MultiReader(from)
	}
	target := base + r.path
	if query != "" {
		target += "?" + query
	}
	req, err := http.NewRequestWithContext(t.Context(), r.method, target, from)
	if err != nil {
		t.Fatal(err)
	}
	if r.form != nil || r.json != "" || r.contentType != "" {
		req.Header.Set("Content-Type", r.mediaType())
	}
	if r.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+r.bearer)
	}
	still := *v.http
	still.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return sendWith(t, &still, req)
}

func (r request) mediaType() string {
	switch {
	case r.contentType != "":
		return r.contentType
	case r.json != "":
		return "application/json"
	}
	return formType
}

func (r request) clone() *request {
	r.form, r.query = cloned(r.form), cloned(r.query)
	return &r
}

func cloned(v url.Values) url.Values {
	if v == nil {
		return nil
	}
	c := url.Values{}
	for name, values := range v {
		c[name] = slices.Clone(values)
	}
	return c
}

// formWant is what an endpoint answers that takes a form from an app (RFC 6749 §3.2, §5.2).
func formWant(also map[string]string) map[string]string {
	want := map[string]string{
		"wrong method": "405 invalid_request", "wrong type": "400 invalid_request", "oversized": "413 invalid_request",
		"oversized, length unknown": "413 invalid_request", "repeated parameter": "400 invalid_request",
		"malformed UTF-8": "400 invalid_request", "NUL byte": "400 invalid_request", "broken escape": "400 invalid_request",
		"no body": "400 invalid_request", "garbage": "400 invalid_request",
	}
	maps.Copy(want, also)
	return want
}

// TestBadInput_getsTheRightErrorAndTellsNoSecret sends every endpoint every mistake.
func TestBadInput_getsTheRightErrorAndTellsNoSecret(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		for name, e := range w.endpoints(t) {
			t.Run(name, func(t *testing.T) {
				for _, mistake := range slices.Sorted(maps.Keys(mistakes)) {
					e.check(t, w, mistake)
				}
			})
		}
		t.Run("pages", func(t *testing.T) { w.checkPages(t) })
	})
}

func (e endpoint) check(t *testing.T, w *world, mistake string) {
	t.Helper()
	r := e.clone()
	mistakes[mistake](r)
	got := r.send(t, newVisitor(t), w.issuer)
	w.tellsNothing(t, mistake, got)
	want, said := e.want[mistake]
	harmless := mistake == "nothing wrong" || mistake == "unknown parameter"
	switch {
	case said && fmt.Sprint(got.status, " ", got.Error) != want:
		t.Errorf("%s: %d %s, want %s", mistake, got.status, got.body, want)
	case !said && harmless && got.status != e.good:
		t.Errorf("%s: %d %s, want %d", mistake, got.status, got.body, e.good)
	case got.status == http.StatusMethodNotAllowed && got.header.Get("Allow") == "":
		t.Errorf("%s: no Allow", mistake)
	}
}

// tellsNothing checks what holds for every answer to bad input.
func (w *world) tellsNothing(t *testing.T, mistake string, got reply) {
	t.Helper()
	if got.status >= 500 {
		t.Errorf("%s: %d %s", mistake, got.status, got.body)
	}
	if got.status < 400 {
		return
	}
	// net/http itself refuses an address that is too long, before anyone of us sees it.
	if got.status != http.StatusRequestHeaderFieldsTooLarge && (got.header.Get("X-Request-Id") == "" || got.header.Get("Cache-Control") != "no-store") {
		t.Errorf("%s: the answer has the headers %v", mistake, got.header)
	}
	w.journal.mu.Lock()
	defer w.journal.mu.Unlock()
	for secret := range w.journal.secrets {
		if strings.Contains(got.body, secret) && !strings.Contains(secret, "@") { // a form shows the address that was typed
			t.Errorf("%s: the answer tells the secret %q", mistake, secret)
		}
	}
}

// endpoints are all that programs speak to.
func (w *world) endpoints(t *testing.T) map[string]endpoint {
	t.Helper()
	p, a, v := w.person(t), w.app(t, confidential, trusted, serviceToo), newVisitor(t)
	got := a.redeem(t, v.signIn(t, a, p))
	all := map[string]endpoint{
		"discovery":   {request{method: "GET", path: "/.well-known/openid-configuration"}, 200, map[string]string{"wrong method": "405 "}},
		"resource":    {request{method: "GET", path: "/.well-known/oauth-protected-resource/me"}, 200, map[string]string{"wrong method": "405 "}},
		"metadata":    {request{method: "GET", path: "/.well-known/oauth-authorization-server"}, 200, map[string]string{"wrong method": "405 "}},
		"jwks":        {request{method: "GET", path: "/oauth2/jwks"}, 200, map[string]string{"wrong method": "405 "}},
		"nothing":     {request{method: "POST", path: "/oauth2/nothing", form: a.with("token", got.RefreshToken)}, 404, nil},
		"logo":        {request{method: "GET", path: "/logo/%00%ff"}, 404, nil},
		"static":      {request{method: "GET", path: "/static/%00%ff.css"}, 404, nil},
		"odd address": {request{method: "GET", path: "/%ff%00;"}, 404, nil},
	}
	maps.Copy(all, a.tokenEndpoints(t, v, p))
	maps.Copy(all, a.bearerEndpoints(got))
	maps.Copy(all, w.signInEndpoints(t, a, got))
	return all
}

// tokenEndpoints take a client and a token in a form.
func (a *app) tokenEndpoints(t *testing.T, v *visitor, p *person) map[string]endpoint {
	t.Helper()
	got := a.redeem(t, v.signIn(t, a, p))
	return map[string]endpoint{
		"token, refresh": {
			posting("/oauth2/token", a.with("grant_type", "refresh_token", "refresh_token", got.RefreshToken)), 200,
			formWant(map[string]string{"garbage tokens": "400 invalid_grant", "forged tokens": "400 invalid_grant"}),
		},
		"token, code": {
			posting("/oauth2/token", a.with("grant_type", "authorization_code", "code", v.signIn(t, a, p).Get("code"),
				"redirect_uri", a.client.RedirectURIs[0], "code_verifier", verifier)), 200,
			formWant(map[string]string{"garbage tokens": "400 invalid_grant", "forged tokens": "400 invalid_grant"}),
		},
		"token, service": {posting("/oauth2/token", a.with("grant_type", "client_credentials")), 200, formWant(nil)},
		"token, a grant of another world": {
			posting("/oauth2/token", a.with("grant_type", "password", "password", p.password)), 400,
			formWant(map[string]string{"nothing wrong": "400 unsupported_grant_type"}),
		},
		"token, no client": {
			posting("/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {"nobody"}, "client_secret": {a.secret}}), 401,
			formWant(map[string]string{"nothing wrong": "401 invalid_client"}),
		},
		"introspect": {
			posting("/oauth2/introspect", a.with("token", got.AccessToken)), 200,
			formWant(map[string]string{"garbage tokens": "200 ", "forged tokens": "200 "}),
		},
		"revoke": {
			posting("/oauth2/revoke", a.with("token", a.redeem(t, v.signIn(t, a, p)).RefreshToken)), 200,
			formWant(map[string]string{"garbage tokens": "200 ", "forged tokens": "200 "}),
		},
		"sign out": {
			posting("/oauth2/signout", a.with("refresh_token", a.redeem(t, v.signIn(t, a, p)).RefreshToken)), 200,
			formWant(map[string]string{"garbage tokens": "200 ", "forged tokens": "200 "}),
		},
	}
}

// bearerEndpoints take a token in a header, or metadata in JSON.
func (a *app) bearerEndpoints(got tokens) map[string]endpoint {
	metadata := fmt.Sprintf(`{"client_name":"Third","redirect_uris":[%q]}`, "https://third.example/cb")
	return map[string]endpoint{
		"userinfo": {
			request{method: "GET", path: "/oauth2/userinfo", bearer: got.AccessToken},
			200,
			map[string]string{"wrong method": "405 invalid_request", "garbage tokens": "401 invalid_token", "forged tokens": "401 invalid_token"},
		},
		"userinfo, by form": {
			posting("/oauth2/userinfo", url.Values{"access_token": {got.AccessToken}}), 200,
			formWant(map[string]string{"wrong type": "401 invalid_token", "no body": "401 invalid_token"}),
		},
		"register": {request{method: "POST", path: "/oauth2/register", json: metadata}, 201, map[string]string{
			"wrong method": "405 invalid_request", "wrong type": "400 invalid_request", "no body": "400 invalid_request",
			"garbage": "400 invalid_client_metadata", "NUL byte": "400 invalid_client_metadata",
			"malformed UTF-8": "400 invalid_client_metadata", "oversized": "413 invalid_request",
			"oversized, length unknown": "413 invalid_request",
		}},
		"manage": {request{method: "GET", path: "/oauth2/register/" + a.client.ID, bearer: "sj_xx_not-a-token"}, 401, map[string]string{
			"nothing wrong": "401 invalid_token", "wrong method": "405 invalid_request", "garbage tokens": "401 invalid_token",
		}},
		"manage, odd id": {request{method: "GET", path: "/oauth2/register/%00%ff", bearer: "sj_xx_not-a-token"}, 401, nil},
	}
}

// signInEndpoints are where browsers are sent.
func (w *world) signInEndpoints(t *testing.T, a *app, got tokens) map[string]endpoint {
	t.Helper()
	return map[string]endpoint{
		"logout": {
			request{method: "GET", path: "/oauth2/logout", query: url.Values{"id_token_hint": {got.IDToken}, "state": {"s"}}},
			303,
			map[string]string{"wrong method": "405 "},
		},
		"logout by post": {
			posting("/oauth2/logout", url.Values{"id_token_hint": {got.IDToken}, "state": {"s"}}), 303,
			map[string]string{"wrong type": "400 ", "oversized": "413 invalid_request", "malformed UTF-8": "400 ", "NUL byte": "400 "},
		},
		"authorize": {
			request{method: "GET", path: "/oauth2/authorize", query: parsed(t, a.asking()).Query()},
			303,
			map[string]string{"wrong method": "405 "},
		},
		"authorize by post": {
			posting("/oauth2/authorize", parsed(t, a.asking()).Query()), 303,
			map[string]string{"wrong type": "400 ", "oversized": "413 invalid_request", "malformed UTF-8": "400 ", "NUL byte": "400 "},
		},
		"authorize, sealed": {
			request{method: "GET", path: "/oauth2/authorize", query: url.Values{"next": {w.next(t, a)}}},
			303,
			map[string]string{"garbage tokens": "400 ", "forged tokens": "400 "},
		},
	}
}

func posting(path string, form url.Values) request {
	return request{method: "POST", path: path, form: form}
}

// with is a form that the app authenticates itself by.
func (a *app) with(pairs ...string) url.Values {
	form := a.credentials()
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

// next is the sealed request of an app.
func (w *world) next(t *testing.T, a *app) string {
	t.Helper()
	text, err := w.keys.AskedText(identity.Asked{Params: parsed(t, a.asking()).Query(), At: w.now()})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// checkPages sends every page's form every mistake. Mostly the page comes again and says what is wrong.
func (w *world) checkPages(t *testing.T) {
	t.Helper()
	p, a := w.enrolled(t), w.app(t)
	for path, form := range map[string]url.Values{
		"/signin":          {"username": {p.email}, "password": {p.password}},
		"/signup":          {"username": {p.email}, "password": {p.password}, "name": {"Ada"}},
		"/signin/totp":     {"totp": {p.wrongCode(t)}},
		"/signin/recovery": {"recovery_code": {"4k7m-9xqd-2f"}},
		"/account/totp":    {"totp": {"123456"}, "enrolment": {"sealed"}},
		"/consent":         {"consent": {"allow"}, "binding": {"sealed"}},
		"/signout":         {},
	} {
		v := newVisitor(t)
		v.step(t, v.open(t, a.asking()), p)
		form.Set("next", w.next(t, a))
		for mistake, make := range mistakes {
			r := &request{method: http.MethodPost, path: path, form: cloned(form)}
			make(r)
			got := r.send(t, v, w.issuer)
			w.tellsNothing(t, path+", "+mistake, got)
			if want := map[string]int{"wrong method": 405, "oversized": 413}[mistake]; want != 0 && got.status != want {
				t.Errorf("%s, %s: %d", path, mistake, got.status)
			}
			if got.status >= 400 && !strings.Contains(got.body, "</html>") {
				t.Errorf("%s, %s: no page but %s", path, mistake, got.body)
			}
			get := request{method: http.MethodGet, path: path, rawQuery: "next=" + url.QueryEscape(r.form.Get("next")) + "&%zz&a=%00"}
			w.tellsNothing(t, "GET "+path+", "+mistake, get.send(t, v, w.issuer))
			w.pass(2 * 60 * 60e9) // misses are not what this is about
		}
	}
}
