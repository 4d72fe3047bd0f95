package oauth_test

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
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/oauth"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

const (
	issuer   = "http://localhost:8080"
	password = "correct horse battery"
	appBack  = "com.example.app:/callback"
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	answerTo = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // its challenge
)

// stage is the endpoints on a real database, with a clock that stands still until it is moved, and one person.
type stage struct {
	testing.TB
	db         *storage.DB
	statements *atomic.Int64 // that it was asked
	keys       *identity.Keyring
	ahead      *atomic.Int64
	signIns    identity.SignIns
	signing    identity.SigningKeys
	grants     identity.Grants
	ends       *oauth.Endpoints
	server     http.Handler
	problems   chan oauth.Problem
	handed     chan oauth.Handover
	user       identity.User
	patience   time.Duration // with the documents of clients; 0: five seconds
}

// with changes the options of a stage.
type with func(*oauth.Options)

// onStage runs f on both databases.
func onStage(t *testing.T, f func(s *stage), changes ...with) {
	t.Helper()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f(newStage(t, kind, changes...))
		})
	}
}

func newStage(t testing.TB, kind string, changes ...with) *stage {
	t.Helper()
	s := &stage{TB: t, keys: storagetest.Keys(t), ahead: new(atomic.Int64), statements: new(atomic.Int64), problems: make(chan oauth.Problem, 64), handed: make(chan oauth.Handover, 64)}
	s.db = s.database(kind)
	s.signIns = identity.SignIns{
		Store: s.db, Keys: s.keys, Passwords: identity.NewPasswords(storagetest.CheapHash), Now: s.now,
		Lives: identity.Lifetimes{Idle: 24 * time.Hour, Absolute: 14 * 24 * time.Hour},
	}
	s.signing = identity.SigningKeys{Store: s.db, Now: s.now}
	s.grants = identity.Grants{Store: s.db, Now: s.now}
	storagetest.AddSigningKeys(t, s.db, identity.KeyCurrent)
	s.rebuild(changes...)
	s.user = s.addUser("ada@example.com")
	return s
}

// database is a fresh one whose statements are counted.
func (s *stage) database(kind string) *storage.DB {
	s.Helper()
	db, err := storage.Open(s.Context(), storagetest.DSN(s.TB, kind), storage.Options{
		MaxConns: 8, Keys: s.keys, Now: s.now, Trace: func(string) { s.statements.Add(1) },
	})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = db.Close() })
	return db
}

// rebuild makes the endpoints anew, as another process on the same database would.
func (s *stage) rebuild(changes ...with) {
	s.Helper()
	o := oauth.Options{
		Issuer: issuer, AccessTTL: 10 * time.Minute, Keys: s.keys, Now: s.now, SignIns: s.signIns, SigningKeys: s.signing,
		Policy: identity.MFAOptional, Registration: "open", Fetch: http.DefaultClient, FetchRequests: http.DefaultClient,
		Devices: identity.Devices{Store: s.db, Now: s.now}, Documents: identity.Documents{Store: s.db},
		Problem: func(w http.ResponseWriter, _ *http.Request, p oauth.Problem) {
			s.problems <- p
			w.WriteHeader(p.Status)
		},
		Handover: func(_ http.ResponseWriter, _ *http.Request, h oauth.Handover) { s.handed <- h },
		Log:      s.log(), Beat: time.Hour, // streams hear by their bell or not at all
	}
	var err error
	if o.Subjects, err = s.db.Subjects(s.Context()); err != nil {
		s.Fatal(err)
	}
	for _, change := range changes {
		change(&o)
	}
	o.Sessions = identity.Sessions{
		Store: s.db, Keys: s.keys, Now: o.Now, Policy: o.Policy,
		Lives: identity.Lifetimes{Idle: 30 * 24 * time.Hour, Absolute: 180 * 24 * time.Hour},
	}
	ends, err := oauth.New(s.db, o)
	if err != nil {
		s.Fatal(err)
	}
	s.mount(ends)
}

func (s *stage) mount(ends *oauth.Endpoints) {
	router := mux.NewRouter()
	ends.Routes(router)
	s.ends, s.server = ends, router
}

