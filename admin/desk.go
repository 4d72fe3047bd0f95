package admin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// DeskPrefix is where every page of the operators' desk begins.
const DeskPrefix = "/desk/"

// deskStore is what the desk shows and the API does not.
type deskStore interface {
	store
	FindSessions(ctx context.Context, q identity.SessionQuery) ([]identity.Live, error)
	SessionsPast(ctx context.Context, userID identity.ID, since time.Time, limit int) ([]identity.Session, error)
	BareSignIns(ctx context.Context, userID identity.ID, limit int) ([]identity.SignIn, error)
	GrantsOf(ctx context.Context, userID identity.ID, limit int) ([]identity.Grant, error)
	Activity(ctx context.Context, userID identity.ID, limit int) ([]identity.Event, error)
	UserByEmail(ctx context.Context, email string) (identity.User, error)
	Emails(ctx context.Context, ids []identity.ID) (map[identity.ID]string, error)
	CountDeliveries(ctx context.Context) ([]identity.DeliveryCount, error)
}

// DeskOptions are what the desk is made of. Every field is needed but URL.
type DeskOptions struct {
	Options
	Desk     identity.Desk
	Rows     deskStore
	Numbers  numbers
	Calendar *identity.Calendar
	Settings string // those in force, a line for each, without secrets
	URL      string // where browsers find the desk; empty: where they say, which DeskAt judges
	DeskAt   func(origin string) bool
	Operator templates.Operator
	Place    func(address string) string
	// RuleReason is why a rule that finds what is unusual is there; empty where nobody knows.
	RuleReason func(rule string) string
}

// Desk is the operators' desk: pages for the people who run the service. They sign in by the issuer's own pages, and are judged
// anew at every request.
type Desk struct {
	o     DeskOptions
	said  map[string]string // what a page says after something was done, by its name
	doors []door            // every address of the desk, for tests of who may what
}

// door is an address of the desk: who may go there.
type door struct {
	Path  string
	Needs identity.Role
	Act   bool // it changes something
	Fresh bool // and asks for a proof of the last ten minutes
}

// NewDesk makes the desk.
func NewDesk(o DeskOptions) *Desk { return &Desk{o: o, said: map[string]string{}} }

// visitor is who stands at the desk, and what they ask for.
type visitor struct {
	identity.AtDesk
	d *Desk
	r *http.Request
}

func (v visitor) ctx() context.Context { return v.r.Context() }

func (v visitor) now() time.Time { return v.d.o.Operators.Now() }

func (v visitor) may(needs identity.Role) bool { return v.Role.Covers(needs) }

func (v visitor) moment(at time.Time) templates.DeskCell {
	if at.IsZero() {
		return templates.DeskCell{}
	}
	return templates.DeskCell{When: templates.Moment{At: at, Now: v.now()}}
}

// exactly is moment with its time of day.
func (v visitor) exactly(at time.Time) templates.DeskCell {
	cell := v.moment(at)
	cell.Exact = true
	return cell
}

// turn answers a request of who stands at the desk.
type turn func(w http.ResponseWriter, v visitor) error

// places are the entries of the menu.
var places = []struct {
	path, name string
	show       func(*Desk, visitor) (templates.Desk, error)
}{
	{"", "Overview", (*Desk).overview},
	{"cases", "Cases", (*Desk).casesPage},
	{"people", "People", (*Desk).people},
	{"sessions", "Sessions", (*Desk).sessionsPage},
	{"clients", "Clients", (*Desk).clientsPage},
	{"registrations", "Registrations", (*Desk).registrations},
	{"events", "Events", (*Desk).events},
	{"deliveries", "Deliveries", (*Desk).deliveriesPage},
	{"webhooks", "Webhooks", (*Desk).webhooksPage},
	{"keys", "Keys", (*Desk).keysPage},
	{"settings", "Settings", (*Desk).settings},
}

