package admin_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/gorilla/mux"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
	"github.com/sojourn-auth/sojourn/templates"
)

// office is the operators' desk on a server of its own, beside the API of a desk.
type office struct {
	*desk
	pages   *admin.Desk
	doorway identity.Desk
	at      string // scheme and host
}

// inOffice runs f on both databases.
func inOffice(t *testing.T, f func(o *office)) {
	t.Helper()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f(newOffice(t, kind))
		})
	}
}

func newOffice(t *testing.T, kind string) *office {
	t.Helper()
	d := newDesk(t, kind)
	keys := storagetest.Keys(t)
	o := &office{desk: d, doorway: identity.Desk{Store: d.db, Keys: keys, Now: d.now}}
	o.pages = admin.NewDesk(admin.DeskOptions{
		Options: d.options(), Rows: d.db, Numbers: d.db.Lists(), Calendar: d.db.Calendar(), Desk: o.doorway,
		Settings: "SOJOURN_MFA=optional\n", DeskAt: func(origin string) bool { return origin == o.at },
		Operator: templates.Operator{Name: "Harbour"}, Place: func(string) string { return "" },
		RuleReason: func(rule string) string { return "Why there is " + rule + "." },
	})
	router := mux.NewRouter().UseEncodedPath().SkipClean(true)
	o.pages.Routes(router)
	server := httptest.NewServer(http.NewCrossOriginProtection().Handler(router))
	t.Cleanup(server.Close)
	o.at = server.URL
	return o
}

// clerk is somebody at the desk, with a browser.
type clerk struct {
	o        *office
	user     identity.User
	standing identity.Standing
	http     *http.Client
}

// clerk makes a person with a role and a second factor, signed in at the issuer.
func (o *office) clerk(email string, role identity.Role) *clerk {
	o.Helper()
	c := &clerk{o: o, user: o.user(email)}
	o.ok(mfa.TOTP{Store: o.db, Keys: storagetest.Keys(o.T), Now: o.now}.Import(o.Context(), c.user.ID, []byte("12345678901234567890")))
	_, err := identity.Offices{Store: o.db, Now: o.now}.Set(o.Context(), c.user.ID, role)
	o.ok(err)
	o.pass(time.Second) // a role counts for what begins after it was given
	c.signIn()
	return c
}

