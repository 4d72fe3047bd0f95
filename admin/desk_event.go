package admin

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// afterOf reads the last row of the page before; the zero id: from the start.
func afterOf(v visitor) (identity.ID, error) {
	text := v.r.URL.Query().Get("after")
	if text == "" {
		return identity.ID{}, nil
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return id, identity.RefuseField("after", "That page is not one of ours. Begin again.")
	}
	return id, nil
}

// userNamed finds whose address was typed: false where it is nobody's. Nothing typed names everyone.
func (d *Desk) userNamed(v visitor, text string) (id identity.ID, known bool, err error) {
	if text == "" {
		return id, true, nil
	}
	email, err := identity.KnownEmail(text)
	if err != nil {
		return id, false, nil
	}
	user, err := d.o.Rows.UserByEmail(v.ctx(), email)
	if identity.KindOf(err) == identity.NotFound {
		return id, false, nil
	}
	return user.ID, err == nil, err
}

func count(n int) templates.DeskCell { return templates.DeskCell{Text: strconv.Itoa(n)} }

func date(at time.Time) templates.DeskCell {
	if at.IsZero() {
		return templates.DeskCell{Text: "–"}
	}
	return templates.DeskCell{Text: at.UTC().Format("2006-01-02 15:04") + " UTC"}
}

func clientCell(id, under string) templates.DeskCell {
	return templates.DeskCell{Text: id, URL: DeskPrefix + "clients/" + url.PathEscape(id), Under: under}
}

func errorText(err error) string { return err.Error() }

// eventFilter is what a search for Events asks.
type eventFilter struct {
	user, client, kind, since string
	query                     identity.EventQuery
	known                     bool // the person is
}

// usualSince is how far a search by kind or client looks back where nothing is said: no index finds them among all.
const usualSince = 7 * 24 * time.Hour

func (d *Desk) eventFilter(v visitor, limit int) (f eventFilter, err error) {
	q := v.r.URL.Query()
	f.user, f.client, f.kind, f.since = strings.TrimSpace(q.Get("user")), strings.TrimSpace(q.Get("client")), q.Get("kind"), q.Get("since")
	if !plain(f.client) || f.kind != "" && !slices.Contains(identity.EventKinds, identity.EventKind(f.kind)) {
		return f, identity.RefuseField("kind", "There is no such kind of event.")
	}
	f.query = identity.EventQuery{ClientID: f.client, Kind: identity.EventKind(f.kind), Limit: limit}
	if f.query.After, err = afterOf(v); err != nil {
		return f, err
	}
	if f.query.UserID, f.known, err = d.userNamed(v, f.user); err != nil {
		return f, err
	}
	switch day, err := time.Parse(time.DateOnly, f.since); {
	case f.since != "" && err != nil:
		return f, identity.RefuseField("since", "Write a day like 2026-11-28.")
	case f.since != "":
		f.query.Since = day
	case f.client+f.kind != "" && f.user == "":
		f.query.Since = v.now().Add(-usualSince)
		f.since = f.query.Since.Format(time.DateOnly)
	}
	return f, nil
}

func (f eventFilter) values() url.Values {
	return url.Values{"user": {f.user}, "client": {f.client}, "kind": {f.kind}, "since": {f.since}}
}

// listedEvents are Events as a search finds them, the newest first.
var listedEvents = listing[identity.Event]{
	path: "events", size: fileSize,
	find: func(d *Desk, v visitor, limit int) ([]identity.Event, url.Values, error) {
		f, err := d.eventFilter(v, limit)
		if err != nil || !f.known {
			return nil, f.values(), err
		}
		all, err := d.o.Lists.Events(v.ctx(), f.query)
		return all, f.values(), err
	},
	id:      func(e identity.Event) string { return e.ID.String() },
	line:    func(e identity.Event) any { return NewEvent(e) },
	columns: []string{"id", "at", "kind", "user_id", "sid", "client_id", "detail", "address", "actor", "browser", "repeats"},
}

// events is the page that searches what happened.
func (d *Desk) events(v visitor) (page templates.Desk, err error) {
	page.Title = "Events"
	t := eventTable(v, nil)
	f, err := listedEvents.fill(v, t, func(e identity.Event) []templates.DeskCell { return eventRow(v, e) })
	kinds := []templates.DeskOption{{Value: "", Label: "all kinds"}}
	for _, kind := range slices.Sorted(slices.Values(identity.EventKinds)) {
		kinds = append(kinds, templates.DeskOption{Value: string(kind), Label: string(kind)})
	}
	page.Find = templates.DeskFind{Action: DeskPrefix + "events", Inputs: []templates.DeskInput{
		{Name: "user", Label: "Address of a person", Value: f.Get("user")},
		{Name: "client", Label: "Client", Value: f.Get("client")},
		{Name: "kind", Label: "Kind", Value: f.Get("kind"), Options: kinds},
		{Name: "since", Label: "Since (day, UTC)", Value: f.Get("since")},
	}}
	page.Parts = []templates.DeskPart{{Table: t}}
	return page, err
}

func eventTable(v visitor, all []identity.Event) *templates.DeskTable {
	t := &templates.DeskTable{Columns: []string{"When", "What", "Detail", "App", "Who, where"}, Empty: "Nothing happened."}
	for _, e := range all {
		t.Rows = append(t.Rows, eventRow(v, e))
	}
	return t
}

func eventRow(v visitor, e identity.Event) []templates.DeskCell {
	what := templates.DeskCell{Text: string(e.Kind), Whole: true}
	if e.UserID != (identity.ID{}) {
		what.URL = DeskPrefix + "people/" + e.UserID.String()
	}
	if e.Repeats > 0 {
		what.Mark = fmt.Sprintf("× %d", e.Repeats+1)
	}
	app := templates.DeskCell{Text: e.ClientID}
	if e.SessionID != (identity.ID{}) {
		app.Text, app.URL = cmp.Or(e.ClientID, "session"), DeskPrefix+"sessions/"+e.SessionID.String()
	}
	return []templates.DeskCell{v.moment(e.At), what, {Text: e.Detail}, app, {Text: cmp.Or(e.Actor, e.Address), Under: e.Browser}}
}