// framed fills in what is around every page.
func (v visitor) framed(f templates.DeskFrame) templates.DeskFrame {
	f.Operator, f.Who, f.Role, f.LeaveAction = v.d.o.Operator, v.User.Email, string(v.Role), DeskPrefix+"leave"
	for _, p := range places {
		here := v.r.URL.Path == DeskPrefix+p.path || p.path != "" && strings.HasPrefix(v.r.URL.Path, DeskPrefix+p.path+"/")
		f.Places = append(f.Places, templates.DeskPlace{Link: templates.Link{URL: DeskPrefix + p.path, Label: p.name}, Here: here})
	}
	return f
}

// guard finds out who stands at the desk, and lets them do what their role may. Anyone else is led to the issuer's pages.
func (d *Desk) guard(needs identity.Role, serve turn) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin, ok := d.origin(r)
		if !ok {
			d.refuse(w, r, identity.Refuse(identity.Forbidden, "The desk opens over https at SOJOURN_ADMIN_URL, or on the machine "+
				"itself at http://localhost and its like: a cookie that opens it must not cross a network in the clear."))
			return
		}
		at, err := d.o.Desk.Current(r.Context(), cookieOf(r, d.cookieName()), identity.DeskDoor{Origin: origin})
		switch {
		case identity.KindOf(err) == identity.SignInAgain:
			d.knock(w, r, origin, false)
			return
		case err != nil:
			d.refuse(w, r, err)
			return
		}
		if at.Cookie != "" {
			http.SetCookie(w, d.cookie(d.cookieName(), at.Cookie, int(identity.DeskLasts/time.Second)))
		}
		if err := d.serve(w, visitor{at, d, r}, needs, serve); err != nil {
			d.refuse(w, r, err)
		}
	})
}

func (d *Desk) serve(w http.ResponseWriter, v visitor, needs identity.Role, serve turn) error {
	identity.TrailOf(v.ctx()).Actor = identity.Actor("desk", v.User.ID.String()) // no address goes into the log
	if !v.may(needs) {
		return identity.Refuse(identity.Forbidden, "Your role here is "+string(v.Role)+". This needs the role "+string(needs)+".")
	}
	if v.r.Method == http.MethodPost {
		if err := v.r.ParseForm(); err != nil {
			return identity.RefuseField("", "The form cannot be read. Go back and send it again.")
		}
	}
	v.r = v.r.WithContext(identity.WithActor(v.ctx(), identity.Actor("desk", v.User.Email)))
	return serve(w, v)
}

// origin is where the browser finds the desk: where the operator says, else on this machine where the browser says. Another
// site's name that leads here (DNS rebinding) is none, and would get no cookie anyway.
func (d *Desk) origin(r *http.Request) (string, bool) {
	if d.o.URL != "" {
		return d.o.URL, true
	}
	origin := "http://" + strings.ToLower(r.Host)
	return origin, d.o.DeskAt(origin)
}

// knock leads to the issuer's pages, which lead back with a ticket: for this browser, and to the page that was asked for.
func (d *Desk) knock(w http.ResponseWriter, r *http.Request, origin string, fresh bool) {
	proof := cookieOf(r, d.knockName())
	if len(proof) != knockLength {
		proof = identity.NewKnock().Proof
	}
	http.SetCookie(w, d.cookie(d.knockName(), proof, int(time.Hour/time.Second)))
	to := r.URL.EscapedPath()
	if asked := to + "?" + r.URL.RawQuery; r.URL.RawQuery != "" && r.Method == http.MethodGet && plain(asked) {
		to = asked // the search that somebody was at
	}
	query := url.Values{"at": {origin}, "knock": {identity.KnockOf(proof).Challenge}, "to": {to}}
	if fresh {
		query.Set("fresh", "yes")
	}
	http.Redirect(w, r, d.o.Issuer+"/account/desk?"+query.Encode(), http.StatusSeeOther)
}

// knockLength is that of every proof: 32 bytes as base64url.
const knockLength = 43

