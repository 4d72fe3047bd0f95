package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
	"github.com/sojourn-auth/sojourn/templates"
)

// Options are what the pages are made of. Every field is needed but Theme, Place, Door, Clients and Register.
type Options struct {
	Store       store
	Clients     clientFinder // nil: those in the store, and no others
	Keys        *identity.Keyring
	Subjects    identity.Subjects // what people are called to clients
	Now         func() time.Time
	SignIns     identity.SignIns
	Users       identity.Users
	Grants      identity.Grants
	Devices     identity.Devices
	Credentials identity.Credentials
	ByMail      identity.ByMail
	MailOn      bool // whether mail can be sent
	TOTP        mfa.TOTP
	Recovery    mfa.Recovery
	Desk        identity.Desk
	Door        func(origin string) bool // whether the operators' desk may be there; nil: there is none
	Policy      identity.MFAPolicy
	SignupOpen  bool // whether people may make accounts
	// Register registers a client for whoever sent the form, with an initial access token where RegisterToken; nil: nobody may.
	Register      func(r *http.Request, asked identity.Metadata, initial string) (identity.Registered, error)
	RegisterToken bool
	Secure        bool   // the issuer is https
	Issuer        string // as in discovery: the iss of answers to apps
	Operator      templates.Operator
	Theme         string                      // the operator's stylesheet, same-origin; empty for none
	Fetch         *http.Client                // must guard itself against private addresses: it fetches clients' logos
	Place         func(address string) string // where a network address is; nil: nobody knows
	Unusual       func(rule string) string    // what the rule of an anomaly looks at; nil: nobody knows
	Log           *slog.Logger
}

// store is what pages ask of the database themselves; the rest they ask of the domain.
type store interface {
	accountStore
	ClientByID(ctx context.Context, id string) (identity.Client, error)
	GrantOf(ctx context.Context, userID identity.ID, clientID string) (identity.Grant, error)
	Resources(ctx context.Context) (identity.Resources, error)
	CountTry(ctx context.Context, key string, t identity.Throttle) (wait time.Duration, err error)
	ForgiveTry(ctx context.Context, key string) error
	ClearTries(ctx context.Context, key string) error
}

// clientFinder finds clients that may have no row yet, because their id is the address of a document.
type clientFinder interface {
	// Current returns a client as it says now what it is, for somebody at that network address who signs in.
	Current(ctx context.Context, id, from string) (identity.Client, error)
	// Seen returns a client as it was shown last. It fetches nothing.
	Seen(ctx context.Context, id string) (identity.Client, error)
}

// registered are the clients that have rows.
type registered struct{ store }

// Current is a client's row.
func (r registered) Current(ctx context.Context, id, _ string) (identity.Client, error) {
	return r.ClientByID(ctx, id)
}

// Seen is a client's row.
func (r registered) Seen(ctx context.Context, id string) (identity.Client, error) {
	return r.ClientByID(ctx, id)
}

// Pages serves the pages for people.
type Pages struct {
	Options
	logos *logos
}

// New returns pages that are ready to be mounted.
func New(o Options) *Pages {
	if o.Place == nil {
		o.Place = func(string) string { return "" }
	}
	if o.Door == nil {
		o.Door = func(string) bool { return false }
	}
	if o.Unusual == nil {
		o.Unusual = func(string) string { return "" }
	}
	if o.Clients == nil {
		o.Clients = registered{o.Store}
	}
	return &Pages{Options: o, logos: newLogos(o.Fetch, o.Now)}
}

