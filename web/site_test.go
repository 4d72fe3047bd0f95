package web_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/gorilla/mux"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
	"github.com/sojourn-auth/sojourn/templates"
	"github.com/sojourn-auth/sojourn/web"
)

const (
	password = "correct horse battery"
	secret   = "12345678901234567890"
	issuer   = "https://door.example"
	callback = "https://notes.example/cb?from=door"
)

// site is the pages on a server of their own, before a database whose clock the test moves.
type site struct {
	t       *testing.T
	db      *storage.DB
	keys    *identity.Keyring
	signIns identity.SignIns
	totp    mfa.TOTP
	server  *httptest.Server
	log     bytes.Buffer
	away    atomic.Bool            // whether the database cannot be reached
	between atomic.Pointer[func()] // happens once, right after a page has read who is signed in

	statements atomic.Int64 // what the database was asked

	mu  sync.Mutex
	now time.Time
}

// run runs f before both kinds of database; change may be nil.
func run(t *testing.T, change func(*web.Options), f func(t *testing.T, s *site)) {
	t.Helper()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f(t, open(t, kind, change))
		})
	}
}

func open(t *testing.T, kind string, change func(*web.Options)) *site {
	t.Helper()
	s := &site{t: t, keys: storagetest.Keys(t), now: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)}
	s.db = s.database(kind)
	passwords := identity.NewPasswords(storagetest.CheapHash)
	s.signIns = identity.SignIns{
		Store: door{s.db, s}, Keys: s.keys, Passwords: passwords, Now: s.time,
		Lives: identity.Lifetimes{Idle: 12 * time.Hour, Absolute: 14 * 24 * time.Hour},
	}
	s.totp = mfa.TOTP{Store: s.db, Keys: s.keys, Now: s.time, Issuer: "Harbour"}
	o := web.Options{
		Store: door{s.db, s}, Keys: s.keys, Now: s.time, SignIns: s.signIns, TOTP: s.totp,
		Recovery: mfa.Recovery{Store: s.db, Keys: s.keys, Now: s.time},
		Users:    identity.Users{Store: s.db, Passwords: passwords, Now: s.time},
		Grants:   identity.Grants{Store: s.db, Now: s.time}, Devices: identity.Devices{Store: s.db, Now: s.time},
		Credentials: identity.Credentials{Store: s.db, Keys: s.keys, Passwords: passwords, Now: s.time},
		Policy:      identity.MFAOptional, SignupOpen: true,
		Issuer: issuer, Operator: templates.Operator{Name: "Harbour"}, Fetch: http.DefaultClient,
		Log: slog.New(slog.NewTextHandler(&s.log, nil)),
	}
	if change != nil {
		change(&o)
	}
	routes := mux.NewRouter()
	web.New(o).Routes(routes)
	named := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", "REF12345")
		routes.ServeHTTP(w, r)
	})
	s.server = httptest.NewServer(named)
	if o.Secure {
		s.server.Close()
		s.server = httptest.NewTLSServer(named)
	}
	t.Cleanup(s.server.Close)
	s.client(identity.Client{ID: "notes", Metadata: identity.Metadata{Name: "Notes", RedirectURIs: []string{callback}}})
	return s
}

// database is fresh, and one of a server that can send mail.
func (s *site) database(kind string) *storage.DB {
	s.t.Helper()
	db, err := storage.Open(context.Background(), storagetest.DSN(s.t, kind), storage.Options{
		MaxConns: 8, Keys: s.keys, Now: s.time, Letters: true, Trace: func(string) { s.statements.Add(1) },
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = db.Close() })
	return db
}

// door is the database, or where it would be.
type door struct {
	*storage.DB
	s *site
}

func (d door) ClientByID(ctx context.Context, id string) (identity.Client, error) {
	if d.s.away.Load() {
		return identity.Client{}, identity.ErrUnavailable
	}
	return d.DB.ClientByID(ctx, id)
}