// enter takes a ticket from the issuer's pages.
func (d *Desk) enter(w http.ResponseWriter, r *http.Request) {
	origin, ok := d.origin(r)
	proof := cookieOf(r, d.knockName())
	if !ok || len(r.URL.RawQuery) > maxBody || proof == "" {
		d.refuse(w, r, errOpenAnew())
		return
	}
	query := r.URL.Query()
	at, err := d.o.Desk.Enter(r.Context(), query.Get("ticket"), proof, identity.DeskDoor{Origin: origin})
	if identity.KindOf(err) == identity.SignInAgain {
		err = errOpenAnew()
	}
	if err != nil {
		d.refuse(w, r, err)
		return
	}
	http.SetCookie(w, d.cookie(d.knockName(), "", -1))
	http.SetCookie(w, d.cookie(d.cookieName(), at.Cookie, int(identity.DeskLasts/time.Second)))
	to := query.Get("to")
	if !strings.HasPrefix(to, DeskPrefix) || to == DeskPrefix+"leave" || !plain(to) {
		to = DeskPrefix
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func errOpenAnew() error {
	return identity.Refuse(identity.Forbidden, "That way to the desk is over, or began in another browser. Open the desk once more.")
}

// leave signs the browser out.
func (d *Desk) leave(w http.ResponseWriter, v visitor) error {
	if err := d.o.Desk.Leave(v.ctx(), v.AtDesk, identity.SeenFrom(v.r.RemoteAddr, v.r.UserAgent())); err != nil {
		return err
	}
	http.SetCookie(w, d.cookie(d.cookieName(), "", -1))
	return templates.Show(w, http.StatusOK, templates.Desk{DeskFrame: templates.DeskFrame{
		Frame: templates.Frame{Operator: d.o.Operator, Title: "You are signed out"},
		Lead:  "The desk is closed in this browser, and so is your account.",
		Back:  templates.Link{URL: DeskPrefix, Label: "Open the desk again"},
	}})
}

// refuse answers an error by a page. What is no refusal goes into the log, and the page tells nothing of it.
func (d *Desk) refuse(w http.ResponseWriter, r *http.Request, err error) {
	kind := identity.KindOf(err)
	said, status := table[kind].detail, table[kind].status
	if refusal, ok := errors.AsType[*identity.Error](err); ok && said == "" {
		said = refusal.Msg
	}
	if status >= http.StatusInternalServerError {
		d.o.Log.ErrorContext(r.Context(), "desk", "path", r.URL.Path, "error", err)
		w.Header().Set("Retry-After", identity.RetryAfter(awayWait))
	}
	d.problem(w, r, status, said)
}

func (d *Desk) problem(w http.ResponseWriter, r *http.Request, status int, said string) {
	identity.TrailOf(r.Context()).Refusal = http.StatusText(status)
	title, known := problemTitles[status]
	if !known {
		title = "That did not work"
	}
	page := templates.Desk{DeskFrame: templates.DeskFrame{
		Frame: templates.Frame{Operator: d.o.Operator, Title: title}, Lead: said,
		Back: templates.Link{URL: DeskPrefix, Label: "To the desk"},
	}}
	if err := templates.Show(w, status, page); err != nil {
		http.Error(w, http.StatusText(status), status)
	}
}

// problemTitles are what a page that refuses is called.
var problemTitles = map[int]string{
	http.StatusForbidden: "You may not do that here", http.StatusNotFound: "Nothing is here", http.StatusBadRequest: "That cannot be read",
	http.StatusServiceUnavailable: "Not at the moment", http.StatusTooManyRequests: "Not so fast",
}

// Refusal is the handler that refuses with a status and a sentence, for what the server notices before the desk does.
func (d *Desk) Refusal(status int, said string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { d.problem(w, r, status, said) })
}

func (d *Desk) secure() bool { return strings.HasPrefix(d.o.URL, "https://") }

func (d *Desk) cookieName() string { return identity.DeskCookieName(d.secure()) }

func (d *Desk) knockName() string { return identity.DeskKnockCookieName(d.secure()) }

// cookie has what the __Host- prefix demands (RFC 6265bis §4.1.3.2). Lax, because the way here from the issuer is a
// cross-site navigation.
func (d *Desk) cookie(name, value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge, Secure: d.secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// cookieOf is the value of a cookie, or empty.
func cookieOf(r *http.Request, name string) string {
	cookie, err := r.Cookie(name)
	if err != nil { // http.ErrNoCookie is the only one there is
		return ""
	}
	return cookie.Value
}
