package oauth_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

const resourcesAt = "/.well-known/oauth-protected-resource"

// aboutResource reads the document that a challenge leads to.
func (s *stage) aboutResource(challenge string) (doc map[string]any) {
	s.Helper()
	_, at, _ := strings.Cut(challenge, `resource_metadata="`)
	at, _, _ = strings.Cut(at, `"`)
	got := s.send(httptest.NewRequest(http.MethodGet, strings.TrimPrefix(at, issuer), nil))
	if err := json.NewDecoder(got.Body).Decode(&doc); err != nil || got.StatusCode != http.StatusOK || !strings.HasPrefix(at, issuer) {
		s.Fatalf("%s leads to %q: %d, %v", challenge, at, got.StatusCode, err)
	}
	return doc
}

// RFC 9728 §3.3, §5.1: from a bare 401 on a client finds the document, which names what it asked, and whom to ask for a token.
func TestProtectedResource_isFoundFromTheRefusal(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		for path, named := range map[string]string{
			"/me": "/me", "/me/state": "/me", "/me/events": "/me", "/oauth2/userinfo": "/oauth2/userinfo",
		} {
			none := s.ask(httptest.NewRequest(http.MethodGet, path, nil)).refused(http.StatusUnauthorized, "invalid_token")
			wrong := s.as("x", http.MethodGet, path).refused(http.StatusUnauthorized, "invalid_token")
			for _, challenge := range append(none.header.Values("WWW-Authenticate"), wrong.header.Values("WWW-Authenticate")...) {
				doc := s.aboutResource(challenge)
				if doc["resource"] != issuer+named || !slices.Equal(doc["authorization_servers"].([]any), []any{issuer}) {
					t.Errorf("%s: %s leads to %v", path, challenge, doc)
				}
				if !strings.Contains(challenge, `, scope="openid"`) {
					t.Errorf("%s: %s names no scope", path, challenge)
				}
			}
		}
	})
}

// What is too little is told with the scope that was missing, and with the document.
func TestProtectedResource_tooFewScopes(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		got := s.userinfo(s.beginWith(s.app(), "email").AccessToken).refused(http.StatusForbidden, "insufficient_scope")
		challenge := got.header.Get("WWW-Authenticate")
		if !strings.Contains(challenge, `scope="openid"`) || s.aboutResource(challenge)["resource"] != issuer+"/oauth2/userinfo" {
			t.Errorf("the challenge is %s", challenge)
		}
	})
}

func TestProtectedResource_documents(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		read := func(path string) string {
			got := s.send(httptest.NewRequest(http.MethodGet, path, nil))
			text, err := io.ReadAll(got.Body)
			if err != nil || got.StatusCode != http.StatusOK || got.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s: %d, %v, %v", path, got.StatusCode, got.Header, err)
			}
			return string(text)
		}
		for path, want := range map[string]string{
			"": `{"resource":"` + issuer + `","authorization_servers":["` + issuer + `"],"scopes_supported":["openid","profile","email","devices"],` +
				`"bearer_methods_supported":["header","body"],`,
			"/me": `{"resource":"` + issuer + `/me","authorization_servers":["` + issuer + `"],"scopes_supported":["openid","devices"],` +
				`"bearer_methods_supported":["header"],`,
			"/oauth2/userinfo": `{"resource":"` + issuer + `/oauth2/userinfo","authorization_servers":["` + issuer + `"],` +
				`"scopes_supported":["openid","profile","email"],"bearer_methods_supported":["header","body"],`,
		} {
			got := read(resourcesAt + path)
			if !strings.HasPrefix(got, want+`"dpop_signing_alg_values_supported":["ES256",`) {
				t.Errorf("%s: %s", path, got)
			}
			if wrong := s.send(httptest.NewRequest(http.MethodPost, resourcesAt+path, nil)); wrong.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("%s by POST: %d", path, wrong.StatusCode)
			}
		}
		for _, nowhere := range []string{"/", "/oauth2/token", "/me/state"} {
			if got := s.send(httptest.NewRequest(http.MethodGet, resourcesAt+nowhere, nil)); got.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %d", nowhere, got.StatusCode)
			}
		}
	})
}

// A client asks tokens for what the document names (RFC 8707 §2), and the API takes them.
func TestProtectedResource_isTakenAsResource(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		for _, resource := range []string{issuer, issuer + "/", issuer + "/me", issuer + "/oauth2/userinfo"} {
			c := s.app()
			first := s.post(redeeming(c, s.codeAt(c, resource), "resource", resource))
			next := s.post(refreshing(c, first.RefreshToken, "resource", resource))
			for _, got := range []told{first, next} {
				if aud := s.audience(got); aud != issuer {
					t.Errorf("for %s the audience is %q", resource, aud)
				}
				s.as(got.AccessToken, http.MethodGet, "/me").want(http.StatusOK)
				s.userinfo(got.AccessToken).want(http.StatusOK)
			}
		}
		c := s.app()
		first := s.begin(c)
		for _, other := range []string{issuer + "/me/x", issuer + "x/me", issuer + "/oauth2/token", "https://me.example/me"} {
			s.bad(s.post(refreshing(c, first.RefreshToken, "resource", other)), 400, "invalid_target", "stop")
		}
	})
}
