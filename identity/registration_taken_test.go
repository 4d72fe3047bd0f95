package identity_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

// taken is what is registered of m, and what is left out.
func taken(t *testing.T, m identity.Metadata, schemes ...string) (identity.Metadata, []string) {
	t.Helper()
	got, left, err := identity.TakeRegistration(m, schemes)
	if err != nil {
		t.Fatalf("%+v: %v", m, err)
	}
	uris := []string{}
	for _, l := range left {
		if !strings.Contains(l.Reason, "Use ") {
			t.Errorf("%s is left out for a reason that helps nobody: %s", l.URI, l.Reason)
		}
		uris = append(uris, l.URI)
	}
	return got, uris
}

func TestTakeRegistration_leavesOutRedirectURIsThatCannotBeTaken(t *testing.T) {
	t.Parallel()
	good := []string{"https://a.example/cb", "http://localhost:8787/any/path", "com.example.app:/cb", "cursor://anysphere.cursor-mcp/cb"}
	bad := []string{
		"javascript:alert(1)", "http://a.example/cb", "myapp:/cb", "intent://x/cb", "web+x://h/cb", "ms-settings://x", "",
		"googlechrome://navigate?url=x", "applescript://com.apple.scripteditor", "davs://h/x", "shortcuts://run-shortcut?name=x",
	}
	got, left := taken(t, identity.Metadata{RedirectURIs: slices.Concat(bad, good, good), AuthMethod: "none"})
	if !slices.Equal(got.RedirectURIs, good) || !slices.Equal(left, bad) || got.ApplicationType != "native" {
		t.Errorf("%+v without %q", got, left)
	}
	if got, left = taken(t, identity.Metadata{RedirectURIs: bad, AuthMethod: "none"}, "myapp"); len(got.RedirectURIs) != 1 || len(left) != len(bad)-1 {
		t.Errorf("by the operator's list: %+v without %q", got, left)
	}
	for _, uris := range [][]string{bad, nil, make([]string, 21)} {
		if _, _, err := identity.TakeRegistration(identity.Metadata{RedirectURIs: uris}, []string{"javascript", "intent"}); fieldOf(err) != "redirect_uris" {
			t.Errorf("%q: %v", uris, err)
		}
	}
}

func fieldOf(err error) string {
	if refusal, ok := errors.AsType[*identity.Error](err); ok {
		return refusal.Field
	}
	return ""
}

// RFC 8252 §8.1: whoever could get an answer that is not theirs must not be able to use it.
func TestTakeRegistration_aBorrowedSchemeNeedsPKCEAndIsAskedEachTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		uri, method      string
		pkce, remembered bool
	}{
		{"cursor://h/cb", "", true, false},
		{"cursor://h/cb", "none", false, false}, // a public client's PKCE is not its own to drop
		{"com.example.app:/cb", "", false, true},
		{"https://a.example/cb", "none", false, true},
	} {
		m, _ := taken(t, identity.Metadata{RedirectURIs: []string{c.uri}, AuthMethod: c.method})
		client := identity.Client{SelfRegistered: true, Metadata: m}
		if m.RequirePKCE != c.pkce || client.RemembersConsent() != c.remembered {
			t.Errorf("%s by %q: PKCE %t, remembered %t", c.uri, c.method, m.RequirePKCE, client.RemembersConsent())
		}
	}
}

// What clients send by default signs in, and is told as it will be.
func TestTakeRegistration_whatClientsSendByDefault(t *testing.T) {
	t.Parallel()
	web, app := []string{"https://a.example/cb"}, []string{"com.example.app:/cb"}
	both, code := []string{"authorization_code", "refresh_token"}, []string{"authorization_code"}
	for name, c := range map[string]struct {
		asked  identity.Metadata
		grants []string
		is     string
		scope  string
	}{
		"a web app":                    {identity.Metadata{RedirectURIs: web}, code, "web", defaultScope},
		"a native app":                 {identity.Metadata{RedirectURIs: web, ApplicationType: "native"}, both, "native", defaultScope},
		"a scheme of its own":          {identity.Metadata{RedirectURIs: app, ApplicationType: "web"}, both, "native", defaultScope},
		"loopback, public":             {identity.Metadata{RedirectURIs: []string{"http://[::1]/x"}, AuthMethod: "none"}, both, "native", defaultScope},
		"loopback, with a secret":      {identity.Metadata{RedirectURIs: []string{"http://[::1]/x"}}, code, "web", defaultScope},
		"offline_access":               {identity.Metadata{RedirectURIs: web, Scope: "offline_access"}, both, "web", "offline_access"},
		"refresh_token alone":          {identity.Metadata{RedirectURIs: web, GrantTypes: both[1:]}, both, "web", defaultScope},
		"refresh_token with code":      {identity.Metadata{RedirectURIs: web, GrantTypes: both[1:], ResponseTypes: []string{"code"}}, both, "web", defaultScope},
		"grants of others":             {identity.Metadata{RedirectURIs: web, GrantTypes: []string{"urn:ietf:params:oauth:grant-type:jwt-bearer", "authorization_code"}}, code, "web", defaultScope},
		"client_credentials of nobody": {identity.Metadata{RedirectURIs: web, AuthMethod: "none", GrantTypes: []string{"client_credentials", "authorization_code"}}, code, "web", defaultScope},
		"scopes of others":             {identity.Metadata{RedirectURIs: web, Scope: "mcp:tools openid"}, code, "web", "openid"},
		"scopes of others alone":       {identity.Metadata{RedirectURIs: web, Scope: "mcp:tools"}, code, "web", defaultScope},
		"algorithms of others":         {identity.Metadata{RedirectURIs: web, IDTokenAlg: "HS256", AuthSigningAlg: "HS256"}, code, "web", defaultScope},
		"algorithms without effect":    {identity.Metadata{RedirectURIs: web, AuthMethod: "none", IntrospectionAlg: "ES512"}, code, "web", defaultScope},
	} {
		got, left := taken(t, c.asked)
		if !slices.Equal(got.GrantTypes, c.grants) || got.ApplicationType != c.is || got.Scope != c.scope || len(left) > 0 ||
			got.IDTokenAlg != "RS256" || got.AuthSigningAlg != "" || got.IntrospectionAlg != "" || !slices.Equal(got.ResponseTypes, []string{"code"}) {
			t.Errorf("%s: %+v, left out %q", name, got, left)
		}
		again, left := taken(t, got)
		if !slices.Equal(again.GrantTypes, got.GrantTypes) || again.ApplicationType != got.ApplicationType || again.Scope != got.Scope || len(left) > 0 {
			t.Errorf("%s: sent back as answered it becomes %+v", name, again)
		}
	}
}
