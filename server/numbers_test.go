package server_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/config"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/server"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

const numbersVerifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

// counted is a server whose statements are counted.
type counted struct {
	*testing.T
	db         *storage.DB
	base       string
	cookie     string
	notes      string // a refresh token for a resource
	mu         sync.Mutex
	statements []string
	clock      atomic.Int64 // microseconds; it stands still, so that no cache runs out while statements are counted
}

func newCounted(t *testing.T, kind string) *counted {
	t.Helper()
	c := &counted{T: t}
	c.clock.Store(time.Now().UnixMicro())
	db, err := storage.Open(t.Context(), storagetest.DSN(t, kind), storage.Options{
		Keys: storagetest.Keys(t), MaxConns: 8, Now: func() time.Time { return time.UnixMicro(c.clock.Load()).UTC() },
		Trace: func(s string) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.statements = append(c.statements, s)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	c.db = db
	base64Root := base64.StdEncoding.EncodeToString(storagetest.Root())
	cfg, err := config.Load(config.Options{Flags: map[string]string{"secret": base64Root, "claims": "groups=groups;profile;access_token+id_token"}, Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	cfg.PasswordCost = config.HashCost(storagetest.CheapHash)
	srv, err := server.New(t.Context(), cfg, db, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(srv.Handler())
	t.Cleanup(listener.Close)
	c.base = listener.URL
	c.populate()
	c.clock.Add(time.Minute.Microseconds())
	return c
}

// populate makes a person who is signed in, a phone app that needs no consent page, and a resource server.
func (c *counted) populate() {
	c.Helper()
	now, keys, passwords := c.db.Now(), storagetest.Keys(c), identity.NewPasswords(storagetest.CheapHash)
	for _, client := range []identity.Client{
		{ID: "notes", Trusted: true, TrustedNative: true, CreatedAt: now, FirstUsedAt: now, Metadata: identity.Metadata{
			AuthMethod: "none", RedirectURIs: []string{"com.example.notes:/cb"}, Scope: "openid offline_access profile",
			GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"},
		}},
		{ID: "site", Trusted: true, TrustedNative: true, CreatedAt: now, FirstUsedAt: now, Metadata: identity.Metadata{
			AuthMethod: "none", RedirectURIs: []string{"com.example.notes:/cb"}, Scope: "openid offline_access profile",
			GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"},
			ApplicationType: "web", IDTokenAlg: "ES256",
		}},
		{ID: "api", SecretHash: keys.HashSecret("an api's secret"), CreatedAt: now, FirstUsedAt: now, Metadata: identity.Metadata{
			GrantTypes: []string{"client_credentials"}, Scope: "notes.read",
		}},
	} {
		if err := c.db.CreateClient(c.Context(), client); err != nil {
			c.Fatal(err)
		}
	}
	users := identity.Users{Store: c.db, Passwords: passwords, Now: c.db.Now}
	if _, err := users.Add(c.Context(), identity.NewUser{Email: "ada@example.com", Password: "correct horse"}); err != nil {
		c.Fatal(err)
	}
	signIns := identity.SignIns{
		Store: c.db, Keys: keys, Passwords: passwords, Now: c.db.Now,
		Lives: identity.Lifetimes{Idle: time.Hour, Absolute: 24 * time.Hour},
	}
	var err error
	if c.cookie, err = signIns.Begin(c.Context(), identity.Attempt{Email: "ada@example.com", Password: "correct horse"}); err != nil {
		c.Fatal(err)
	}
}

// costs runs f and returns how many statements it took, and how many of them wrote.
func (c *counted) costs(f func()) (all, writes int) {
	c.mu.Lock()
	c.statements = nil
	c.mu.Unlock()
	f()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.statements {
		if !strings.HasPrefix(strings.TrimSpace(s), "SELECT") {
			writes++
		}
	}
	return len(c.statements), writes
}

// want judges what f costs once the caches are warm.
func (c *counted) want(what string, all, writes int, f func()) {
	c.Helper()
	f()
	gotAll, gotWrites := c.costs(f)
	if gotAll > all || gotWrites != writes {
		c.Errorf("%s: %d statements with %d writes, want at most %d with %d:\n%s",
			what, gotAll, gotWrites, all, writes, strings.Join(c.statements, "\n"))
	}
}

func (c *counted) send(method, path string, form url.Values) (*http.Response, map[string]any) {
	c.Helper()
	req, err := http.NewRequestWithContext(c.Context(), method, c.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		c.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.AddCookie(&http.Cookie{Name: identity.CookieName(false), Value: c.cookie})
	if form.Has("bearer") {
		req.Header.Set("Authorization", "Bearer "+form.Get("bearer"))
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		c.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.Fatal(err)
	}
	var answer map[string]any
	_ = json.Unmarshal(body, &answer) // a redirect has none
	return resp, answer
}

func (c *counted) authorize() (code string) { return c.authorizeFor("notes") }

func (c *counted) authorizeFor(client string, resources ...string) (code string) {
	c.Helper()
	sum := sha256.Sum256([]byte(numbersVerifier))
	resp, _ := c.send(http.MethodGet, "/oauth2/authorize?"+url.Values{
		"client_id": {client}, "response_type": {"code"}, "scope": {"openid offline_access profile"},
		"redirect_uri": {"com.example.notes:/cb"}, "code_challenge_method": {"S256"}, "resource": resources,
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])},
	}.Encode(), nil)
	to, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || to.Query().Get("code") == "" {
		c.Fatalf("no code at %q (%v)", resp.Header.Get("Location"), err)
	}
	return to.Query().Get("code")
}

func (c *counted) tokens(form url.Values) map[string]any {
	c.Helper()
	resp, answer := c.send(http.MethodPost, "/oauth2/token", form)
	if resp.StatusCode != http.StatusOK {
		c.Fatalf("%s: %v", resp.Status, answer)
	}
	return answer
}

func (c *counted) exchange(code string) map[string]any { return c.exchangeFor("notes", code) }

func (c *counted) exchangeFor(client, code string) map[string]any {
	c.Helper()
	return c.tokens(url.Values{
		"grant_type": {"authorization_code"}, "client_id": {client}, "code": {code},
		"redirect_uri": {"com.example.notes:/cb"}, "code_verifier": {numbersVerifier},
	})
}

// An ID token that says who signed in costs no statement of its own, at the exchange and at every refresh.
func TestNumbers_anIDTokenWithNameAndAddressCostsNoStatement(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			c := newCounted(t, kind)
			codes := []string{c.authorizeFor("site"), c.authorizeFor("site")}
			var got map[string]any
			c.want("code exchange", 1, 1, func() { got = c.exchangeFor("site", codes[0]); codes = codes[1:] })
			c.want("refresh", 1, 1, func() {
				got = c.tokens(url.Values{"grant_type": {"refresh_token"}, "client_id": {"site"}, "refresh_token": {got["refresh_token"].(string)}})
			})
			parts := strings.Split(got["id_token"].(string), ".")
			if said, err := base64.RawURLEncoding.DecodeString(parts[1]); err != nil || !strings.Contains(string(said), `"updated_at"`) {
				t.Errorf("the refreshed ID token says %s (%v)", said, err)
			}
		})
	}
}

