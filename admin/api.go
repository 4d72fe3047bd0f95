package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/mfa"
)

// store is what the API shows one of; what it changes, it asks of the domain.
type store interface {
	AccountByID(ctx context.Context, id identity.ID) (identity.Account, error)
	CaseByID(ctx context.Context, id identity.ID) (identity.Case, error)
	// RegisteredClient returns a client, disabled or not, or NotFound.
	RegisteredClient(ctx context.Context, id string) (identity.Client, error)
	Resources(ctx context.Context) (identity.Resources, error)
	// Officers returns people who have a role, the newest accounts first; after the one with an id, unless it is zero.
	Officers(ctx context.Context, after identity.ID, limit int) ([]identity.Officer, error)
	OfficeOf(ctx context.Context, userID identity.ID) (identity.Office, error)
	InTx(ctx context.Context, do func(context.Context) error) error
	LockUser(ctx context.Context, userID identity.ID) error
	// SelfRegistered returns clients that registered themselves, the newest first.
	SelfRegistered(ctx context.Context, q identity.ClientQuery) ([]identity.Client, error)
	// ExportPerson hands on everything that is kept of a person but secrets.
	ExportPerson(ctx context.Context, userID identity.ID, each func(kind string, record map[string]any) error) error
	// WalkEvents hands on what happened in a span of time, the oldest first.
	WalkEvents(ctx context.Context, span identity.EventSpan, each func([]identity.Event) error) error
	// ResourceByURI returns a resource that is not deleted, by any spelling of its name, or NotFound.
	ResourceByURI(ctx context.Context, uri string) (identity.Resource, error)
}

// lists are what it lists, which a replica may know.
type lists interface {
	Accounts(ctx context.Context, q identity.AccountQuery) ([]identity.Account, error)
	FindSessions(ctx context.Context, q identity.SessionQuery) ([]identity.Live, error)
	Clients(ctx context.Context, q identity.ClientQuery) ([]identity.Client, error)
	Events(ctx context.Context, q identity.EventQuery) ([]identity.Event, error)
	Unusual(ctx context.Context, limit int) ([]identity.Event, error)
	Cases(ctx context.Context, q identity.CaseQuery) ([]identity.Case, error)
	Deliveries(ctx context.Context, f identity.DeliveryFilter) ([]identity.ListedDelivery, error)
	Stats(ctx context.Context, q identity.StatsQuery) (identity.Stats, error)
	StatGroups(ctx context.Context, q identity.StatsQuery, by identity.GroupBy) (identity.Groups, error)
}

// Options are what the API is made of. Every field is needed.
type Options struct {
	Store       store
	Lists       lists
	Operators   identity.Operators
	Offices     identity.Offices
	SigningKeys identity.SigningKeys
	Tokens      identity.AdminTokens
	Webhooks    identity.Webhooks
	TOTP        mfa.TOTP
	Links       identity.MailLinks
	Keys        *identity.Keyring
	Issuer      string // where links lead
	Log         *slog.Logger
}

// API is the management API.
type API struct{ o Options }

// New makes the API.
func New(o Options) *API { return &API{o} }

// operation answers one request of a known operator; a nil answer is 204.
type operation func(r *http.Request) (answer any, err error)

func (a *API) operation(needs identity.Role, op operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := a.perform(needs, op, r)
		switch {
		case err != nil:
			a.refuse(w, r, err)
		case answer == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			if all, is := answer.(lines); is {
				a.writeLines(w, r, all)
				return
			}
			if sheet, is := answer.(identity.StatLines); is {
				w.Header().Set("Content-Type", sheetType)
				_ = sheet.WriteSheet(w) // fails only when the reader has gone
				return
			}
			if tagged, ok := answer.(interface{ ETag() string }); ok {
				w.Header().Set("ETag", tagged.ETag())
			}
			writeJSON(w, http.StatusOK, answer)
		}
	})
}

// lines is an answer of one JSON value a line, as they are read: for what is too much to keep.
type lines func(each func(any) error) error

// writeLines breaks off where a line can't be read, so that nobody takes a part for the whole.
func (a *API) writeLines(w http.ResponseWriter, r *http.Request, all lines) {
	encoder, begun := json.NewEncoder(w), false
	encoder.SetEscapeHTML(false)
	begin := func() {
		if !begun {
			begun = true
			w.Header().Set("Content-Type", "application/x-ndjson")
		}
	}
	err := all(func(line any) error {
		begin()
		return encoder.Encode(line)
	})
	switch {
	case err != nil && !begun:
		a.refuse(w, r, err)
	case err != nil:
		a.o.Log.ErrorContext(r.Context(), "an export broke off", "error", err)
		panic(http.ErrAbortHandler)
	default:
		begin()
	}
}

