package identity_test

import (
	"cmp"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestRedirectURI_takesWhatRFC8252Names(t *testing.T) {
	t.Parallel()
	for _, uri := range []string{
		"https://app.example.com/cb", "https://app.example.com", "https://app.example.com:8443/cb?tenant=1&x=%2F",
		"https://[2001:db8::1]/cb", "http://127.0.0.1/cb", "http://localhost:3000/cb", "http://127.0.0.1:0009/cb",
		"http://[::1]:65535/cb?x=1", "http://localhost", "com.example.app:/cb", "com.example.app://cb", "com.example.app:cb",
		"com.googleusercontent.apps.123-abc:/oauth2redirect",
	} {
		for _, appType := range []string{"", "web", "native"} {
			if err := checkRedirect(uri, appType); err != nil {
				t.Errorf("%s for %q: refused: %v", uri, appType, err)
			}
		}
	}
}

// checkRedirect returns why an operator could not register a redirect URI.
func checkRedirect(uri, appType string) error {
	_, err := identity.CleanRegistration(identity.Metadata{RedirectURIs: []string{uri}, ApplicationType: appType})
	return err
}

// badRedirects are refused whatever the application type.
var badRedirects = []string{
	"", "/cb", "cb", "//app.example.com/cb", "https:", "https:///cb", "https://", "https:app.example.com/cb",
	"javascript:alert(1)", "JavaScript:alert(1)", "java\tscript:alert(1)", " javascript:alert(1)",
	"data:text/html,x", "file:///etc/passwd", "blob:https://app.example.com/1", "about:blank", "vbscript:x", "view-source:x",
	".app:/cb", "com.:/cb", "com.example.:/cb",
	"http://app.example.com/cb", "http://127.0.0.2/cb", "http://127.1/cb", "http://0/cb", "http://2130706433/cb",
	"http://[::ffff:127.0.0.1]/cb", "http://[::]/cb", "http://LOCALHOST/cb", "http://localhost./cb",
	"http://localhost.example.com/cb", "http://127.0.0.1.example.com/cb", "http://localhost@example.com/cb",
	"http://user@127.0.0.1/cb", "http://127.0.0.1:80@example.com/cb", "http://127.0.0.1:/cb", "http://127.0.0.1:0/cb",
	"http://127.0.0.1:65536/cb", "http://127.0.0.1:8x/cb", "http://127.0.0.1:-1/cb", "http://127.0.0.1\\@example.com/cb",
	"https://user:pass@app.example.com/cb", "https://@app.example.com/cb", "com.example.app://user@cb",
	"https://app.example.com/cb#", "https://app.example.com/cb#x", "com.example.app:/cb#x",
	"https://*.example.com/cb", "https://app.example.com/*", "https://app.example.com:*/cb", "https://app.example.com:/cb",
	"https://app.example.com:0/cb", "https://app.example.com:99999/cb", "https://app..example.com/cb", "https://.example.com/",
	"https://[fe80::1%25eth0]/cb", "https://[::1", "https://%61pp.example.com/cb",
	"https://app.example.com/a b", "https://app.example.com/\x00", "https://app.example.com/\n", "https://app.example.com/%zz",
	"https://app.example.com\\cb", "https://éxample.com/cb", "https://app.example.com/\u202e", "https://app.example.com/\xff",
	"https://app.example.com/<script>", "https://app.example.com/\"", "https://app.example.com/{id}",
	"https://app.example.com/" + strings.Repeat("a", 512),
}

func TestRedirectURI_refusesByFieldAndSaysWhatIsRight(t *testing.T) {
	t.Parallel()
	for _, uri := range badRedirects {
		for _, appType := range []string{"web", "native"} {
			err := checkRedirect(uri, appType)
			refusal, ok := errors.AsType[*identity.Error](err)
			if !ok || refusal.Kind != identity.Invalid || refusal.Field != "redirect_uris" {
				t.Errorf("%q for %s: %#v", uri, appType, err)
				continue
			}
			if !strings.Contains(refusal.Msg, "Use ") {
				t.Errorf("%q: the refusal does not say what to use: %s", uri, refusal.Msg)
			}
		}
	}
}

func TestMatchRedirect_isExactExceptForTheLoopbackPort(t *testing.T) {
	t.Parallel()
	client := func(uris ...string) identity.Client {
		return identity.Client{Metadata: identity.Metadata{RedirectURIs: uris}}
	}
	for _, c := range []struct {
		registered, sent string
		want             bool
	}{
		{"https://app.example.com/cb", "https://app.example.com/cb", true},
		{"https://app.example.com/cb", "https://app.example.com/cb/", false},
		{"https://app.example.com/cb", "https://app.example.com/CB", false},
		{"https://app.example.com/cb", "https://APP.example.com/cb", false},
		{"https://app.example.com/cb", "https://app.example.com:443/cb", false},
		{"https://app.example.com/cb", "https://app.example.com/x/../cb", false},
		{"https://app.example.com/cb", "https://app.example.com/cb?x=1", false},
		{"https://app.example.com/cb?x=1", "https://app.example.com/cb?x=1", true},
		{"https://app.example.com/cb?x=1", "https://app.example.com/cb", false},
		{"com.example.app:/cb", "com.example.app:/cb", true},
		{"com.example.app:/cb", "com.example.app://cb", false},
		{"com.example.app:/cb", "com.example.app2:/cb", false},
		{"http://127.0.0.1/cb", "http://127.0.0.1:49152/cb", true},
		{"http://127.0.0.1:8080/cb", "http://127.0.0.1:49152/cb", true},
		{"http://127.0.0.1:8080/cb", "http://127.0.0.1/cb", true},
		{"http://[::1]/cb", "http://[::1]:1/cb", true},
		{"http://localhost/cb", "http://localhost:61234/cb", true}, // fosite does not: its issue 873
		{"http://localhost/cb?x=1", "http://localhost:61234/cb?x=1", true},
		{"http://127.0.0.1", "http://127.0.0.1:33418/", true},
		{"http://127.0.0.1/", "http://127.0.0.1:33418", true},
		{"http://127.0.0.1?x=1", "http://127.0.0.1:33418/?x=1", true},
		{"http://127.0.0.1/", "http://127.0.0.1:33418//", false},
		{"cursor://anysphere.cursor-mcp/cb", "cursor://anysphere.cursor-mcp/cb", true},
		{"cursor://anysphere.cursor-mcp/cb", "cursor://anysphere.cursor-mcp/cb2", false},
		{"http://localhost/cb?x=1", "http://localhost:61234/cb?x=2", false},
		{"http://localhost/cb", "http://127.0.0.1:61234/cb", false},
		{"http://127.0.0.1/cb", "http://localhost/cb", false},
		{"http://127.0.0.1/cb", "http://[::1]/cb", false},
		{"http://127.0.0.1/cb", "http://127.0.0.1:49152/cb2", false},
		{"http://127.0.0.1/cb", "http://127.0.0.1:49152/", false},
		{"http://127.0.0.1/cb", "https://127.0.0.1:49152/cb", false},
		{"https://127.0.0.1/cb", "http://127.0.0.1:49152/cb", false}, // fosite: scheme was not compared
		{"https://127.0.0.1/cb", "https://127.0.0.1:49152/cb", false},
		{"http://127.0.0.1/cb", "http://user@127.0.0.1:1/cb", false}, // fosite: user information was not compared
		{"http://127.0.0.1/cb", "http://127.0.0.1:1@example.com/cb", false},
		{"http://127.0.0.1/cb", "http://127.0.0.1:1/cb#x", false},
		{"http://127.0.0.1/cb", "http://127.0.0.1:/cb", false},
		{"javascript:alert(1)", "javascript:alert(1)", false}, // however it got into the row
		{"myapp:/cb", "myapp:/cb", true},                      // by the operator's list
		{"javascript:x", "javascript:x", false},
		{"intent://cb", "intent://cb", false},
		{"", "", false},
	} {
		if got := client("https://other.example.com/", c.registered).MatchRedirect(c.sent); got != c.want {
			t.Errorf("registered %s, sent %s: %v", c.registered, c.sent, got)
		}
	}
	if client().MatchRedirect("https://app.example.com/cb") {
		t.Error("a client without redirect URIs matched one")
	}
}

// An app on loopback listens on a port that it got when it started: whoever is led to the address without one finds nobody.
func TestRedirectURI_leftOutIsTheOnlyOneThatLeadsSomewhere(t *testing.T) {
	t.Parallel()
	const https = "https://app.example.com/cb"
	for _, c := range []struct {
		registered []string
		scope      string
		want       string
	}{
		{[]string{https}, "files", https},
		{[]string{"com.example.app:/cb"}, "files", "com.example.app:/cb"},
		{[]string{"http://127.0.0.1:8090/cb"}, "files", "http://127.0.0.1:8090/cb"}, // always this port
		{[]string{"http://localhost:80/cb"}, "files", "http://localhost:80/cb"},
		{[]string{"http://localhost/cb"}, "files", ""},
		{[]string{"http://127.0.0.1"}, "files", ""},
		{[]string{"http://127.0.0.1?x=1"}, "files", ""},
		{[]string{"http://[::1]/cb:8"}, "files", ""},
		{[]string{https, "com.example.app:/cb"}, "files", ""},
		{[]string{https}, "openid files", ""},
		{nil, "files", ""},
	} {
		asked := identity.Asked{Params: url.Values{"scope": {c.scope}}}
		if got := asked.RedirectURI(identity.Client{Metadata: identity.Metadata{RedirectURIs: c.registered}}); got != c.want {
			t.Errorf("%v for %q: %q, want %q", c.registered, c.scope, got, c.want)
		}
	}
}

func TestMatchRedirect_neverLeadsToABadOne(t *testing.T) {
	t.Parallel()
	for _, uri := range badRedirects {
		client := identity.Client{Metadata: identity.Metadata{RedirectURIs: []string{uri}}}
		if client.MatchRedirect(uri) {
			t.Errorf("%q leads back", uri)
		}
	}
}

// What matches is a registered URI, or a loopback one that net/url too takes for the same place but for the port.
func FuzzMatchRedirect(f *testing.F) {
	registered := []string{
		"https://app.example.com/cb", "com.example.app:/cb", "http://127.0.0.1:80/cb", "http://[::1]/cb", "http://localhost/cb?x=1",
	}
	for _, uri := range append(badRedirects, registered...) {
		f.Add(uri, uri)
	}
	f.Add("http://127.0.0.1:9/cb", "https://app.example.com/")
	f.Fuzz(func(t *testing.T, sent, own string) {
		client := identity.Client{Metadata: identity.Metadata{RedirectURIs: append([]string{own}, registered...)}}
		if !client.MatchRedirect(sent) {
			if sent == own && checkRedirect(sent, "native") == nil {
				t.Fatalf("%q could be registered and does not match itself", sent)
			}
			return
		}
		u, err := url.Parse(sent)
		if err != nil || u.User != nil || u.Fragment != "" || strings.ContainsAny(sent, "#\\ \t\r\n\x00") {
			t.Fatalf("%q matched", sent)
		}
		for _, uri := range client.RedirectURIs {
			if sent == uri && (u.Scheme != "http" || isLoopback(u)) && u.Scheme != "javascript" && u.Scheme != "data" && u.Scheme != "file" {
				return
			}
			r, err := url.Parse(uri)
			if err == nil && isLoopback(u) && r.Scheme == "http" && u.Scheme == "http" && r.Hostname() == u.Hostname() &&
				cmp.Or(r.EscapedPath(), "/") == cmp.Or(u.EscapedPath(), "/") && r.RawQuery == u.RawQuery {
				return
			}
		}
		t.Fatalf("%q matched none of %q", sent, client.RedirectURIs)
	})
}

func isLoopback(u *url.URL) bool {
	return u.Hostname() == "127.0.0.1" || u.Hostname() == "::1" || u.Hostname() == "localhost"
}

func TestLoggedURI_showsWhereAndNoSecret(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"https://app.example/cb":                               `"https://app.example/cb"`,
		"https://ada:pw@app.example:8443/cb?code=x&y#token=z":  `"https://***@app.example:8443/cb?code=***&y=***"`,
		"https://a@b@evil.example":                             `"https://***@evil.example/"`,
		"com.example.app:/cb?secret=1":                         `"com.example.app:/cb?secret=***"`,
		"https://app.example/\nlevel=INFO msg=\"signed in\" é": `"https://app.example/\nlevel=INFO msg=\"signed in\" \u00e9"`,
		"": `""`,
	} {
		if got := identity.LoggedURI(uri); got != want {
			t.Errorf("%q is logged as %s, want %s", uri, got, want)
		}
	}
	if got := identity.LoggedURI("https://" + strings.Repeat("x", 10_000)); len(got) > 300 {
		t.Errorf("%d bytes are logged", len(got))
	}
}

// RFC 6749 §3.1, §3.1.2: the query of an address stays as it is written, and what we say in it is said once.
func TestAddQuery_saysNothingTwice(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"https://app.example/cb":                           "https://app.example/cb?state=ours",
		"https://app.example/cb?a=1&b=x+y%20z&a=2":         "https://app.example/cb?a=1&b=x+y%20z&a=2&state=ours",
		"https://app.example/cb?state=theirs":              "https://app.example/cb?state=ours",
		"https://app.example/cb?a&st%61te=theirs&state&&b": "https://app.example/cb?a&&b&state=ours",
		"https://app.example/cb?STATE=x&states=y&%zz=1":    "https://app.example/cb?STATE=x&states=y&%zz=1&state=ours",
		"com.example.app:/cb?code=theirs":                  "com.example.app:/cb?code=theirs&state=ours",
	} {
		if got := identity.AddQuery(uri, url.Values{"state": {"ours"}}); got != want {
			t.Errorf("%s becomes %s, want %s", uri, got, want)
		}
	}
	if got := identity.WithoutAnswer("com.example.app:/cb?code=theirs&error=x&iss=y&page=1"); got != "com.example.app:/cb?page=1" {
		t.Errorf("an answer is left in %s", got)
	}
}