func (c *clerk) signIn() {
	c.o.Helper()
	now, pointer := c.o.now(), identity.Pointer{SignInID: identity.NewID(), Secret: identity.NewSecret(), CodeSecret: identity.NewSecret()}
	user, err := c.o.db.UserByID(c.o.Context(), c.user.ID)
	c.o.ok(err)
	c.o.ok(c.o.db.StartSignIn(c.o.Context(), identity.SignIn{
		ID: pointer.SignInID, UserID: c.user.ID, AMR: identity.PWD | identity.TOTP.AMR | identity.MFA, Epoch: user.Epoch,
		SecretHash: pointer.Secret.Hash(), CodeSecretHash: pointer.CodeSecret.Hash(), ProvedAt: now, CreatedAt: now, LastUsedAt: now,
		IdleEndsAt: now.Add(24 * time.Hour), EndsAt: now.Add(48 * time.Hour),
	}))
	c.standing, err = c.o.db.StandingOf(c.o.Context(), pointer.SignInID)
	c.o.ok(err)
	c.standing.Pointer = pointer
	jar, err := cookiejar.New(nil)
	c.o.ok(err)
	c.http = &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// sheet is a page of the desk.
type sheet struct {
	status int
	header http.Header
	*goquery.Document
}

func (s sheet) words() string { return strings.Join(strings.Fields(s.Find("body").Text()), " ") }

// leads is where the answer leads.
func (s sheet) leads() string { return s.header.Get("Location") }

func (c *clerk) send(method, path string, form url.Values) sheet {
	c.o.Helper()
	r, err := http.NewRequestWithContext(c.o.Context(), method, c.o.at+path, strings.NewReader(form.Encode()))
	c.o.ok(err)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := c.http.Do(r)
	c.o.ok(err)
	defer resp.Body.Close()
	doc, err := goquery.NewDocumentFromReader(resp.Body)
	c.o.ok(err)
	return sheet{resp.StatusCode, resp.Header, doc}
}

func (c *clerk) get(path string) sheet { return c.send(http.MethodGet, path, nil) }

func (c *clerk) post(path string, pairs ...string) sheet {
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return c.send(http.MethodPost, path, form)
}

// enter goes by the issuer's pages to the desk, as far as those are not the issuer's.
func (c *clerk) enter() *clerk {
	c.o.Helper()
	door := c.knock("/desk/people")
	if got := c.get("/desk/enter?" + url.Values{"ticket": {c.ticket(door)}, "to": {"/desk/people"}}.Encode()); got.status != http.StatusSeeOther || got.leads() != "/desk/people" {
		c.o.Fatal(got.status, got.leads(), got.words())
	}
	return c
}

// knock asks for a page of the desk, and returns what the issuer's pages are told.
func (c *clerk) knock(path string) identity.DeskDoor {
	c.o.Helper()
	got := c.get(path)
	to, err := url.Parse(got.leads())
	if err != nil || got.status != http.StatusSeeOther || to.Path != "/account/desk" || to.Query().Get("to") != path {
		c.o.Fatalf("%s leads to %q: %d %s", path, got.leads(), got.status, got.words())
	}
	return identity.DeskDoor{Origin: to.Query().Get("at"), Challenge: to.Query().Get("knock")}
}

func (c *clerk) ticket(door identity.DeskDoor) string {
	c.o.Helper()
	ticket, err := c.o.doorway.Ticket(c.o.Context(), c.standing, door)
	c.o.ok(err)
	return ticket
}

func (o *office) operators() identity.Operators { return identity.Operators{Store: o.db, Now: o.now} }

// give gives somebody another role.
func (o *office) give(c *clerk, role identity.Role) {
	o.Helper()
	o.do(identity.Offices{Store: o.db, Now: o.now}.Set(o.Context(), c.user.ID, role))
}

func (o *office) do(changed bool, err error) {
	o.Helper()
	if o.ok(err); !changed {
		o.Error("nothing changed")
	}
}

func (o *office) do1(_ identity.Struck, err error) {
	o.Helper()
	o.ok(err)
}

func (o *office) webhook(name string) {
	o.Helper()
	w := identity.Webhook{Name: name, URL: "https://crm.example/hook"}
	_, err := identity.Webhooks{Store: o.db, Now: o.now}.Add(o.Context(), &w)
	o.ok(err)
}

// because counts the Events that say why something was done to a person.
func (o *office) because(userID identity.ID, detail, actor string) (n int) {
	o.Helper()
	events, err := o.db.Events(o.Context(), identity.EventQuery{UserID: userID, Limit: 100})
	o.ok(err)
	for _, e := range events {
		if e.Kind == identity.OperatorActed && e.Detail == detail && e.Actor == actor {
			n++
		}
	}
	return n
}

func (c *clerk) home() *url.URL {
	to, err := url.Parse(c.o.at)
	c.o.ok(err)
	return to
}

func (c *clerk) cookies() []*http.Cookie { return c.http.Jar.Cookies(c.home()) }

// setCookies puts cookies into the browser, whatever it was told to forget.
func (c *clerk) setCookies(all []*http.Cookie) {
	for _, cookie := range all {
		cookie.Path = "/"
	}
	c.http.Jar.SetCookies(c.home(), all)
}

// elsewhere is the cookie of a desk at another origin.
func (c *clerk) elsewhere(origin string) string {
	c.o.Helper()
	knock := identity.NewKnock()
	door := identity.DeskDoor{Origin: origin, Challenge: knock.Challenge}
	at, err := c.o.doorway.Enter(c.o.Context(), c.ticket(door), knock.Proof, door)
	c.o.ok(err)
	return at.Cookie
}
