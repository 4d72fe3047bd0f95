package admin

import (
	"net/http"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// Case is what a rule found and somebody is to look at, as operators see it.
type Case struct {
	ID        identity.ID        `json:"id"`
	At        time.Time          `json:"at"`
	State     identity.CaseState `json:"state"`
	Rule      string             `json:"rule"`
	Value     float64            `json:"value"`
	Threshold float64            `json:"threshold"`
	Answer    string             `json:"answer"`
	About     string             `json:"about,omitempty"`
	UserID    identity.ID        `json:"user_id,omitzero"`
	SessionID identity.ID        `json:"sid,omitzero"`
	ClientID  string             `json:"client_id,omitempty"`
	Address   string             `json:"address,omitempty"`
	Erased    bool               `json:"erased,omitempty"` // whom it was about is gone
	ClosedAt  time.Time          `json:"closed_at,omitzero"`
	ClosedBy  string             `json:"closed_by,omitempty"`
	Reason    string             `json:"reason,omitempty"`
}

// NewCase shows a case.
func NewCase(c identity.Case) Case {
	found, decided := c.Found, c.Decision()
	shown := Case{
		ID: found.ID, At: found.At, State: identity.CaseOpen, Rule: decided.Rule, Value: decided.Value, Threshold: decided.Threshold,
		Answer: decided.Answer.String(), About: decided.About, UserID: found.UserID, SessionID: found.SessionID, ClientID: found.ClientID,
		Address: found.Address, Erased: len(found.Erased) > 0,
	}
	if !c.Open() {
		shown.State, shown.ClosedAt, shown.ClosedBy, shown.Reason = identity.CaseClosed, c.Closed.At, c.Closed.Actor, c.Reason()
	}
	return shown
}

// ChangedCase is a case after it was closed, and whether that was a change.
type ChangedCase struct {
	Changed bool `json:"changed"`
	Case
}

// caseList answers GET /api/cases, the newest first.
func (a *API) caseList(r *http.Request) (any, error) {
	q := queryOf(r, "state", "limit", "after")
	asked := identity.CaseQuery{After: q.id("after"), Limit: q.limit()}
	if q.err != nil {
		return nil, q.err
	}
	var err error
	if asked.State, err = identity.ReadCaseState(q.text("state")); err != nil {
		return nil, err
	}
	limit := asked.Limit
	asked.Limit++
	all, err := a.o.Lists.Cases(r.Context(), asked)
	cases, next := cut(all, limit, func(one identity.Case) (Case, string) { return NewCase(one), one.Found.ID.String() })
	return struct {
		Cases []Case `json:"cases"`
		Next  string `json:"next,omitempty"`
	}{cases, next}, err
}

// caseClose answers POST /api/cases/{id}/close.
func (a *API) caseClose(r *http.Request) (any, error) {
	id, err := idOf(named(r), "case")
	if err != nil {
		return nil, err
	}
	var body why
	if err := readBody(r, &body); err != nil {
		return nil, err
	}
	changed, err := a.o.Operators.CloseCase(r.Context(), id, body.Reason)
	if err != nil {
		return nil, err
	}
	now, err := a.o.Store.CaseByID(r.Context(), id)
	return ChangedCase{changed, NewCase(now)}, err
}

// caseOf reads whom a case is about: nobody, where it is about many, or about somebody who is gone.
func (a *API) caseOf(r *http.Request) (identity.ID, error) {
	id, err := idOf(named(r), "case")
	if err != nil {
		return id, err
	}
	c, err := a.o.Store.CaseByID(r.Context(), id)
	if err != nil || len(c.Found.Erased) > 0 {
		return identity.ID{}, err
	}
	return c.Found.UserID, nil
}
