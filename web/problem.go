package web

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

// page is a handler that returns its failure.
type page func(w http.ResponseWriter, r *http.Request) error

const (
	// maxForm holds the longest sealed request twice.
	maxForm = 16 << 10
	// retryLater is for a database that is away.
	retryLater = 5 * time.Second
	// requestIDHeader carries the request's name in the log; whoever is outermost has set it.
	requestIDHeader = "X-Request-Id"
)

// answer is how pages answer a kind of refusal.
type answer struct {
	status int
	cause  templates.Cause
	// form is whether the sentence belongs beside the field that it is about, on the form again.
	form bool
}

// answers is the pages' table. SignInAgain never shows: it leads to the sign-in page.
var answers = map[identity.Kind]answer{
	identity.Internal:    {status: http.StatusInternalServerError, cause: templates.OurFault},
	identity.Invalid:     {status: http.StatusBadRequest, cause: templates.BadRequest, form: true},
	identity.BadLogin:    {status: http.StatusUnauthorized, cause: templates.NotAllowed, form: true},
	identity.SignInAgain: {status: http.StatusUnauthorized, cause: templates.NotAllowed},
	identity.Forbidden:   {status: http.StatusForbidden, cause: templates.NotAllowed, form: true},
	identity.NotFound:    {status: http.StatusNotFound, cause: templates.NothingHere},
	identity.Conflict:    {status: http.StatusConflict, cause: templates.BadRequest},
	identity.Throttled:   {status: http.StatusTooManyRequests, cause: templates.TooManyTries, form: true},
	identity.NoProof:     {status: http.StatusBadRequest, cause: templates.BadRequest},
	identity.Busy:        {status: http.StatusServiceUnavailable, cause: templates.Away, form: true},
	identity.Unavailable: {status: http.StatusServiceUnavailable, cause: templates.Away},
}

// page serves h: it reads the form, and answers what h returns.
func (p *Pages) page(h page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil && r.Method == http.MethodPost {
			p.unreadable(w, r, err)
			return
		}
		if err := h(w, r); err != nil {
			p.refuse(w, r, err)
		}
	})
}

func (p *Pages) unreadable(w http.ResponseWriter, r *http.Request, err error) {
	problem := Problem{Status: http.StatusBadRequest, Msg: templates.Say(templates.Unreadable)}
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		problem.Status = http.StatusRequestEntityTooLarge
		problem.Msg = templates.Say(templates.TooLong)
	}
	p.Problem(w, r, problem)
}

// onForm reports whether a refusal belongs on the form it came from.
func onForm(err error) bool { return answers[identity.KindOf(err)].form }

// refuses reports whether it is that field which is refused.
func refuses(err error, field string) bool {
	why, _ := errors.AsType[*identity.Error](err)
	return why != nil && why.Field == field
}

// showAgain shows a page with a refusal on it.
func (p *Pages) showAgain(w http.ResponseWriter, refusal error, page templates.Page) error {
	retryAfter(w, refusal)
	return templates.Show(w, answers[identity.KindOf(refusal)].status, page)
}

// retryAfter says in seconds when another try makes sense (RFC 9110 §10.2.3).
func retryAfter(w http.ResponseWriter, err error) {
	wait := time.Duration(0)
	if refusal, ok := errors.AsType[*identity.Error](err); ok {
		wait = refusal.Wait
	}
	if identity.KindOf(err) == identity.Unavailable {
		wait = retryLater
	}
	if wait > 0 {
		w.Header().Set("Retry-After", identity.RetryAfter(wait))
	}
}

