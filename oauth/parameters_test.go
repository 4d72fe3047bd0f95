package oauth_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gorilla/mux"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

// shape is what may be wrong about a parameter. One that is empty counts as absent (RFC 6749 §3.1), so that both have one
// answer.
type shape string

const (
	absent  shape = "absent"
	empty   shape = "empty"
	doubled shape = "doubled"
	wrong   shape = "of a wrong type"
	long    shape = "too long"
	unknown shape = "of an unknown value"
	foreign shape = "another client's"
)

// parameter is a row of the table: the answers of an endpoint to each shape, by the clause that says so.
type parameter struct {
	name, clause string
	absent       string           // the answer to absent and empty
	doubled      string           // where it is another than the endpoint's
	bad          map[shape]answer // the other shapes
}

// answer is what comes of a value: an error code, or "ok".
type answer struct{ value, want string }

// The values that a table names, apart from plain ones.
const (
	tooLong      = "LONG"
	otherID      = "OTHER CLIENT"
	otherURI     = "OTHER REDIRECT"
	otherCode    = "OTHER CODE"
	otherRefresh = "OTHER REFRESH TOKEN"
	otherAccess  = "OTHER ACCESS TOKEN"
	otherIDToken = "OTHER ID TOKEN"
)

const (
	ok        = "ok"
	senseless = "n/a" // the shape makes no sense: there is no type, no list of values, or nothing of a client in it
)

// endpointTable is the table of one endpoint, or of one grant at it.
type endpointTable struct {
	name    string
	good    func(s *scenery) url.Values // a request that succeeds, with every parameter that may come along
	send    func(s *scenery, form url.Values) string
	doubled string // the answer to what comes twice
	params  []parameter
}

// scenery is what all requests of a table are made with.
type scenery struct {
	*stage
	app, web, other identity.Client
	cookie          *http.Cookie
	asked           int
}

func (s *stage) scenery() *scenery {
	return &scenery{
		stage: s, app: s.app(), web: s.app(s.confidential), cookie: s.signIn(s.user),
		other: s.app(func(c *identity.Client) { c.RedirectURIs = []string{"com.example.other:/callback"} }),
	}
}

// from gives every request a network of its own, so that none is slowed down for another's misses.
func (s *scenery) from(r *http.Request) {
	s.asked++
	r.RemoteAddr = "198.51." + strconv.Itoa(s.asked/200) + "." + strconv.Itoa(1+s.asked%200) + ":1"
}

// fresh gets a new code of a client.
func (s *scenery) fresh(c identity.Client) string { return s.code(asking(c), s.cookie) }

// tokens begins a new Session of a client.
func (s *scenery) tokens(c identity.Client) told {
	form := redeeming(c, s.fresh(c))
	if !c.Public() {
		form.Del("client_id")
		return s.post(form, asClient(c, clientSecret), s.from)
	}
	return s.post(form, s.from)
}

func (s *scenery) value(text string) string {
	switch text {
	case tooLong:
		return strings.Repeat("x", 9_000)
	case otherID:
		return s.other.ID
	case otherURI:
		return s.other.RedirectURIs[0]
	case otherCode:
		return s.fresh(s.other)
	case otherRefresh:
		return s.tokens(s.other).RefreshToken
	case otherAccess:
		return s.tokens(s.other).AccessToken
	case otherIDToken:
		return s.tokens(s.other).IDToken
	}
	return text
}

// shapes are all that a row says, with the forms that they make of a good one.
func (p parameter) shapes(twice string) map[shape]answer {
	all := map[shape]answer{absent: {want: p.absent}, empty: {want: p.absent}, doubled: {want: twice}}
	if p.doubled != "" {
		all[doubled] = answer{want: p.doubled}
	}
	for kind, a := range p.bad {
		all[kind] = a
	}
	return all
}

func (s *scenery) spoil(form url.Values, p parameter, kind shape, a answer) url.Values {
	switch kind {
	case absent:
		form.Del(p.name)
	case empty:
		form.Set(p.name, "")
	case doubled:
		first := form.Get(p.name)
		if first == "" {
			first = "1"
		}
		form[p.name] = []string{first, first + "2"}
	default:
		form.Set(p.name, s.value(a.value))
	}
	return form
}

// TestParameters_everyOneOfEveryEndpointIsAnsweredAsItsRFCSays sends every parameter of every endpoint in every bad shape,
// in a request that is good otherwise.
func TestParameters_everyOneOfEveryEndpointIsAnsweredAsItsRFCSays(t *testing.T) {
	t.Parallel()
	onStage(t, func(s *stage) {
		at := s.scenery()
		for _, table := range append(slices.Clone(endpointTables), pushedTable()) {
			if got := table.send(at, table.good(at)); got != ok {
				t.Fatalf("%s: the good request is answered %q", table.name, got)
			}
			for _, p := range table.params {
				for kind, a := range p.shapes(table.doubled) {
					if a.want == senseless {
						continue
					}
					if got := table.send(at, at.spoil(table.good(at), p, kind, a)); got != a.want {
						t.Errorf("%s: %s %s is answered %q, want %q (%s)", table.name, p.name, kind, got, a.want, p.clause)
					}
				}
			}
		}
	})
}

// Each row has every shape, or says that it makes no sense, and its clause.
func TestParameters_everyRowIsWhole(t *testing.T) {
	t.Parallel()
	clause := regexp.MustCompile(`^(RFC \d+|OIDC|OAuth|Logout|/me|our own|Registration|draft-).* §|^our own`)
	for _, table := range append(slices.Clone(endpointTables), pushedTable()) {
		for _, p := range table.params {
			if !clause.MatchString(p.clause) || p.absent == "" {
				t.Errorf("%s: %s: says neither clause nor what its absence brings: %q", table.name, p.name, p.clause)
			}
			for _, kind := range []shape{wrong, long, unknown, foreign} {
				if p.bad[kind].want == "" {
					t.Errorf("%s: %s: nothing is said of one %s", table.name, p.name, kind)
				}
			}
		}
	}
}