// see leads on with a GET, so that a reload of where it leads repeats nothing.
func see(w http.ResponseWriter, r *http.Request, to string) error {
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

func seen(r *http.Request) identity.Seen { return identity.SeenFrom(r.RemoteAddr, r.UserAgent()) }

// visit is one request to a page: what app it is for, and who stands before it.
type visit struct {
	next     string // the sealed request, or empty: the person came by themselves
	target   string // what it leads to once nothing is missing: authorize for an app, or a page of the account
	asked    identity.Asked
	client   identity.Client // that asked
	all      identity.Resources
	standing identity.Standing
	// languages are those that the person reads, as Accept-Language spells them, before them those that the app says.
	languages string
}

// pageParam is the only parameter of a request that leads to a page of the account. A request of an app, which may have
// any parameters, has a client_id too.
const pageParam = "page"

// errBrokenNext says that the sealed request is not one of ours, or that its app is gone.
var errBrokenNext = identity.RefuseField("next", templates.Say(templates.BrokenNext))

// visit reads the sealed request and the cookie.
func (p *Pages) visit(w http.ResponseWriter, r *http.Request) (visit, error) {
	v, err := p.request(w, r)
	if err != nil {
		return v, err
	}
	v.languages = languagesOf(r, v.asked)
	v.standing, err = p.standing(r)
	return v, err
}

// languagesOf are the languages that a person reads, the best first: what their app says (ui_locales, OpenID Connect Core 1.0
// §3.1.2.1), then what their browser does.
func languagesOf(r *http.Request, asked identity.Asked) string {
	return strings.Join(append(strings.Fields(asked.Get("ui_locales")), r.Header.Values("Accept-Language")...), ", ")
}

// request reads the sealed request alone. An app's that began elsewhere, or too long ago, goes on as one that is asked
// here and now.
func (p *Pages) request(w http.ResponseWriter, r *http.Request) (v visit, err error) {
	next := r.FormValue("next")
	if next == "" {
		return visit{target: accountPath}, nil
	}
	if v.asked, err = p.Keys.ReadAsked(next); err != nil {
		return visit{}, errBrokenNext
	}
	v.next, v.target = next, authorizePath
	page := v.asked.Get(pageParam)
	if path, _, _ := strings.Cut(page, "?"); v.asked.Get("client_id") == "" && slices.Contains(accountPages, path) {
		v.target = page
		return v, nil
	}
	if v, err = p.bind(w, r, v); err != nil {
		return visit{}, err
	}
	v.client, err = p.Clients.Current(r.Context(), v.asked.Get("client_id"), seen(r).Address)
	if identity.KindOf(err) == identity.NotFound {
		return visit{}, errBrokenNext
	}
	if err != nil {
		return v, err
	}
	identity.TrailOf(r.Context()).ClientID = v.client.ID
	v.all, err = p.Store.Resources(r.Context())
	return v, err
}

// bind returns the visit with a request of this browser, which gets a cookie for it where it has none.
func (p *Pages) bind(w http.ResponseWriter, r *http.Request, v visit) (visit, error) {
	name := identity.RequestCookieName(p.Secure)
	browser := cookieOf(r, name)
	if v.asked.Counts(browser, p.Now()) {
		return v, nil
	}
	if browser == "" {
		browser = identity.NewRequestBrowser()
		cookie := p.cookie(browser, 0) // of this visit alone: it lasts as long as the browser runs
		cookie.Name = name
		http.SetCookie(w, cookie)
	}
	v.asked = v.asked.In(browser, p.Now())
	next, err := p.Keys.AskedText(v.asked)
	v.next = next
	return v, err
}

// query carries the request on to another page.
func (v visit) query() url.Values {
	if v.next == "" {
		return url.Values{}
	}
	return url.Values{"next": {v.next}}
}

// onward is where a page leads once its part is done: to what the person came for, which decides what else is missing.
func (v visit) onward() string {
	if v.forApp() {
		return v.to(v.target)
	}
	return v.target
}

// forApp reports whether an app asked.
func (v visit) forApp() bool { return v.target == authorizePath }

// to is the address of another page for the same request.
func (v visit) to(path string) string {
	if v.next == "" {
		return path
	}
	return path + "?" + v.query().Encode()
}

// form carries the request on, and shows a refusal if there is one.
func (v visit) form(refusal error) templates.Form {
	form := templates.Form{Next: v.next}
	if e, ok := errors.AsType[*identity.Error](refusal); ok {
		form.Problem, form.ProblemField = e.Msg, e.Field
	}
	return form
}

// person is whom the page speaks to.
func (v visit) person() templates.Person {
	query := v.query()
	query.Set("switch", "1")
	return templates.Person{Username: v.standing.User.Email, NotYouURL: signInPath + "?" + query.Encode()}
}

// frame is what all pages have around them.
func (p *Pages) frame(v visit) templates.Frame {
	to := v.asked.RedirectURI(v.client)
	if !v.client.MatchRedirect(to) {
		to = "" // its host is named only where the answer may go
	}
	return templates.Frame{Operator: p.Operator, Theme: p.Theme, App: app(v.client, to)}
}

func app(c identity.Client, redirectURI string) templates.App {
	a := templates.App{Name: c.Called()}
	if c.LogoURI != "" {
		a.LogoURL = logoURL(c.ID)
	}
	// Loopback and private-use schemes lead to an app on the device (RFC 8252 §7); only https names a host.
	if u, err := url.Parse(redirectURI); err == nil && u.Scheme == "https" {
		a.Host = u.Host
	}
	return a
}