// refuse answers what no form could show.
func (p *Pages) refuse(w http.ResponseWriter, r *http.Request, err error) {
	v, _ := p.request(w, r) // as much of it as can be read
	kind := identity.KindOf(err)
	if kind == identity.SignInAgain {
		_ = see(w, r, v.to(signInPath))
		return
	}
	shown := templates.Problem{Frame: p.frame(v), Cause: answers[kind].cause, Mistake: answers[kind].form}
	if refusal, ok := errors.AsType[*identity.Error](err); ok {
		shown.Sentence = refusal.Msg
		shown.Mistake = shown.Mistake && refusal != errBrokenNext
	} else {
		p.log(r, err)
	}
	switch {
	case v.next != "":
		shown.Back, shown.App.Host = templates.Link{URL: v.onward(), Label: templates.Say(templates.GoOn)}, "" // it does not lead there yet
	case strings.HasPrefix(r.URL.Path, accountPath):
		shown.Back = way(accountPath, templates.ToAccount)
	}
	retryAfter(w, err)
	p.showProblem(w, r, answers[kind].status, shown)
}

// log keeps the cause of a fault. That a person went away is none.
func (p *Pages) log(r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return
	}
	p.Log.ErrorContext(r.Context(), "page", "path", r.URL.Path, "error", err)
}

// Problem is a page that says kindly what went wrong and leads back.
type Problem struct {
	Status    int // HTTP status
	Title     string
	Msg       string
	Detail    string          // the same in the words of the protocol, for whoever builds the app; perhaps nothing
	Yours     bool            // whether the person did something wrong; mostly not
	Client    identity.Client // the app that asked; zero when it is not known
	BackURL   string          // a way back to the app, or empty
	BackLabel string
	Answer    url.Values // what a form posts to BackURL; empty: BackURL is a link
}

// Problem shows the friendly error page: what happened, whose fault it is, and the way back.
func (p *Pages) Problem(w http.ResponseWriter, r *http.Request, problem Problem) {
	shown := templates.Problem{
		Frame: p.frame(visit{client: problem.Client}), Cause: causeOf(problem.Status),
		Sentence: problem.Msg, Detail: problem.Detail, Mistake: problem.Yours,
		Back: templates.Link{URL: problem.BackURL, Label: problem.BackLabel}, Answer: templates.Answer(problem.Answer),
	}
	shown.Title = problem.Title
	if problem.BackURL != "" {
		shown.App = app(problem.Client, problem.BackURL)
	}
	p.showProblem(w, r, problem.Status, shown)
}

// Handover is a page whose form brings an answer to the app.
type Handover struct {
	Client identity.Client
	To     string // its redirect URI, http or https
	Answer url.Values
}

// Handover shows the page, which sends its form by itself where scripts run (OAuth 2.0 Form Post Response Mode §2, §4). The
// app is told our origin, which no other page tells a stranger: many frameworks refuse posts from nowhere.
func (p *Pages) Handover(w http.ResponseWriter, r *http.Request, h Handover) {
	frame := p.frame(visit{client: h.Client})
	frame.App = app(h.Client, h.To)
	w.Header().Set("Referrer-Policy", "strict-origin")
	err := templates.Show(w, http.StatusOK, templates.Handover{Frame: frame, To: h.To, Answer: templates.Answer(h.Answer)})
	if err != nil {
		p.refuse(w, r, err)
	}
}

func causeOf(status int) templates.Cause {
	switch {
	case status == http.StatusServiceUnavailable:
		return templates.Away
	case status >= http.StatusInternalServerError:
		return templates.OurFault
	case status == http.StatusTooManyRequests:
		return templates.TooManyTries
	case status == http.StatusForbidden:
		return templates.NotAllowed
	case status == http.StatusNotFound:
		return templates.NothingHere
	}
	return templates.BadRequest
}

// showProblem shows the page. If even that fails, it is a way back that no link may hold: the page goes without.
func (p *Pages) showProblem(w http.ResponseWriter, r *http.Request, status int, shown templates.Problem) {
	shown.Reference = w.Header().Get(requestIDHeader)
	err := templates.Show(w, status, shown)
	if err == nil {
		return
	}
	p.log(r, err)
	shown.Back = templates.Link{}
	if err := templates.Show(w, status, shown); err != nil {
		p.log(r, err)
		http.Error(w, http.StatusText(status), status)
	}
}
