package server

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/sojourn-auth/sojourn/identity"
)

// TestPrograms_signPeopleInAtTheirDefaults plays what each program of docs/clients.md sends, with a client as sojourn client add
// makes it, and reads the person where the program does.
func TestPrograms_signPeopleInAtTheirDefaults(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		provider, err := oidc.NewProvider(t.Context(), w.issuer)
		if err != nil {
			t.Fatal(err)
		}
		p, v := w.person(t), newVisitor(t)
		for name, shape := range programs {
			t.Run(name, func(t *testing.T) {
				run := w.install(t, shape)
				run.provider = provider
				got := run.signIn(t, v, p)
				run.meet(t, got, p)
				run.renew(t, got)
			})
		}
	})
}

// TestPrograms_areThoseOfTheDocs keeps docs/clients.md and what is played from going apart.
func TestPrograms_areThoseOfTheDocs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "docs", "clients.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "## Programs\n")
	table, _, _ = strings.Cut(table, "\n## ")
	told := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]+?) \| .* \|$`).FindAllStringSubmatch(table, -1)[1:] {
		if told[row[1]] = true; programs[row[1]].back == "" {
			t.Errorf("docs/clients.md has a row for %s, which nothing plays", row[1])
		}
	}
	for name := range programs {
		if !told[name] {
			t.Errorf("docs/clients.md has no row for %s", name)
		}
	}
}

// installed is a program at its operator's, with the client that was added for it.
type installed struct {
	program
	w        *world
	client   identity.Client
	secret   string
	provider *oidc.Provider
}

// install adds a client with nothing but its redirect URI and how it proves itself.
func (w *world) install(t *testing.T, shape program) installed {
	t.Helper()
	run := installed{program: shape, w: w}
	c := identity.Client{ID: "app-" + identity.RandomText(6), Metadata: identity.Metadata{RedirectURIs: []string{shape.back}}}
	if shape.auth == "none" {
		c.AuthMethod = "none"
	} else {
		run.secret = identity.RandomText(32)
		w.journal.hide(run.secret)
		c.SecretHash = w.keys.HashSecret(run.secret)
	}
	var err error
	if run.client, err = (identity.Operators{Store: w.db, Now: w.now}).AddClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return run
}

// signIn sends the person with what the program sends, and redeems what comes back.
func (run installed) signIn(t *testing.T, v *visitor, p *person) map[string]any {
	t.Helper()
	q := url.Values{
		"client_id": {run.client.ID}, "redirect_uri": {run.back}, "response_type": {"code"}, "scope": {run.scope}, "state": {"c3Q=&te"},
	}
	if run.scope == everyScope {
		q.Set("scope", strings.Join(run.published(t, "scopes_supported"), " "))
	}
	if run.nonce {
		q.Set("nonce", "n-0S6")
	}
	redeems := run.redeems
	if run.s256 {
		q.Set("code_challenge", challenge)
		q.Set("code_challenge_method", "S256")
		redeems = append(slices.Clone(redeems), "code_verifier", verifier)
	}
	for i := 0; i < len(run.ask); i += 2 {
		q.Set(run.ask[i], run.ask[i+1])
	}
	back := parsed(t, v.leaveFor(t, run.provider.Endpoint().AuthURL+"?"+q.Encode(), run.back, p)).Query()
	run.w.journal.hide(back.Get("code"))
	if back.Get("code") == "" || back.Get("state") != "c3Q=&te" {
		t.Fatalf("the program heard %v", back)
	}
	return run.token(t, append([]string{"grant_type", "authorization_code", "code", back.Get("code"), "redirect_uri", run.back}, redeems...)...)
}

func (run installed) published(t *testing.T, member string) (list []string) {
	t.Helper()
	var said map[string]json.RawMessage
	if err := run.provider.Claims(&said); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(said[member], &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// token sends a form as the program proves itself.
func (run installed) token(t *testing.T, pairs ...string) map[string]any {
	t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	if run.auth != "basic" && run.auth != "tries" {
		form.Set("client_id", run.client.ID)
	}
	if run.auth == "post" {
		form.Set("client_secret", run.secret)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, run.provider.Endpoint().TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", formType)
	if run.auth != "post" && run.auth != "none" {
		r.SetBasicAuth(url.QueryEscape(run.client.ID), url.QueryEscape(run.secret))
	}
	return run.read(t, send(t, r))
}

func (run installed) read(t *testing.T, answer reply) (said map[string]any) {
	t.Helper()
	if answer.status != http.StatusOK || json.Unmarshal([]byte(answer.body), &said) != nil {
		t.Fatalf("%d %s", answer.status, answer.body)
	}
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		run.w.journal.hide(textOf(said, name))
	}
	return said
}

func textOf(said map[string]any, name string) string {
	text, _ := said[name].(string)
	return text
}

// meet verifies the ID token as the program does, and finds the person where the program looks.
func (run installed) meet(t *testing.T, got map[string]any, p *person) {
	t.Helper()
	about := run.verify(t, got)
	if about["nonce"] != nil != run.nonce {
		t.Errorf("the ID token says nonce %v", about["nonce"])
	}
	if method, isUserinfo := strings.CutSuffix(run.reads, "userinfo"); isUserinfo {
		asked := map[string]string{"": http.MethodGet, "POST ": http.MethodPost}[method]
		about = run.read(t, run.w.bearing(t, asked, run.provider.UserInfoEndpoint(), textOf(got, "access_token")))
	}
	want := map[string]any{"sub": p.user.Sub, "email": p.email, "email_verified": true, "name": p.user.Name}
	for _, claim := range run.needs {
		if about[claim] != want[claim] {
			t.Errorf("%s says of %s %v, want %v", run.reads, claim, about[claim], want[claim])
		}
	}
}

func (run installed) verify(t *testing.T, got map[string]any) (claims map[string]any) {
	t.Helper()
	settings := oidc.Config{ClientID: run.client.ID}
	if run.takes != "" {
		settings.SupportedSigningAlgs = []string{run.takes}
	}
	id, err := run.provider.Verifier(&settings).Verify(t.Context(), textOf(got, "id_token"))
	if err != nil {
		t.Fatal(err)
	}
	if err := id.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// renew refreshes twice, as programs do that keep a person for longer than an access token lives.
func (run installed) renew(t *testing.T, got map[string]any) {
	t.Helper()
	for range 2 {
		if run.renews == "" {
			return
		}
		next := run.token(t, "grant_type", "refresh_token", "refresh_token", textOf(got, "refresh_token"))
		if textOf(next, "refresh_token") == "" || textOf(next, "access_token") == textOf(got, "access_token") {
			t.Errorf("a refresh brought %v", next)
		}
		if run.renews == "id_token" {
			run.verify(t, next)
		}
		got = next
	}
}