func (d door) StandingOf(ctx context.Context, id identity.ID) (identity.Standing, error) {
	if d.s.away.Load() {
		return identity.Standing{}, identity.ErrUnavailable
	}
	standing, err := d.DB.StandingOf(ctx, id)
	if happen := d.s.between.Swap(nil); happen != nil {
		(*happen)()
	}
	return standing, err
}

func (s *site) time() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *site) wait(span time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(span)
}

func (s *site) client(c identity.Client) {
	s.t.Helper()
	c.CreatedAt = s.time()
	if c.Scope == "" {
		c.Scope = strings.Join(identity.Scopes, " ")
	}
	if err := s.db.CreateClient(context.Background(), c); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) user(email string) identity.User {
	s.t.Helper()
	u := identity.User{
		ID: identity.NewID(), Sub: identity.RandomText(16), Email: email, PasswordHash: passwordHash(),
		CreatedAt: s.time(), UpdatedAt: s.time(),
	}
	if err := s.db.CreateUser(context.Background(), u); err != nil {
		s.t.Fatal(err)
	}
	return u
}

// passwordHash is made once: it costs on purpose.
var passwordHash = sync.OnceValue(func() string {
	hash, err := identity.NewPasswords(storagetest.CheapHash).Hash(context.Background(), password)
	if err != nil {
		panic(err)
	}
	return hash
})

// enrolled gives a user the authenticator that code shows the codes of.
func (s *site) enrolled(u identity.User) {
	s.t.Helper()
	if err := s.totp.Import(context.Background(), u.ID, []byte(secret)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) code() string { return s.codeOf(base32.StdEncoding.EncodeToString([]byte(secret))) }

// codeOf is what an authenticator shows for a Base32 secret (RFC 6238 §4.2, RFC 4226 §5.3).
func (s *site) codeOf(text string) string {
	s.t.Helper()
	key, err := base32.StdEncoding.DecodeString(text)
	if err != nil {
		s.t.Fatal(err)
	}
	mac := hmac.New(sha1.New, key)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(s.time().Unix()/30)))
	sum := mac.Sum(nil)
	from := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[from:])&0x7fffffff%1_000_000)
}

// next seals a request of the app Notes; pairs change its parameters, an empty value removes one.
func (s *site) next(pairs ...string) string {
	s.t.Helper()
	params := url.Values{
		"client_id": {"notes"}, "redirect_uri": {callback}, "scope": {"openid email"}, "state": {"st&te"},
	}
	for i := 0; i < len(pairs); i += 2 {
		params.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			params.Del(pairs[i])
		}
	}
	next, err := s.keys.AskedText(identity.NewAsked(params, s.time()).In(thisBrowser.Value, s.time()))
	if err != nil {
		s.t.Fatal(err)
	}
	return next
}

// thisBrowser is the cookie of every browser here: requests are asked in it.
var thisBrowser = &http.Cookie{Name: identity.RequestCookieName(false), Value: "this browser", Path: "/"}

// browser has a cookie jar and follows no redirect.
type browser struct {
	s     *site
	http  *http.Client
	agent string // its User-Agent, or empty for Go's
}

func (s *site) browser() *browser {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	client := *s.server.Client()
	client.Jar = jar
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	b := &browser{s: s, http: &client}
	jar.SetCookies(b.at(), []*http.Cookie{thisBrowser})
	return b
}