func (s *stage) log() *slog.Logger { return slog.New(slog.NewTextHandler(testLog{s.TB}, nil)) }

type testLog struct{ t testing.TB }

func (l testLog) Write(line []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(line)))
	return len(line), nil
}

func (s *stage) now() time.Time {
	return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(s.ahead.Load()))
}

// pass lets time pass.
func (s *stage) pass(d time.Duration) { s.ahead.Add(int64(d)) }

func (s *stage) addUser(email string) identity.User {
	s.Helper()
	users := identity.Users{Store: s.db, Passwords: s.signIns.Passwords, Now: s.now}
	u, err := users.Add(s.Context(), identity.NewUser{Email: email, EmailVerified: true, Name: "Ada", Password: password})
	if err != nil {
		s.Fatal(err)
	}
	return u
}

// app adds a public client of the operator's, trusted, with all that an app needs, whom nobody is taken to pose as.
func (s *stage) app(changes ...func(*identity.Client)) identity.Client {
	s.Helper()
	c := identity.Client{ID: "app-" + identity.RandomText(6), Trusted: true, TrustedNative: true, CreatedAt: s.now(), Metadata: identity.Metadata{
		RedirectURIs: []string{appBack}, AuthMethod: "none", ApplicationType: "native",
		GrantTypes: []string{"authorization_code", "refresh_token"}, Scope: "openid profile email offline_access files",
	}}
	for _, change := range changes {
		change(&c)
	}
	if err := s.db.CreateClient(s.Context(), c); err != nil {
		s.Fatal(err)
	}
	return c
}

const clientSecret = "s3cret of the web app"

// confidential makes an app one that authenticates by a secret and may do everything.
func (s *stage) confidential(c *identity.Client) {
	c.AuthMethod, c.SecretHash = "", s.keys.HashSecret(clientSecret)
	c.GrantTypes = append(c.GrantTypes, "client_credentials")
	c.RedirectURIs = []string{"https://web.example/cb"}
}

func selfRegistered(c *identity.Client) {
	c.SelfRegistered, c.Trusted, c.TrustedNative = true, false, false
}

func posable(c *identity.Client) { c.TrustedNative = false }

func untrusted(c *identity.Client) { c.Trusted = false }

// signIn signs a person in and returns the browser's cookie.
func (s *stage) signIn(u identity.User) *http.Cookie {
	s.Helper()
	return s.signInAfter(u, identity.Standing{})
}

func (s *stage) signInAfter(u identity.User, before identity.Standing) *http.Cookie {
	s.Helper()
	return s.attempt(identity.Attempt{Email: u.Email, Password: password, Before: before})
}

// signInFor signs a person in on the page that a request led to.
func (s *stage) signInFor(u identity.User, q url.Values, before identity.Standing) *http.Cookie {
	s.Helper()
	asked, err := s.keys.ReadAsked(q.Get("next"))
	if err != nil {
		s.Fatal(err)
	}
	return s.attempt(identity.Attempt{Email: u.Email, Password: password, Before: before, Request: asked.ID})
}

func (s *stage) attempt(a identity.Attempt) *http.Cookie {
	s.Helper()
	value, err := s.signIns.Begin(s.Context(), a)
	if err != nil {
		s.Fatal(err)
	}
	return cookieOf(value)
}

func cookieOf(value string) *http.Cookie {
	return &http.Cookie{Name: identity.CookieName(false), Value: value}
}

// standing returns what a cookie stands for.
func (s *stage) standing(c *http.Cookie) identity.Standing {
	s.Helper()
	standing, err := s.signIns.Current(s.Context(), c.Value)
	if err != nil || !standing.SignedIn() {
		s.Fatalf("the cookie is dead: %v", err)
	}
	return standing
}

// send passes a request to the endpoints.
func (s *stage) send(r *http.Request) *http.Response {
	s.Helper()
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r)
	return w.Result()
}

