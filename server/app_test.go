package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	appScope  = "openid profile email offline_access"
)

// app is somebody's app: a client, and a listener on another site that the redirect leads to.
type app struct {
	w       *world
	client  identity.Client
	secret  string // empty: a public client
	base    string // where its own requests go
	home    string
	arrived chan url.Values
}

// app registers a public app, for which consent is asked; changes make it another one.
func (w *world) app(t *testing.T, changes ...func(*app)) *app {
	t.Helper()
	a := &app{w: w, base: w.issuer, arrived: make(chan url.Values, 16)}
	site := httptest.NewServer(a)
	t.Cleanup(site.Close)
	a.home = site.URL + "/"
	a.client = identity.Client{ID: "app-" + identity.RandomText(6), CreatedAt: w.now(), Metadata: identity.Metadata{
		Name: "Notes", RedirectURIs: []string{a.home + "callback"}, AuthMethod: "none", ApplicationType: "native",
		GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"}, Scope: appScope,
	}}
	for _, change := range changes {
		change(a)
	}
	if err := w.db.CreateClient(t.Context(), a.client); err != nil {
		t.Fatal(err)
	}
	return a
}

func vouched(a *app)    { a.client.TrustedNative = true } // nobody is taken to pose as it
func trusted(a *app)    { a.client.Trusted, a.client.TrustedNative = true, true }
func managing(a *app)   { a.client.Scope += " " + identity.ScopeDevices }
func needsMFA(a *app)   { a.client.RequireMFA = true }
func namesWork(a *app)  { a.client.Name = "Work" }
func withES256(a *app)  { a.client.IDTokenAlg = "ES256" }
func withEdDSA(a *app)  { a.client.IDTokenAlg = "EdDSA" }
func selfMade(a *app)   { a.client.SelfRegistered = true }
func serviceToo(a *app) { a.client.GrantTypes = append(a.client.GrantTypes, "client_credentials") }

// confidential makes it an app that keeps a secret.
func confidential(a *app) {
	a.secret = "s " + identity.RandomText(24)
	a.w.journal.hide(a.secret)
	a.client.AuthMethod, a.client.ApplicationType = "", "web"
	a.client.SecretHash = a.w.keys.HashSecret(a.secret)
}

// at is the app when its own requests go to another server.
func (a *app) at(base string) *app {
	other := *a
	other.base = base
	return &other
}

// ServeHTTP is the app's site: a page with a link that signs in, and the address that the redirect leads to.
func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	switch r.URL.Path {
	case "/":
		fmt.Fprint(w, `<!doctype html><title>Notes</title><a id="start" href="/start">Sign in</a>`)
	case "/start":
		http.Redirect(w, r, a.asking(), http.StatusSeeOther)
	case "/callback":
		if r.Method == http.MethodPost && r.ParseForm() == nil {
			r.PostForm.Set("origin", r.Header.Get("Origin"))
			a.arrived <- r.PostForm
		} else {
			a.arrived <- r.URL.Query()
		}
		fmt.Fprint(w, `<!doctype html><title>Notes</title><h1>Back in the app</h1>`)
	default:
		http.NotFound(w, r)
	}
}

// asking is the address of an ordinary authorization request, changed by pairs of name and value.
func (a *app) asking(pairs ...string) string {
	q := url.Values{
		"client_id": {a.client.ID}, "redirect_uri": a.client.RedirectURIs[:1], "response_type": {"code"},
		"scope": {appScope}, "state": {"st&te"}, "nonce": {"n-0S6"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return a.w.issuer + "/oauth2/authorize?" + q.Encode()
}

// arrival is what the redirect brought.
func (a *app) arrival(t *testing.T) url.Values {
	t.Helper()
	answer := a.came(t)
	a.judge(t, answer)
	return answer
}

// came is arrival without a judgement.
func (a *app) came(t *testing.T) url.Values {
	t.Helper()
	select {
	case answer := <-a.arrived:
		a.w.journal.hide(answer.Get("code"))
		return answer
	case <-time.After(patience):
		t.Fatal("nobody came back to the app")
		return nil
	}
}

// judge checks what holds for every answer (RFC 6749 §4.1.2, RFC 9207 §2).
func (a *app) judge(t *testing.T, answer url.Values) {
	t.Helper()
	a.w.journal.hide(answer.Get("code"))
	if answer.Get("state") != "st&te" || answer.Get("iss") != a.w.issuer || answer.Has("code") == answer.Has("error") {
		t.Errorf("the answer to the app is %v", answer)
	}
}

// tokens is an answer of the token endpoint.
type tokens struct {
	AccessToken      string `json:"access_token"`
	RefreshToken     string `json:"refresh_token"`
	IDToken          string `json:"id_token"`
	Scope            string `json:"scope"`
	SessionExpiresIn int64  `json:"session_expires_in"`
}

// form sends pairs of name and value to an endpoint, as the app.
func (a *app) form(t *testing.T, path string, pairs ...string) reply {
	t.Helper()
	form := a.credentials()
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return a.w.post(t, a.base+path, formType, form.Encode())
}

func (a *app) credentials() url.Values {
	form := url.Values{"client_id": {a.client.ID}}
	if a.secret != "" {
		form.Set("client_secret", a.secret)
	}
	return form
}

// userinfo asks who an access token is of.
func (a *app) userinfo(t *testing.T, access string) reply {
	t.Helper()
	return a.w.bearing(t, http.MethodGet, a.base+"/oauth2/userinfo", access)
}

// tokens reads a good answer.
func (a *app) tokens(t *testing.T, r reply) tokens {
	t.Helper()
	var got tokens
	if r.status != http.StatusOK || json.Unmarshal([]byte(r.body), &got) != nil || got.AccessToken == "" {
		t.Fatalf("no tokens: %d %s", r.status, r.body)
	}
	a.w.journal.hide(got.AccessToken, got.RefreshToken, got.IDToken)
	return got
}

// redeem brings the tokens of a code.
func (a *app) redeem(t *testing.T, answer url.Values) tokens {
	t.Helper()
	if answer.Get("code") == "" {
		t.Fatalf("no code: %v", answer)
	}
	return a.tokens(t, a.spend(t, answer.Get("code")))
}

// spend sends a code to the token endpoint.
func (a *app) spend(t *testing.T, code string) reply {
	t.Helper()
	return a.form(t, "/oauth2/token", "grant_type", "authorization_code", "code", code,
		"redirect_uri", a.client.RedirectURIs[0], "code_verifier", verifier)
}

func (a *app) refresh(t *testing.T, token string) reply {
	t.Helper()
	return a.form(t, "/oauth2/token", "grant_type", "refresh_token", "refresh_token", token)
}
