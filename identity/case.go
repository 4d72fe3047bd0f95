package identity

import (
	"context"
	"strings"
	"time"
)

// Case is what a rule found and did something about, which waits for somebody to look at it. What is only noted is none.
type Case struct {
	Found  Event // anomaly.found
	Closed Event // that says who closed it, when and why; zero: it is open
}

// Open reports whether nobody closed it yet.
func (c Case) Open() bool { return c.Closed.ID == ID{} }

// Decision is what the rule decided.
func (c Case) Decision() Decision { return ReadDecision(c.Found.Detail) }

// Reason is why it was closed.
func (c Case) Reason() string {
	_, reason, _ := strings.Cut(c.Closed.Detail, ": ")
	return reason
}

// OpensCase reports whether an Event is one that somebody is to look at.
func (e Event) OpensCase() bool { return e.Kind == AnomalyFound && ReadDecision(e.Detail).Answer != 0 }

// CaseState is which cases are asked for; empty: all.
type CaseState string

// The states of a case.
const (
	CaseOpen   CaseState = "open"
	CaseClosed CaseState = "closed"
)

// ReadCaseState reads one as operators type it; empty is all. Refusal: Invalid, field state.
func ReadCaseState(text string) (CaseState, error) {
	if s := CaseState(text); s == "" || s == CaseOpen || s == CaseClosed {
		return s, nil
	}
	return "", RefuseField("state", "Use open or closed.")
}

// CaseQuery picks cases, the newest first.
type CaseQuery struct {
	State CaseState
	After ID // the last one of the page before; zero: from the start
	Limit int
}

type caseStore interface {
	// CaseByID returns a case by the id of the Event that opened it, or NotFound.
	CaseByID(ctx context.Context, id ID) (Case, error)
	// CloseCase notes which Event closes an open case: false where it is closed already.
	CloseCase(ctx context.Context, id, closing ID) (bool, error)
}

// CloseCase closes a case for a reason, which an Event tells; false where it was closed already: of several who do, one is first.
// Refusals: NotFound; Invalid, field reason, without one.
func (o Operators) CloseCase(ctx context.Context, id ID, reason string) (changed bool, err error) {
	if reason, err = Reason(reason); err != nil {
		return false, err
	}
	err = o.Store.InTx(ctx, func(ctx context.Context) error {
		c, err := o.Store.CaseByID(ctx, id)
		if err != nil {
			return err
		}
		closing := Event{
			ID: NewID(), At: o.Now().Truncate(time.Microsecond), Kind: CaseWasClosed, UserID: c.Found.UserID, SessionID: c.Found.SessionID,
			ClientID: c.Found.ClientID, Detail: c.Decision().Rule + ": " + reason,
		}
		if changed, err = o.Store.CloseCase(ctx, id, closing.ID); err != nil || !changed {
			return err
		}
		return o.Store.AddEvent(ctx, closing)
	})
	return changed, err
}
