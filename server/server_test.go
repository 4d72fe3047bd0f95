package server

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/mux"

	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// MCP inspectors that run in a browser try one well-known address after another, with a header of their own.
func TestServer_inspectorsInABrowserReadWhatIsNotThere(t *testing.T) {
	t.Parallel()
	s := assembled(t, storagetest.Open(t, storage.SQLite), nil)
	for path, status := range map[string]int{
		"/.well-known/oauth-authorization-server": 200, "/.well-known/openid-configuration": 200, "/.well-known/nowhere": 404,
		"/.well-known/oauth-authorization-server/mcp": 404, "/oauth2/register": 405,
	} {
		r := httptest.NewRequest(http.MethodOptions, path, nil)
		r.Header.Set("Origin", "http://localhost:6274")
		r.Header.Set("Access-Control-Request-Method", "GET")
		r.Header.Set("Access-Control-Request-Headers", "mcp-protocol-version")
		preflight := ask(s.Handler(), r)
		if preflight.StatusCode != 204 || !strings.Contains(preflight.Header.Get("Access-Control-Allow-Headers"), "mcp-protocol-version") {
			t.Errorf("%s: the preflight is answered %d %v", path, preflight.StatusCode, preflight.Header)
		}
		r = httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Origin", "http://localhost:6274")
		r.Header.Set("MCP-Protocol-Version", "2026-07-28")
		if got := ask(s.Handler(), r); got.StatusCode != status || got.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d %v", path, got.StatusCode, got.Header)
		}
	}
}

func TestServer_speaksToProgramsInJSONAndToPeopleInPages(t *testing.T) {
	t.Parallel()
	s := assembled(t, storagetest.Open(t, storage.SQLite), nil)
	s.Handle("/panics", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret") }))
	s.Handle("/oauth2/panics", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret") }))
	large := strings.Repeat("a", maxBody+1)
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		says               string // in a page; JSON otherwise
	}{
		"no page":               {"GET", "/nowhere", "", 404, "Nothing here"},
		"no endpoint":           {"GET", "/oauth2/nowhere", "", 404, ""},
		"no document":           {"GET", "/.well-known/nowhere", "", 404, ""},
		"no WebFinger":          {"GET", "/.well-known/webfinger?resource=acct:ada@a.example", "", 404, ""},
		"wrong method":          {"DELETE", "/signin", "", 405, "does not work here"},
		"large form":            {"POST", "/signin", large, 413, "too much"},
		"large request":         {"POST", "/oauth2/token", large, 413, ""},
		"fault of a page":       {"GET", "/panics", "", 500, "our fault"},
		"fault of the protocol": {"GET", "/oauth2/panics", "", 500, ""},
	} {
		got := ask(s.Handler(), httptest.NewRequest(c.method, c.path, strings.NewReader(c.body)))
		text, _ := io.ReadAll(got.Body)
		if got.StatusCode != c.status {
			t.Errorf("%s: %d, want %d", name, got.StatusCode, c.status)
		}
		if strings.Contains(string(text), "secret") || strings.Contains(string(text), ".go:") {
			t.Errorf("%s tells what happened inside: %s", name, text)
		}
		var said map[string]any
		isJSON := json.Unmarshal(text, &said) == nil && said["error"] != nil && said["error_description"] != nil
		if isJSON != (c.says == "") || !strings.Contains(string(text), c.says) {
			t.Errorf("%s: %s", name, text)
		}
		if c.says != "" && !strings.Contains(string(text), "href=") {
			t.Errorf("%s is a dead end: %s", name, text)
		}
		if c.status == 405 && got.Header.Get("Allow") != "GET, POST" {
			t.Errorf("%s: Allow: %q", name, got.Header.Get("Allow"))
		}
	}
}

func TestServer_refusesAFormOfAnotherSiteWithAPage(t *testing.T) {
	t.Parallel()
	s := assembled(t, storagetest.Open(t, storage.SQLite), nil)
	r := httptest.NewRequest(http.MethodPost, "/signout", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	got := ask(s.Handler(), r)
	if text, _ := io.ReadAll(got.Body); got.StatusCode != http.StatusForbidden || !strings.Contains(string(text), "Another site sent this form") {
		t.Error(got.Status, string(text))
	}
}

// forPrograms are the endpoints that take requests from anywhere: authorize and the end of a session must (OpenID Connect
// Core §3.1.2.1, RP-Initiated Logout 1.0 §2); the others look at no cookie.
var forPrograms = []string{
	"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/oauth2/jwks",
	"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/me", "/.well-known/oauth-protected-resource/oauth2/userinfo",
	"/oauth2/authorize", "/oauth2/par", "/oauth2/token", "/oauth2/revoke", "/oauth2/introspect", "/oauth2/endings", "/oauth2/userinfo",
	"/oauth2/logout", "/oauth2/signout", "/oauth2/check_session", "/oauth2/check_session.js",
	"/oauth2/register", "/oauth2/register/{id}",
	"/me", "/me/sessions/{id}", "/me/events", "/me/state", "/me/state/{key}",
}

// Whatever address is added: what a person can change is changed by our own forms alone, unless it is listed above.
func TestServer_takesNothingThatAnotherSiteSendsToAPage(t *testing.T) {
	t.Parallel()
	s := assembled(t, storagetest.Open(t, storage.SQLite), nil)
	var programs []string
	posts := 0
	err := s.router.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := route.GetPathTemplate()
		if slices.Contains(forPrograms, path) {
			programs = append(programs, path)
			return err
		}
		methods, _ := route.GetMethods()
		if slices.Contains(methods, http.MethodPost) {
			posts++
		}
		for _, method := range append(methods, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete) {
			for origin, want := range map[string]bool{
				"Sec-Fetch-Site: cross-site": true, "Sec-Fetch-Site: same-site": true, "Origin: https://evil.example": true,
				"Origin: null": true, "Origin: " + s.cfg.Issuer: false,
			} {
				if refused := refusedAsForeign(t, s, method+" "+path, origin); refused != (want && method != http.MethodGet) {
					t.Errorf("%s %s with %s: refused %v", method, path, origin, refused)
				}
			}
		}
		return err
	})
	if slices.Sort(programs); err != nil || !slices.Equal(programs, slices.Sorted(slices.Values(forPrograms))) {
		t.Errorf("want the list to name what there is, found %q, %v", programs, err)
	}
	if posts < 20 {
		t.Errorf("only %d pages take a form", posts)
	}
}

