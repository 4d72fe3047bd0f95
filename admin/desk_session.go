package admin

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// sessions are what can be done to a Session.
var sessions = noun[identity.Dossier]{
	path: "sessions/{id}",
	find: (*Desk).dossierActed,
	home: func(s identity.Dossier) string { return DeskPrefix + "sessions/" + s.Session.ID.String() },
	about: func(s identity.Dossier) identity.Act {
		return identity.Act{UserID: s.User.ID, SessionID: s.Session.ID, ClientID: s.Session.ClientID}
	},
	named: func(s identity.Dossier) string { return "Session of " + s.User.Email },
	deeds: []deed[identity.Dossier]{
		{
			name: "end", needs: identity.RoleSupport, danger: true, button: "End this session",
			says: "The app on this device is signed out at once. Others stay.", done: "The session is over.", fits: alive,
			do: func(d *Desk, v visitor, s identity.Dossier) (once, error) {
				_, err := d.o.Operators.EndSession(v.ctx(), s.Session.ID, false)
				return once{}, err
			},
		},
		{
			name: "end-device", needs: identity.RoleSupport, danger: true, button: "End the whole device",
			says: "This app is signed out, with the browser that it signed in by and every other app that did.", done: "The device is signed out.", fits: alive,
			do: func(d *Desk, v visitor, s identity.Dossier) (once, error) {
				_, err := d.o.Operators.EndSession(v.ctx(), s.Session.ID, true)
				return once{}, err
			},
		},
	},
}

func alive(d *Desk, s identity.Dossier) bool {
	_, _, over := s.Session.Ending(d.o.Operators.Now())
	return !over
}

func (d *Desk) dossierOf(v visitor) (s identity.Dossier, err error) {
	id, err := sessionIn(v.r)
	if err != nil {
		return s, err
	}
	return d.o.Operators.Session(v.ctx(), id)
}

// dossierActed is dossierOf for who acts: on whom they may act, by the rule for persons.
func (d *Desk) dossierActed(v visitor) (identity.Dossier, error) {
	s, err := d.dossierOf(v)
	if err != nil {
		return s, err
	}
	return s, d.mayEnd(v, s)
}

func (d *Desk) mayEnd(v visitor, s identity.Dossier) error {
	p := personAt{Account: identity.Account{User: s.User}}
	var err error
	if p.office, err = d.o.Rows.OfficeOf(v.ctx(), s.User.ID); err != nil {
		return err
	}
	return v.mayActOn(p)
}

// listedSessions are those that live, the newest first.
var listedSessions = listing[identity.Live]{
	path: "sessions", size: fileSize, find: (*Desk).sessionsAsked,
	id:   func(l identity.Live) string { return l.Session.ID.String() },
	line: func(l identity.Live) any { return NewSession(l) },
	columns: []string{
		"sid", "user", "user_id", "sub", "client_id", "scope", "amr", "created_at", "last_used_at", "idle_ends_at", "ends_at", "address",
		"user_agent", "device_name", "device_model", "app_version", "install_id",
	},
}

func (d *Desk) sessionsAsked(v visitor, limit int) ([]identity.Live, url.Values, error) {
	query := v.r.URL.Query()
	email, client := strings.TrimSpace(query.Get("user")), strings.TrimSpace(query.Get("client"))
	asked, q := url.Values{"user": {email}, "client": {client}}, identity.SessionQuery{ClientID: client, Limit: limit}
	var known bool
	var err error
	if q.After, err = afterOf(v); err != nil {
		return nil, asked, err
	}
	if q.UserID, known, err = d.userNamed(v, email); err != nil || !known || !plain(client) {
		return nil, asked, err
	}
	all, err := d.o.Lists.FindSessions(v.ctx(), q)
	return all, asked, err
}

// sessionsPage lists those that live.
func (d *Desk) sessionsPage(v visitor) (page templates.Desk, err error) {
	page.Title = "Sessions"
	t := &templates.DeskTable{Columns: []string{"Person", "Device", "App", "Last used", "Where"}, Empty: "No such session lives."}
	asked, err := listedSessions.fill(v, t, func(l identity.Live) []templates.DeskCell {
		s := l.Session
		app := templates.DeskCell{Text: s.ClientID, Under: s.Device.AppVersion}
		return []templates.DeskCell{
			{Text: l.User.Email, URL: DeskPrefix + "people/" + s.UserID.String()}, deviceCell(s), app, v.moment(s.LastUsedAt), d.whereCell(s.Address),
		}
	})
	page.Find = templates.DeskFind{Action: DeskPrefix + "sessions", Inputs: []templates.DeskInput{
		{Name: "user", Label: "Address of a person", Value: asked.Get("user")}, {Name: "client", Label: "Client", Value: asked.Get("client")},
	}}
	page.Parts = []templates.DeskPart{{Table: t}}
	return page, err
}

// session is the page of one Session, over or not.
func (d *Desk) session(v visitor) (page templates.Desk, err error) {
	dossier, err := d.dossierOf(v)
	if err != nil {
		return page, err
	}
	s, shown := dossier.Session, NewDossier(dossier, v.now())
	page.Title = "Session of " + dossier.User.Email
	page.Back = templates.Link{URL: DeskPrefix + "people/" + s.UserID.String(), Label: dossier.User.Email}
	var acts []templates.DeskAct
	switch why := d.mayEnd(v, dossier); {
	case why == nil:
		acts = sessions.links(v, dossier)
	case v.may(identity.RoleSupport):
		page.Lead = errorText(why)
	}
	state := templates.DeskCell{Text: "lives"}
	if !shown.Alive {
		state = causeCell(identity.EndCause(shown.EndCause))
		state.Text, state.Mark = "over", state.Text
	}
	device := deviceCell(s)
	device.URL = "" // to this very page
	facts := []templates.DeskFact{
		{Name: "State", DeskCell: state},
		{Name: "App", DeskCell: clientCell(s.ClientID, s.Device.AppVersion)},
		{Name: "Device", DeskCell: device},
		{Name: "Where", DeskCell: d.whereCell(s.Address)},
		{Name: "Began", DeskCell: v.exactly(s.CreatedAt)},
		{Name: "Last used", DeskCell: v.exactly(s.LastUsedAt)},
		{Name: "Idle end", DeskCell: date(s.IdleEndsAt)},
		{Name: "Absolute end", DeskCell: date(s.EndsAt)},
		{Name: "Proved by", DeskCell: templates.DeskCell{Text: strings.Join(shown.AMR, " ")}},
		{Name: "May", DeskCell: templates.DeskCell{Text: shown.Scope}},
		{Name: "Refresh token", DeskCell: templates.DeskCell{
			Text: fmt.Sprintf("generation %d, branch %d", s.Line.Generation, s.Line.Branch), Under: map[bool]string{true: "bound to a key"}[shown.JKT != ""],
		}},
		{Name: "Sid", DeskCell: templates.DeskCell{Text: s.ID.String(), Code: true}},
	}
	if !shown.Alive {
		facts = append(facts, templates.DeskFact{Name: "Ended", DeskCell: v.exactly(shown.EndedAt)})
	}
	page.Parts = []templates.DeskPart{{Facts: facts, Acts: acts}, {Title: "What happened to it", Table: eventTable(v, dossier.Events)}}
	return page, nil
}