// signedIn is a browser in which someone has just signed in with a password.
func (s *site) signedIn(email string) *browser {
	s.t.Helper()
	ctx := context.Background()
	user, err := s.db.UserByEmail(ctx, email)
	if err != nil {
		s.t.Fatal(err)
	}
	pointer := identity.Pointer{SignInID: identity.NewID(), Secret: identity.NewSecret(), CodeSecret: identity.NewSecret()}
	lives, now := s.signIns.Lives, s.time()
	err = s.db.StartSignIn(ctx, identity.SignIn{
		ID: pointer.SignInID, UserID: user.ID, SecretHash: pointer.Secret.Hash(), CodeSecretHash: pointer.CodeSecret.Hash(),
		Epoch: user.Epoch, AMR: identity.PWD, ProvedAt: now, CreatedAt: now, LastUsedAt: now,
		IdleEndsAt: now.Add(lives.Idle), EndsAt: now.Add(lives.Absolute),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	b := s.browser()
	b.http.Jar.SetCookies(b.at(), []*http.Cookie{{Name: identity.CookieName(false), Value: s.keys.CookieText(pointer), Path: "/"}})
	return b
}

// twin is a browser with the same cookies as this one has now.
func (b *browser) twin() *browser {
	twin := b.s.browser()
	twin.http.Jar.SetCookies(b.at(), b.http.Jar.Cookies(b.at()))
	return twin
}

func (b *browser) at() *url.URL {
	u, err := url.Parse(b.s.server.URL)
	if err != nil {
		b.s.t.Fatal(err)
	}
	return u
}

// cookie is the value of the sign-in cookie, or empty.
func (b *browser) cookie() string {
	for _, c := range b.http.Jar.Cookies(b.at()) {
		if strings.HasSuffix(c.Name, "sojourn") {
			return c.Value
		}
	}
	return ""
}

// standing is what the browser has proved.
func (b *browser) standing() identity.Standing { return b.s.standingOf(b.cookie()) }

func (s *site) standingOf(cookie string) identity.Standing {
	s.t.Helper()
	standing, err := s.signIns.Current(context.Background(), cookie)
	if err != nil {
		s.t.Fatal(err)
	}
	return standing
}

// answer is what a browser got.
type answer struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	body   string
}

func (b *browser) get(path string) answer {
	b.s.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, b.s.server.URL+path, nil)
	if err != nil {
		b.s.t.Fatal(err)
	}
	return b.do(req)
}

// post sends a form of name, value, name, value …
func (b *browser) post(path string, pairs ...string) answer {
	b.s.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return b.send(path, form.Encode())
}

func (b *browser) send(path, body string) answer {
	b.s.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, b.s.server.URL+path, strings.NewReader(body))
	if err != nil {
		b.s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(req)
}

func (b *browser) do(req *http.Request) answer {
	b.s.t.Helper()
	if b.agent != "" {
		req.Header.Set("User-Agent", b.agent)
	}
	resp, err := b.http.Do(req)
	if err != nil {
		b.s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.s.t.Fatal(err)
	}
	return answer{b.s.t, req.Method + " " + req.URL.Path, resp.StatusCode, resp.Header, string(body)}
}

// is checks the status and that every text is on the page, and returns the page.
func (a answer) is(status int, texts ...string) *goquery.Document {
	a.t.Helper()
	page, err := goquery.NewDocumentFromReader(strings.NewReader(a.body))
	if err != nil {
		a.t.Fatal(err)
	}
	if a.status != status {
		a.t.Fatalf("%s: status %d, want %d\n%s", a.what, a.status, status, strings.TrimSpace(page.Find("body").Text()))
	}
	for _, text := range texts {
		if !strings.Contains(page.Text(), text) {
			a.t.Fatalf("%s: the page lacks %q:\n%s", a.what, text, strings.TrimSpace(page.Find("body").Text()))
		}
	}
	return page
}

// leadsTo checks a 303.
func (a answer) leadsTo(to string) {
	a.t.Helper()
	if a.status != http.StatusSeeOther || a.header.Get("Location") != to {
		a.is(http.StatusSeeOther)
		a.t.Fatalf("%s: leads to %s, want %s", a.what, a.header.Get("Location"), to)
	}
}

// field is the value of an input on a page.
func field(page *goquery.Document, name string) string {
	value, _ := page.Find("input[name=" + name + "]").Attr("value")
	return value
}

// problemBeside is the sentence beside a field, or empty.
func problemBeside(page *goquery.Document, name string) string {
	return page.Find("#" + name + "-problem").Text()
}

func onward(next string) string { return "/oauth2/authorize?next=" + next }

// values are the texts that no field may fail on.
var values = map[string]string{
	"a NUL byte": "a\x00b@example.com", "broken UTF-8": "\xff\xfe@example.com", "markup": `"><script>x</script>@example.com`,
	"nothing": "", "a line break": "a@example.com\r\nSet-Cookie: x=y", "much": strings.Repeat("a", 9000),
}
