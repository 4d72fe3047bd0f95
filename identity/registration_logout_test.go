package identity_test

import (
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

// Front-Channel Logout 1.0 §2: domain, port and scheme are those of a redirect URI.
func TestCleanRegistration_frontChannelIsWhereRedirectsGo(t *testing.T) {
	t.Parallel()
	for uri, right := range map[string]bool{
		"https://app.example/out":       true,
		"https://app.example:443/out?a": true,
		"https://APP.example/out":       true,
		"https://app.example:8443/out":  false,
		"http://app.example/out":        false,
		"https://app.example.evil/out":  false,
		"https://app.example@evil/out":  false,
		"https://other.example/out":     false,
		"http://localhost:4711/out":     true, // redirects to it match on any port
		"http://127.0.0.1:4711/out":     false,
	} {
		_, err := identity.CleanRegistration(identity.Metadata{
			RedirectURIs: []string{"https://app.example/cb", "http://localhost/cb"}, FrontchannelLogoutURI: uri,
		})
		if (err == nil) != right {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

func TestMatchSignedOut_exactlyWhatIsRegistered(t *testing.T) {
	t.Parallel()
	c := identity.Client{Metadata: identity.Metadata{
		RedirectURIs:           []string{"https://app.example/cb"},
		PostLogoutRedirectURIs: []string{"https://app.example/bye", "com.example.app:/bye", "http://localhost/bye", "javascript:alert(1)"},
	}}
	for uri, want := range map[string]bool{
		"https://app.example/bye":     true,
		"com.example.app:/bye":        true,
		"http://localhost:4711/bye":   true, // RFC 8252 §7.3
		"https://app.example/cb":      false,
		"https://app.example/bye/":    false,
		"https://app.example/bye?x=1": false,
		"https://APP.example/bye":     false,
		"http://localhost:4711/":      false,
		"javascript:alert(1)":         false,
		"":                            false,
	} {
		if got := c.MatchSignedOut(uri); got != want {
			t.Errorf("%s: %v", uri, got)
		}
	}
}

func TestAskedSignOut_whomItNames(t *testing.T) {
	t.Parallel()
	ada := identity.User{Sub: "s", Email: "ada@example.com"}
	for name, is := range map[string]struct {
		asked identity.AskedSignOut
		want  bool
	}{
		"her ID token":             {identity.AskedSignOut{Sub: "s"}, true},
		"and her address":          {identity.AskedSignOut{Sub: "s", LoginHint: " Ada@Example.com"}, true},
		"and a hint of no use":     {identity.AskedSignOut{Sub: "s", LoginHint: "ada"}, true},
		"another's ID token":       {identity.AskedSignOut{Sub: "t"}, false},
		"another's address":        {identity.AskedSignOut{Sub: "s", LoginHint: "bob@example.com"}, false},
		"her address alone":        {identity.AskedSignOut{LoginHint: "ada@example.com"}, false},
		"nobody":                   {identity.AskedSignOut{}, false},
		"an app that knows her ID": {identity.AskedSignOut{ClientID: "s"}, false},
	} {
		if got := is.asked.Names(ada, ada.Sub); got != is.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Session Management 1.0 §3.2: the parts are joined by spaces; ours must be what the script computes.
func TestSessionState_changesWithEachOfItsParts(t *testing.T) {
	t.Parallel()
	before := identity.Standing{SignIn: identity.SignIn{SecretHash: []byte("one")}}
	after := identity.Standing{SignIn: identity.SignIn{SecretHash: []byte("two")}}
	states := map[string]bool{}
	for _, state := range []string{
		before.SessionState("app", "https://app.example", "salt"), after.SessionState("app", "https://app.example", "salt"),
		before.SessionState("app2", "https://app.example", "salt"), before.SessionState("app", "https://b.example", "salt"),
		before.SessionState("app", "https://app.example", "pepper"),
	} {
		states[state] = true
	}
	if len(states) != 5 {
		t.Errorf("some are alike: %v", states)
	}
	if before.BrowserState() == after.BrowserState() {
		t.Error("a new secret must be a new state")
	}
}