// asking is an ordinary authorization request, changed by pairs of name and value; an empty value takes the name away.
func asking(c identity.Client, pairs ...string) url.Values {
	q := url.Values{
		"client_id": {c.ID}, "redirect_uri": {c.RedirectURIs[0]}, "response_type": {"code"},
		"scope": {"openid offline_access"}, "state": {"st"}, "nonce": {"n"},
		"code_challenge": {answerTo}, "code_challenge_method": {"S256"},
	}
	return changed(q, pairs)
}

func changed(q url.Values, pairs []string) url.Values {
	for i := 0; i < len(pairs); i += 2 {
		if q.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
			q.Del(pairs[i])
		}
	}
	return q
}

// thisBrowser is the one that requests are asked in.
var thisBrowser = &http.Cookie{Name: identity.RequestCookieName(false), Value: "this browser"}

// authorize asks for authorization in this browser, which has these cookies too.
func (s *stage) authorize(q url.Values, cookies ...*http.Cookie) *http.Response {
	s.Helper()
	return s.authorizeIn(q, append(cookies, thisBrowser)...)
}

// authorizeIn asks for authorization with a browser that has these cookies and no other.
func (s *stage) authorizeIn(q url.Values, cookies ...*http.Cookie) *http.Response {
	s.Helper()
	r := requesting(q)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return s.send(r)
}

func requesting(q url.Values) *http.Request {
	return httptest.NewRequest(http.MethodGet, "/oauth2/authorize?"+q.Encode(), nil)
}

// location is where an answer leads, in two parts.
func (s *stage) location(resp *http.Response) (place string, q url.Values) {
	s.Helper()
	if resp.StatusCode != http.StatusSeeOther {
		s.Fatalf("answered %d, want a redirect", resp.StatusCode)
	}
	place, query, _ := strings.Cut(resp.Header.Get("Location"), "?")
	q, err := url.ParseQuery(query)
	if err != nil {
		s.Fatal(err)
	}
	return place, q
}

// allow is what the person behind a browser allows a client, for some request or other.
func (s *stage) allow(c identity.Client, cookie *http.Cookie, scopes ...string) {
	s.Helper()
	page := identity.Demand{Client: c, Redirect: c.RedirectURIs[0], Scopes: scopes}
	if err := s.grants.Allow(s.Context(), s.standing(cookie), page); err != nil {
		s.Fatal(err)
	}
}

// pressing is a request of the consent page with the button that whoever is signed in with a browser pressed there.
func (s *stage) pressing(button identity.Purpose, q url.Values, cookie *http.Cookie) url.Values {
	s.Helper()
	name := map[identity.Purpose]string{identity.ForAllowal: "allowed", identity.ForStay: "allowed", identity.ForDenial: "denied"}[button]
	press := identity.Press{Button: button, By: s.standing(cookie), Next: q.Get("next")}
	return url.Values{"next": q["next"], name: {s.keys.PressText(press, s.now())}}
}

// agreed gets an authorization code that the person presses Allow for.
func (s *stage) agreed(c identity.Client, cookie *http.Cookie, pairs ...string) string {
	s.Helper()
	page, q := s.location(s.authorize(asking(c, pairs...), cookie))
	if page != "/consent" {
		s.Fatalf("led to %s", page)
	}
	s.allow(c, cookie, "openid", "offline_access")
	return s.code(s.pressing(identity.ForAllowal, q, cookie), cookie)
}

// code gets an authorization code.
func (s *stage) code(q url.Values, cookie *http.Cookie) string {
	s.Helper()
	_, got := s.location(s.authorize(q, cookie))
	if got.Get("code") == "" {
		s.Fatalf("no code: %v", got)
	}
	return got.Get("code")
}

// told is a token answer, good or bad.
type told struct {
	Status           int
	Header           http.Header
	AccessToken      string `json:"access_token"`
	TokenType        string `json:"token_type"`
	RefreshToken     string `json:"refresh_token"`
	IDToken          string `json:"id_token"`
	Scope            string `json:"scope"`
	ExpiresIn        int    `json:"expires_in"`
	SessionExpiresIn int    `json:"session_expires_in"`
	RefreshExpiresIn int    `json:"refresh_expires_in"`
	// The names of draft-ietf-oauth-refresh-token-expiration for both.
	AuthorizationExpiresIn int `json:"authorization_expires_in"`
	RefreshTokenTimeout    int `json:"refresh_token_timeout"`

	Error       string `json:"error"`
	Description string `json:"error_description"`
	Action      string `json:"action"`
	Message     string `json:"message"`
}

