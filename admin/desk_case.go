package admin

import (
	"cmp"
	"context"
	"fmt"
	"net/url"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// caseAt is a case, and whom it is about, where that is somebody who is there.
type caseAt struct {
	identity.Case
	who personAt
}

// cases are what can be done to a case.
var cases = noun[caseAt]{
	path: "cases/{id}",
	find: func(d *Desk, v visitor) (caseAt, error) {
		c, err := d.caseOf(v)
		if err == nil {
			err = v.mayClose(c)
		}
		return c, err
	},
	home:  func(c caseAt) string { return DeskPrefix + "cases/" + c.Found.ID.String() },
	named: func(c caseAt) string { return c.Decision().Rule },
	about: func(c caseAt) identity.Act {
		return identity.Act{UserID: c.who.ID, SessionID: c.Found.SessionID, ClientID: c.Found.ClientID}
	},
	deeds: []deed[caseAt]{{
		name: "close", needs: identity.RoleSupport, button: "Close the case",
		says: "Nothing else changes. Whoever looks later reads here what came of it.", done: "The case is closed.",
		fits: func(_ *Desk, c caseAt) bool { return c.Open() },
		do: func(d *Desk, v visitor, c caseAt) (once, error) {
			_, err := d.o.Operators.CloseCase(v.ctx(), c.Found.ID, v.r.PostFormValue("reason"))
			return once{}, err
		},
	}},
}

func (d *Desk) caseOf(v visitor) (c caseAt, err error) {
	id, err := idOf(named(v.r), "case")
	if err != nil {
		return c, err
	}
	if c.Case, err = d.o.Store.CaseByID(v.ctx(), id); err != nil {
		return c, err
	}
	c.who, err = d.concerned(v.ctx(), c.Found.UserID)
	return c, err
}

// concerned is whom something is about; nobody where they are gone, or it is about many.
func (d *Desk) concerned(ctx context.Context, id identity.ID) (p personAt, err error) {
	if id == (identity.ID{}) {
		return p, nil
	}
	if p.Account, err = d.o.Store.AccountByID(ctx, id); err != nil {
		if identity.KindOf(err) == identity.NotFound {
			return personAt{}, nil
		}
		return p, err
	}
	p.office, err = d.o.Store.OfficeOf(ctx, id)
	return p, err
}

// mayClose refuses who would close a case about themselves, or, as support, about somebody at the desk: it may be what they did.
func (v visitor) mayClose(c caseAt) error {
	if c.who.ID == (identity.ID{}) {
		return nil
	}
	return v.mayActOn(c.who)
}

// listedCases are cases, the newest first.
var listedCases = listing[identity.Case]{
	path: "cases", size: fileSize,
	find: func(d *Desk, v visitor, limit int) (all []identity.Case, asked url.Values, err error) {
		state := v.r.URL.Query().Get("state")
		q := identity.CaseQuery{Limit: limit}
		asked = url.Values{"state": {state}}
		if q.State, err = identity.ReadCaseState(state); err != nil {
			return nil, asked, err
		}
		if q.After, err = afterOf(v); err != nil {
			return nil, asked, err
		}
		all, err = d.o.Lists.Cases(v.ctx(), q)
		return all, asked, err
	},
	id:   func(c identity.Case) string { return c.Found.ID.String() },
	line: func(c identity.Case) any { return NewCase(c) },
	columns: []string{
		"id", "at", "state", "rule", "value", "threshold", "answer", "about", "user_id", "sid", "client_id", "address", "closed_at",
		"closed_by", "reason",
	},
}

// casesPage lists what rules found and somebody is to look at.
func (d *Desk) casesPage(v visitor) (page templates.Desk, err error) {
	page.Title = "Cases"
	page.Lead = "What rules found, and did something about. Look at it, then close it and say what it was."
	t := &templates.DeskTable{Columns: []string{"When", "Found by", "About", "Done", "State"}, Empty: "There is none."}
	asked, err := listedCases.fill(v, t, func(c identity.Case) []templates.DeskCell { return caseRow(v, c) })
	page.Find = templates.DeskFind{Action: DeskPrefix + "cases", Inputs: []templates.DeskInput{{
		Name: "state", Label: "State", Value: asked.Get("state"), Options: []templates.DeskOption{
			{Value: "", Label: "all"}, {Value: string(identity.CaseOpen), Label: "open"}, {Value: string(identity.CaseClosed), Label: "closed"},
		},
	}}}
	page.Parts = []templates.DeskPart{{Table: t}}
	return page, err
}

func caseRow(v visitor, c identity.Case) []templates.DeskCell {
	shown := NewCase(c)
	state := templates.DeskCell{Text: "open"}
	if !c.Open() {
		state = templates.DeskCell{Text: "closed", Under: shown.Reason}
	}
	return []templates.DeskCell{
		v.exactly(c.Found.At),
		{Text: shown.Rule, URL: DeskPrefix + "cases/" + c.Found.ID.String(), Whole: true},
		{Text: cmp.Or(shown.About, shown.Address, shown.ClientID), Under: shown.ClientID},
		{Text: shown.Answer},
		state,
	}
}

// oneCase is the page of a case.
func (d *Desk) oneCase(v visitor) (page templates.Desk, err error) {
	c, err := d.caseOf(v)
	if err != nil {
		return page, err
	}
	shown := NewCase(c.Case)
	page.Title, page.Back = "Case: "+shown.Rule, templates.Link{URL: DeskPrefix + "cases?state=open", Label: "Cases"}
	page.Lead = d.o.RuleReason(shown.Rule)
	part := templates.DeskPart{Facts: caseFacts(v, c)}
	if why := v.mayClose(c); why == nil {
		part.Acts = cases.links(v, c)
	} else if v.may(identity.RoleSupport) {
		part.Text = errorText(why)
	}
	page.Parts = []templates.DeskPart{part}
	around, err := d.aroundCase(v, c)
	page.Parts = append(page.Parts, around...)
	return page, err
}

func caseFacts(v visitor, c caseAt) []templates.DeskFact {
	shown := NewCase(c.Case)
	is := func(name, text string) templates.DeskFact { return fact(name, cmp.Or(text, "–")) }
	person := templates.DeskCell{Text: "many, or nobody"}
	switch {
	case c.who.ID != identity.ID{}:
		person = templates.DeskCell{Text: c.who.Email, URL: DeskPrefix + "people/" + c.who.ID.String()}
	case shown.Erased || shown.UserID != identity.ID{}:
		person = templates.DeskCell{Text: "somebody who is gone"}
	}
	facts := []templates.DeskFact{
		{Name: "When", DeskCell: v.exactly(c.Found.At)},
		{Name: "Person", DeskCell: person},
		is("About", shown.About), is("Address", shown.Address),
		is("App", shown.ClientID), is("Value", fmt.Sprintf("%g, from %g on", shown.Value, shown.Threshold)), is("Done", shown.Answer), is("State", string(shown.State)),
	}
	if shown.SessionID != (identity.ID{}) {
		facts = append(facts, templates.DeskFact{Name: "Session", DeskCell: templates.DeskCell{
			Text: shown.SessionID.String(), URL: DeskPrefix + "sessions/" + shown.SessionID.String(), Code: true,
		}})
	}
	if !c.Open() {
		facts = append(facts, templates.DeskFact{Name: "Closed", DeskCell: v.exactly(shown.ClosedAt)}, is("By", shown.ClosedBy), is("Why", shown.Reason))
	}
	return facts
}

// aroundCase is what else happened to the person of a case.
func (d *Desk) aroundCase(v visitor, c caseAt) ([]templates.DeskPart, error) {
	if c.who.ID == (identity.ID{}) {
		return nil, nil
	}
	all, err := d.o.Lists.Events(v.ctx(), identity.EventQuery{UserID: c.who.ID, Limit: lastEvents})
	return []templates.DeskPart{{Title: "What happened to the person last", Table: eventTable(v, all)}}, err
}