// refusedAsForeign reports whether a request with one header is refused for where it comes from.
func refusedAsForeign(t *testing.T, s *Server, request, header string) bool {
	t.Helper()
	method, path, _ := strings.Cut(request, " ")
	name, value, _ := strings.Cut(header, ": ")
	r := httptest.NewRequest(method, strings.NewReplacer("{", "", "}", "").Replace(path), nil)
	r.Header.Set(name, value)
	got := ask(s.Handler(), r)
	text, _ := io.ReadAll(got.Body)
	return got.StatusCode == http.StatusForbidden && strings.Contains(string(text), errForeignForm.title)
}

func TestServer_pagesShowTheOperatorsLogo(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t, storage.SQLite)
	file := filepath.Join(t.TempDir(), "logo.png")
	image := "\x89PNG\x0D\x0A\x1A\x0A and so on"
	if err := os.WriteFile(file, []byte(image), 0o600); err != nil {
		t.Fatal(err)
	}
	s := assembled(t, db, map[string]string{"operator_logo": file, "operator_name": "Acme"})
	page, _ := io.ReadAll(ask(s.Handler(), httptest.NewRequest(http.MethodGet, "/signin", nil)).Body)
	if !strings.Contains(string(page), `src="/operator/logo"`) || !strings.Contains(string(page), "Acme") {
		t.Error(string(page))
	}
	got := ask(s.Handler(), httptest.NewRequest(http.MethodGet, "/operator/logo", nil))
	if body, _ := io.ReadAll(got.Body); string(body) != image || got.Header.Get("Content-Type") != "image/png" {
		t.Error(got.Header, string(body))
	}

	elsewhere := assembled(t, db, map[string]string{"operator_logo": "https://cdn.example/logo.svg"})
	policy := ask(elsewhere.Handler(), httptest.NewRequest(http.MethodGet, "/signin", nil)).Header.Get("Content-Security-Policy")
	if !strings.HasSuffix(policy, "img-src 'self' data: https://cdn.example") {
		t.Error(policy)
	}

	if err := os.WriteFile(file, []byte("<script>"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readLogo(file); err == nil || !strings.Contains(err.Error(), "no image") {
		t.Error("a page passes for a logo:", err)
	}
}