// readBy finds the names of parameters where the code reads them, and in the lists of those that it keeps.
var (
	readBy = regexp.MustCompile(`(?:\bget|\bparam|\.Get|\.Has|\.param)\("([a-z][a-z_]+)"\)`)
	listed = regexp.MustCompile(`(?s)var (?:askedParams|refusedParams) = .*?\n}\n`)
	quoted = regexp.MustCompile(`"([a-z][a-z_]+)"`)
)

// A parameter that the code reads is in the table, or its answers are nobody's promise.
func TestParameters_noneThatIsReadIsMissing(t *testing.T) {
	t.Parallel()
	told := map[string]bool{}
	for _, table := range endpointTables {
		for _, p := range table.params {
			told[p.name] = true
		}
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, file := range append(files, "../identity/asked.go", "../identity/device.go") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := readBy.FindAllStringSubmatch(string(text), -1)
		for _, list := range listed.FindAllString(string(text), -1) {
			found = append(found, quoted.FindAllStringSubmatch(list, -1)...)
		}
		for _, name := range found {
			if read++; !told[name[1]] {
				t.Errorf("%s reads %s, of which no table says anything", file, name[1])
			}
		}
	}
	if read < 50 {
		t.Errorf("only %d were found", read)
	}
}

// tabled are the routes that take parameters or members, and where their answers to bad ones are promised.
var tabled = map[string]string{
	"/oauth2/authorize": "authorize", "/oauth2/par": "par", "/oauth2/token": "token, refresh_token", "/oauth2/revoke": "revoke",
	"/oauth2/introspect": "introspect", "/oauth2/endings": "endings", "/oauth2/userinfo": "userinfo", "/oauth2/logout": "logout",
	"/oauth2/signout": "signout", "/oauth2/register": "members", "/oauth2/register/{id}": "members",
	"/me": "of me", "/me/sessions/{id}": "of me", "/me/events": "of me", "/me/state": "of me", "/me/state/{key}": "of me",
}

// bare are the routes that take none: what comes along changes nothing.
var bare = []string{
	"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource",
	"/.well-known/oauth-protected-resource/me", "/.well-known/oauth-protected-resource/oauth2/userinfo", "/oauth2/jwks", "/oauth2/check_session", "/oauth2/check_session.js",
}

// A route that comes later has a table, or takes nothing.
func TestParameters_everyRouteHasATableOrTakesNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, storage.SQLite)
	tables := map[string]bool{"members": len(memberTable) > 0, "of me": true}
	for _, table := range append(slices.Clone(endpointTables), pushedTable()) {
		tables[table.name] = len(table.params) > 0
	}
	routes := 0
	err := s.server.(*mux.Router).Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := route.GetPathTemplate()
		if routes++; !tables[tabled[path]] && !slices.Contains(bare, path) {
			t.Errorf("%s: nothing is said of what is sent there", path)
		}
		return err
	})
	if err != nil || routes != len(tabled)+len(bare) {
		t.Errorf("there are %d routes of %d: %v", routes, len(tabled)+len(bare), err)
	}
	for _, path := range bare {
		plain := s.send(httptest.NewRequest(http.MethodGet, path, nil))
		odd := s.send(httptest.NewRequest(http.MethodGet, path+"?x=%00&x=1&client_id=nobody&"+strings.Repeat("x", 9_000), nil))
		if plain.StatusCode != http.StatusOK || odd.StatusCode != http.StatusOK || plain.ContentLength != odd.ContentLength {
			t.Errorf("%s answers %d, and %d with parameters", path, plain.StatusCode, odd.StatusCode)
		}
	}
}

// formTo sends a form and names the answer by its error.
func formTo(path string, edit ...func(s *scenery, r *http.Request)) func(*scenery, url.Values) string {
	return func(s *scenery, form url.Values) string {
		s.Helper()
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", formType)
		s.from(r)
		for _, change := range edit {
			change(s, r)
		}
		resp := s.send(r)
		if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusCreated { // a revocation says no more
			return ok
		}
		return verdictOf(s, s.read(resp))
	}
}

// verdictOf is the error code of an answer, whose status must be that code's (RFC 6749 §5.2).
func verdictOf(s *scenery, got told) string {
	s.Helper()
	want := http.StatusBadRequest
	switch got.Error {
	case "invalid_client", "invalid_token":
		want = http.StatusUnauthorized
	}
	if got.Status != want || got.Description == "" {
		s.Errorf("%s comes with %d %q", got.Error, got.Status, got.Description)
	}
	return got.Error
}

// asWeb authenticates as the client with a secret, unless the form does.
func asWeb(s *scenery, r *http.Request) { asClient(s.web, clientSecret)(r) }

// asksAuthorize is an authorization request by somebody who is signed in. An error that is shown here, since the client or
// its redirect URI is not verified, is "page"; any other goes to the app.
func asksAuthorize(s *scenery, q url.Values) string {
	s.Helper()
	r := httptest.NewRequest(http.MethodGet, "/oauth2/authorize?"+q.Encode(), nil)
	r.AddCookie(s.cookie)
	r.AddCookie(thisBrowser)
	resp := s.send(r)
	if resp.StatusCode == http.StatusBadRequest {
		<-s.problems
		return "page"
	}
	place, got := s.location(resp)
	if code := got.Get("error"); code != "" {
		if !slices.Contains(s.app.RedirectURIs, place) {
			s.Errorf("%s is told to %s", code, place)
		}
		return code
	}
	return ok
}