// perform finds out who asks, and does it in their name.
func (a *API) perform(needs identity.Role, op operation, r *http.Request) (any, error) {
	token, err := a.o.Tokens.Check(r.Context(), identity.Bearer(r.Header.Values("Authorization")), identity.SeenFrom(r.RemoteAddr, ""))
	if err != nil {
		return nil, err
	}
	actor := identity.Actor("api", token.Name)
	identity.TrailOf(r.Context()).Actor = actor
	if !token.Role.Covers(needs) {
		return nil, identity.Refuse(identity.Forbidden, "This token's role is "+token.Role.String()+". This needs the role "+string(needs)+".")
	}
	ctx := context.WithValue(identity.WithActor(r.Context(), actor), roleKey{}, token.Role)
	return op(r.WithContext(ctx))
}

// roleKey is where a request keeps the role of its token.
type roleKey struct{}

// sparing has support's tokens act on nobody who has a role at the desk, as support does there: it could make itself one of them.
// Whom the request is about stays as they are, and so does their role, until it is done.
func (a *API) sparing(whose func(*http.Request) (identity.ID, error), op operation) operation {
	return func(r *http.Request) (answer any, err error) {
		if actsOnOperators(r) {
			return op(r)
		}
		id, err := whose(r)
		switch {
		case err != nil:
			return nil, err
		case id == identity.ID{}: // it is about nobody
			return op(r)
		}
		return answer, a.o.Store.InTx(r.Context(), func(ctx context.Context) error {
			if err := a.o.Store.LockUser(ctx, id); err != nil {
				return err
			}
			err := a.spare(r.WithContext(ctx), id)
			if err == nil {
				answer, err = op(r.WithContext(ctx))
			}
			return err
		})
	}
}

func actsOnOperators(r *http.Request) bool {
	role, _ := r.Context().Value(roleKey{}).(identity.Role)
	return role.Covers(identity.RoleOperator)
}

// spare refuses a person who has a role at the desk, but to an operator's token.
func (a *API) spare(r *http.Request, id identity.ID) error {
	if actsOnOperators(r) {
		return nil
	}
	office, err := a.o.Store.OfficeOf(r.Context(), id)
	if err == nil && office.Role != identity.NoRole {
		err = identity.Refuse(identity.Forbidden, "This person has a role at the desk. Only an operator's token acts on their account.")
	}
	return err
}

// ownerIn reads whose Session the address names.
func (a *API) ownerIn(r *http.Request) (identity.ID, error) {
	id, err := sessionIn(r)
	if err != nil {
		return id, err
	}
	dossier, err := a.o.Operators.Session(r.Context(), id)
	return dossier.User.ID, err
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v) // fails only when the reader has gone
}

const (
	defaultLimit = 100
	maxLimit     = 500
	maxValue     = 256 // bytes of one parameter, or of a name in an address
)

// query reads what stands behind the question mark. The first thing that is wrong is kept in err.
type query struct {
	values url.Values
	err    error
}

// queryOf refuses what nobody asks for: a parameter that is misspelt must not be taken for "all".
func queryOf(r *http.Request, known ...string) *query {
	values, err := url.ParseQuery(r.URL.RawQuery)
	q := &query{values: values}
	if err != nil {
		q.refuse("", "The query cannot be read: write it as name=value with & between.")
	}
	for name, all := range values {
		switch {
		case !slices.Contains(known, name):
			q.refuse("", "There is no such parameter here. Use: "+strings.Join(known, ", ")+".")
		case len(all) > 1 || !plain(all[0]):
			q.refuse(name, "Send it once, with at most 256 bytes and no control characters.")
		}
	}
	return q
}

// maxBody bounds what a request sends.
const maxBody = 64 << 10

// readBody reads a JSON object into v, and refuses members that nobody asks for.
func readBody(r *http.Request, v any) error {
	in := json.NewDecoder(io.LimitReader(r.Body, maxBody))
	in.DisallowUnknownFields()
	if err := in.Decode(v); err != nil {
		return identity.RefuseField("", "Send a JSON object as /api/openapi.json describes it.")
	}
	return nil
}

// plain reports whether a value from an address can be looked up: PostgreSQL's text takes neither NUL nor broken UTF-8.
func plain(s string) bool {
	return len(s) <= maxValue && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func (q *query) refuse(field, msg string) {
	if q.err == nil {
		q.err = identity.RefuseField(field, msg)
	}
}

func (q *query) text(name string) string { return q.values.Get(name) }

// id is the zero id where the parameter is absent.
func (q *query) id(name string) identity.ID {
	if q.text(name) == "" {
		return identity.ID{}
	}
	id, err := uuid.Parse(q.text(name))
	if err != nil {
		q.refuse(name, "Send an id as this API tells them.")
	}
	return id
}

// moment is the zero time where the parameter is absent.
func (q *query) moment(name string) time.Time {
	if q.text(name) == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, q.text(name))
	if err != nil {
		q.refuse(name, "Send a moment like 2026-11-28T22:00:00Z.")
	}
	return at
}