// post sends a token request; edit may change it.
func (s *stage) post(form url.Values, edit ...func(*http.Request)) told {
	s.Helper()
	return s.postTo("/oauth2/token", form, edit...)
}

func (s *stage) postTo(path string, form url.Values, edit ...func(*http.Request)) told {
	s.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, change := range edit {
		change(r)
	}
	return s.read(s.send(r))
}

func (s *stage) read(resp *http.Response) told {
	s.Helper()
	answer := told{Status: resp.StatusCode, Header: resp.Header}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		s.Fatalf("%d %q is not JSON: %v", resp.StatusCode, body, err)
	}
	return answer
}

// asClient authenticates a request as a client.
func asClient(c identity.Client, secret string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(secret)) }
}

// redeeming is the token request for a code, changed by pairs.
func redeeming(c identity.Client, code string, pairs ...string) url.Values {
	return changed(url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "client_id": {c.ID},
		"redirect_uri": {c.RedirectURIs[0]}, "code_verifier": {verifier},
	}, pairs)
}

func refreshing(c identity.Client, token string, pairs ...string) url.Values {
	return changed(url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {c.ID},
	}, pairs)
}

// begin signs the person in and an app with it.
func (s *stage) begin(c identity.Client) told {
	s.Helper()
	got := s.post(redeeming(c, s.code(asking(c), s.signIn(s.user))))
	s.good(got)
	return got
}

func (s *stage) good(got told) {
	s.Helper()
	if got.Status != http.StatusOK || got.AccessToken == "" {
		s.Fatalf("answered %d %s: %s", got.Status, got.Error, got.Description)
	}
}

// bad checks an error answer: its code, and what the app is told to do.
func (s *stage) bad(got told, status int, code, action string) {
	s.Helper()
	if got.Status != status || got.Error != code || got.Action != action {
		s.Errorf("answered %d %q action %q (%s), want %d %q action %q",
			got.Status, got.Error, got.Action, got.Description, status, code, action)
	}
	if (got.Header.Get("Retry-After") != "") != (action == "retry") {
		s.Errorf("action %q comes with Retry-After %q", action, got.Header.Get("Retry-After"))
	}
	if got.Description == "" || strings.ContainsAny(got.Description, "\"\\") {
		s.Errorf("the description %q tells nothing, or breaks RFC 6749", got.Description)
	}
	if got.AccessToken != "" || got.RefreshToken != "" || got.IDToken != "" {
		s.Error("an error carries a token")
	}
}

// invalidGrant checks that a grant was refused and that the app is told to sign in.
func (s *stage) invalidGrant(got told) {
	s.Helper()
	s.bad(got, http.StatusBadRequest, "invalid_grant", "login")
}

// session returns the Session of an access token.
func (s *stage) session(got told) identity.Session {
	s.Helper()
	claims, err := s.ends.VerifyAccessToken(got.AccessToken)
	if err != nil {
		s.Fatal(err)
	}
	var id identity.ID
	if err := id.UnmarshalText([]byte(claims.SessionID)); err != nil {
		s.Fatal(err)
	}
	row, err := s.db.SessionByID(s.Context(), id)
	if err != nil {
		s.Fatal(err)
	}
	return row
}

// decode reads a JWT without checking it.
func (s *stage) decode(text string) (header, claims map[string]any) {
	s.Helper()
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		s.Fatalf("%q is no JWT", text)
	}
	for i, into := range []*map[string]any{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			s.Fatal(err)
		}
		if err := json.Unmarshal(raw, into); err != nil {
			s.Fatal(err)
		}
	}
	return header, claims
}

func challengeOf(v string) string {
	sum := sha256.Sum256([]byte(v))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