// TestNumbers_whatEachAnswerCostsTheDatabase holds the README's table of statements, on both databases.
func TestNumbers_whatEachAnswerCostsTheDatabase(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			c := newCounted(t, kind)
			first := c.exchange(c.authorize())
			refresh, access := first["refresh_token"].(string), first["access_token"].(string)
			secret := url.Values{"client_id": {"api"}, "client_secret": {"an api's secret"}}

			c.want("authorize", 1, 0, func() { c.authorize() })
			var codes []string
			for range 2 {
				codes = append(codes, c.authorize())
			}
			c.want("code exchange", 1, 1, func() { c.exchange(codes[0]); codes = codes[1:] })
			c.want("refresh", 1, 1, func() {
				refresh = c.tokens(url.Values{
					"grant_type": {"refresh_token"}, "client_id": {"notes"}, "refresh_token": {refresh},
				})["refresh_token"].(string)
			})
			c.want("refresh that says again what it runs on", 1, 1, func() {
				refresh = c.tokens(url.Values{
					"grant_type": {"refresh_token"}, "client_id": {"notes"}, "refresh_token": {refresh}, "device_name": {"Ada’s phone"},
					"device_model": {"Pixel 9"}, "app_version": {"4.2.0"}, "install_id": {"i-1"},
				})["refresh_token"].(string)
			})
			c.want("refresh with a narrower scope", 2, 1, func() {
				refresh = c.tokens(url.Values{
					"grant_type": {"refresh_token"}, "client_id": {"notes"}, "refresh_token": {refresh}, "scope": {"openid"},
				})["refresh_token"].(string)
			})
			c.want("refresh for a resource, named and not", 2, 2, func() { c.refreshForNotes() })
			c.want("client_credentials", 0, 0, func() {
				c.tokens(url.Values{"grant_type": {"client_credentials"}, "client_id": secret["client_id"], "client_secret": secret["client_secret"]})
			})
			c.want("introspection", 1, 0, func() {
				_, answer := c.send(http.MethodPost, "/oauth2/introspect", url.Values{
					"token": {access}, "client_id": secret["client_id"], "client_secret": secret["client_secret"],
				})
				if answer["active"] != true {
					t.Errorf("introspection says %v", answer)
				}
			})
			c.want("userinfo", 1, 0, func() {
				if _, answer := c.send(http.MethodPost, "/oauth2/userinfo", url.Values{"bearer": {access}}); answer["sub"] == nil {
					t.Errorf("userinfo says %v", answer)
				}
			})
			for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/oauth2/jwks"} {
				c.want(path, 0, 0, func() { c.send(http.MethodGet, path, nil) })
			}
		})
	}
}

// refreshForNotes refreshes a Session for a resource twice: with its name, and without.
func (c *counted) refreshForNotes() {
	c.Helper()
	if c.notes == "" {
		c.notes = c.signInForNotes()
	}
	for _, resource := range []string{"https://api.example.com/mcp/", ""} {
		form := url.Values{"grant_type": {"refresh_token"}, "client_id": {"notes"}, "refresh_token": {c.notes}}
		if resource != "" {
			form.Set("resource", resource)
		}
		c.notes = c.tokens(form)["refresh_token"].(string)
	}
}

// signInForNotes describes a resource and starts a Session for it.
func (c *counted) signInForNotes() (refresh string) {
	c.Helper()
	operators := identity.Operators{Store: c.db, Now: c.db.Now}
	_, err := operators.AddResource(c.Context(), identity.Resource{
		URI: "https://api.example.com/mcp", ResourceSettings: identity.ResourceSettings{Name: "Your notes", Open: true},
	})
	if err != nil {
		c.Fatal(err)
	}
	c.clock.Add(time.Minute.Microseconds()) // caches hold nothing that was just written
	code := c.authorizeFor("notes", "https://api.example.com/mcp")
	return c.exchange(code)["refresh_token"].(string)
}