func (q *query) email(name string) string {
	if q.text(name) == "" {
		return ""
	}
	email, err := identity.KnownEmail(q.text(name))
	if err != nil {
		q.refuse(name, "Send an e-mail address like name@example.com.")
	}
	return email
}

func (q *query) yes(name string) bool {
	switch q.text(name) {
	case "true":
		return true
	case "", "false":
	default:
		q.refuse(name, "Use true or false.")
	}
	return false
}

func (q *query) limit() int {
	if q.text("limit") == "" {
		return defaultLimit
	}
	n, err := strconv.Atoi(q.text("limit"))
	if err != nil || n < 1 || n > maxLimit {
		q.refuse("limit", "Use a number between 1 and 500.")
	}
	return n
}

// cut is a page of a list of which one more than its limit was asked, and what to send as after for the next page.
func cut[From, To any](all []From, limit int, show func(From) (view To, id string)) (page []To, next string) {
	page = []To{}
	for i, from := range all {
		view, id := show(from)
		if page = append(page, view); i+1 == limit && len(all) > limit {
			return page, id
		}
	}
	return page, ""
}

// idOf reads an id in an address. One that is none names nothing.
func idOf(text, what string) (identity.ID, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return id, identity.Refuse(identity.NotFound, "There is no such "+what+".")
	}
	return id, nil
}

// problem is a refusal (RFC 9457 §3). Without a type it is about:blank: the title is the status's own phrase (§4.2.1).
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Field  string `json:"field,omitempty"` // the part of the request that was wrong
}

// reply is how a kind of refusal is answered: its status, and what is said where the refusal itself may not be told.
type reply struct {
	status int
	detail string
}

// table says how every kind of refusal is answered.
var table = map[identity.Kind]reply{
	identity.Internal:    {http.StatusInternalServerError, "That was our fault and is in the log. Try again in a moment."},
	identity.Invalid:     {status: http.StatusBadRequest},
	identity.BadLogin:    {status: http.StatusUnauthorized},
	identity.SignInAgain: {status: http.StatusUnauthorized},
	identity.Forbidden:   {status: http.StatusForbidden},
	identity.NotFound:    {status: http.StatusNotFound},
	identity.Conflict:    {status: http.StatusConflict},
	identity.Busy:        {http.StatusServiceUnavailable, "More is asked than the server does at once. Send the same request again in a moment."},
	identity.Throttled:   {status: http.StatusTooManyRequests},
	identity.Unavailable: {http.StatusServiceUnavailable, "The database is away. Send the same request again in a moment."},
	identity.NoProof:     {status: http.StatusUnauthorized},
}

// awayWait is when to ask again while the database is away.
const awayWait = 2 * time.Second

// refuse answers an error. What is no refusal goes into the log, and the caller is told nothing of it.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	kind := identity.KindOf(err)
	p := problem{Status: table[kind].status, Title: http.StatusText(table[kind].status), Detail: table[kind].detail}
	wait := awayWait
	if refusal, ok := errors.AsType[*identity.Error](err); ok && p.Detail == "" {
		p.Detail, p.Field, wait = refusal.Msg, refusal.Field, refusal.Wait
	}
	switch p.Status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", challenge(r))
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", identity.RetryAfter(wait))
	}
	if p.Status >= http.StatusInternalServerError {
		a.o.Log.ErrorContext(r.Context(), "admin request failed", "error", err)
	}
	p.write(w, r)
}

// challenge says how to authenticate; a token that was sent was wrong (RFC 6750 §3).
func challenge(r *http.Request) string {
	if identity.Bearer(r.Header.Values("Authorization")) == "" {
		return `Bearer realm="sojourn admin"`
	}
	return `Bearer realm="sojourn admin", error="invalid_token"`
}

// Refusal is the handler that refuses with a status and a sentence, for what the server notices before the API does.
func (a *API) Refusal(status int, detail string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		problem{Status: status, Title: http.StatusText(status), Detail: detail}.write(w, r)
	})
}

func (p problem) write(w http.ResponseWriter, r *http.Request) {
	identity.TrailOf(r.Context()).Refusal = p.Title
	w.Header().Set("Content-Type", "application/problem+json")
	writeJSON(w, p.Status, p)
}
