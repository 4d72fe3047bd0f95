package admin

import (
	"errors"
	"net/http"

	"github.com/sojourn-auth/sojourn/identity"
)

// sessionList answers GET /api/sessions: those that live, the newest first.
func (a *API) sessionList(r *http.Request) (any, error) {
	q := queryOf(r, "user", "client", "limit", "after")
	asked := identity.SessionQuery{UserID: q.id("user"), ClientID: q.text("client"), After: q.id("after"), Limit: q.limit()}
	if q.err != nil {
		return nil, q.err
	}
	limit := asked.Limit
	asked.Limit++
	all, err := a.o.Lists.FindSessions(r.Context(), asked)
	sessions, next := cut(all, limit, func(one identity.Live) (Session, string) {
		return NewSession(one), one.Session.ID.String()
	})
	return struct {
		Sessions []Session `json:"sessions"`
		Next     string    `json:"next,omitempty"`
	}{sessions, next}, err
}

func (a *API) sessionShow(r *http.Request) (any, error) {
	id, err := sessionIn(r)
	if err != nil {
		return nil, err
	}
	dossier, err := a.o.Operators.Session(r.Context(), id)
	return NewDossier(dossier, a.o.Operators.Now()), err
}

// Ended is what ending a Session did.
type Ended struct {
	ID       identity.ID `json:"sid"`
	Ended    bool        `json:"ended"`                    // false: it was over already
	Sessions int         `json:"sessions_ended,omitempty"` // with its device: how many Sessions ended
}

// NewEnded shows an ending.
func NewEnded(id identity.ID, struck identity.Struck, device bool) Ended {
	ended := len(struck.Sessions)
	e := Ended{ID: id, Ended: ended > 0}
	if device {
		e.Sessions = ended
	}
	return e
}

func (a *API) sessionEnd(r *http.Request) (any, error) {
	q := queryOf(r, "device")
	device := q.yes("device")
	if q.err != nil {
		return nil, q.err
	}
	id, err := sessionIn(r)
	if err != nil {
		return nil, err
	}
	ended, err := a.o.Operators.EndSession(r.Context(), id, device)
	return NewEnded(id, ended, device), err
}

// sessionIn reads which Session the address names, for the log too.
func sessionIn(r *http.Request) (identity.ID, error) {
	id, err := idOf(named(r), "session")
	identity.TrailOf(r.Context()).SessionID = id
	return id, err
}

// eventList answers GET /api/events: what happened, the newest first. That of a client or a kind is picked out of a time, a
// person or a Session: no index finds it among all that ever happened.
func (a *API) eventList(r *http.Request) (any, error) {
	q := queryOf(r, "user", "session", "since", "client", "kind", "limit", "after")
	asked := identity.EventQuery{
		UserID: q.id("user"), SessionID: q.id("session"), Since: q.moment("since"), ClientID: q.text("client"),
		Kind: identity.EventKind(q.text("kind")), After: q.id("after"), Limit: q.limit(),
	}
	if q.text("client")+q.text("kind") != "" && q.text("since")+q.text("user")+q.text("session") == "" {
		q.refuse("since", "Send since, user or session beside client and kind.")
	}
	if q.err != nil {
		return nil, q.err
	}
	limit := asked.Limit
	asked.Limit++
	all, err := a.o.Lists.Events(r.Context(), asked)
	events, next := cut(all, limit, func(one identity.Event) (Event, string) { return NewEvent(one), one.ID.String() })
	return struct {
		Events []Event `json:"events"`
		Next   string  `json:"next,omitempty"`
	}{events, next}, err
}

// maxExported is how many Events one export has at most: a request must be over in time, and its last line's id is where the next
// goes on.
const maxExported = 20_000

// eventExport answers GET /api/events/export: what happened, the oldest first, an Event a line, up to a minute ago.
func (a *API) eventExport(r *http.Request) (any, error) {
	q := queryOf(r, "since", "until", "after")
	span := identity.EventSpan{Since: q.moment("since"), Until: q.moment("until"), After: q.id("after")}
	if q.err != nil {
		return nil, q.err
	}
	span = span.Settled(a.o.Operators.Now())
	return lines(func(each func(any) error) error {
		left := maxExported
		err := a.o.Store.WalkEvents(r.Context(), span, func(events []identity.Event) error {
			for _, e := range events {
				if left--; left < 0 {
					return errEnough
				}
				if err := each(NewEvent(e)); err != nil {
					return err
				}
			}
			return nil
		})
		if errors.Is(err, errEnough) {
			return nil
		}
		return err
	}), nil
}

// errEnough ends a walk.
var errEnough = errors.New("enough")
