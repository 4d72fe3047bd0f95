package admin

import (
	"cmp"
	"fmt"
	"maps"
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
	user, client, kind, since, until string
	query                            identity.EventQuery
	known                            bool // the person is
}

// usualSince is how far a search by kind or client looks back where nothing is said: no index finds them among all.
const usualSince = 7 * 24 * time.Hour

func (d *Desk) eventFilter(v visitor, limit int) (f eventFilter, err error) {
	q := v.r.URL.Query()
	f.user, f.client, f.kind = strings.TrimSpace(q.Get("user")), strings.TrimSpace(q.Get("client")), q.Get("kind")
	f.since, f.until = q.Get("since"), q.Get("until")
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
	if err := f.between(v.now()); err != nil {
		return f, err
	}
	return f, nil
}

// between reads the days that are asked for, both included.
func (f *eventFilter) between(now time.Time) (err error) {
	if f.query.Since, err = dayIn("since", f.since); err != nil {
		return err
	}
	last, err := dayIn("until", f.until)
	if err != nil {
		return err
	}
	if f.until != "" {
		f.query.Before = last.AddDate(0, 0, 1)
		now = f.query.Before
	}
	if f.since == "" && f.client+f.kind != "" && f.user == "" {
		f.query.Since = now.Add(-usualSince)
		f.since = f.query.Since.Format(time.DateOnly)
	}
	return nil
}

// dayIn reads a day of UTC; nothing is the zero time.
func dayIn(field, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return day, identity.RefuseField(field, "Write a day like 2026-11-28.")
	}
	return day, nil
}

func (f eventFilter) values() url.Values {
	return url.Values{"user": {f.user}, "client": {f.client}, "kind": {f.kind}, "since": {f.since}, "until": {f.until}}
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
	var shown []identity.Event
	f, err := listedEvents.fill(v, t, func(e identity.Event) []templates.DeskCell {
		shown = append(shown, e)
		return eventRow(v, e)
	})
	if err == nil {
		err = d.addPersons(v, t, shown)
	}
	kinds := []templates.DeskOption{{Value: "", Label: "all kinds"}}
	for _, kind := range slices.Sorted(slices.Values(identity.EventKinds)) {
		kinds = append(kinds, templates.DeskOption{Value: string(kind), Label: string(kind)})
	}
	page.Find = templates.DeskFind{Action: DeskPrefix + "events", Inputs: []templates.DeskInput{
		{Name: "user", Label: "Address of a person", Value: f.Get("user")},
		{Name: "client", Label: "Client", Value: f.Get("client")},
		{Name: "kind", Label: "Kind", Value: f.Get("kind"), Options: kinds},
		{Name: "since", Label: "Since (day, UTC)", Type: "date", Value: f.Get("since")},
		{Name: "until", Label: "Until (day, UTC)", Type: "date", Value: f.Get("until")},
	}}
	page.Parts = []templates.DeskPart{{Table: t}}
	return page, err
}

// addPersons says beside what happened to whom: Events know people by ids, which say nothing to whoever reads them.
func (d *Desk) addPersons(v visitor, t *templates.DeskTable, of []identity.Event) error {
	ids := map[identity.ID]bool{}
	for _, e := range of {
		ids[e.UserID] = true
	}
	emails, err := d.o.Rows.Emails(v.ctx(), slices.Collect(maps.Keys(ids)))
	t.Columns = slices.Insert(t.Columns, 2, "Person")
	for i, e := range of {
		cell := templates.DeskCell{}
		if email := emails[e.UserID]; email != "" {
			cell = templates.DeskCell{Text: email, URL: DeskPrefix + "people/" + e.UserID.String()}
		} else if e.UserID != (identity.ID{}) {
			cell.Text = "somebody who is gone"
		}
		t.Rows[i] = slices.Insert(t.Rows[i], 2, cell)
	}
	return err
}

func eventTable(v visitor, all []identity.Event) *templates.DeskTable {
	t := &templates.DeskTable{Columns: []string{"When", "What", "Detail", "App", "Who, where"}, Empty: "Nothing happened."}
	for _, e := range all {
		t.Rows = append(t.Rows, eventRow(v, e))
	}
	return t
}

func eventRow(v visitor, e identity.Event) []templates.DeskCell {
	what, detail := templates.DeskCell{Text: string(e.Kind), Whole: true}, templates.DeskCell{Text: e.Detail}
	if d := identity.ReadDecision(e.Detail); e.Kind == identity.AnomalyFound && d.Rule != "" {
		detail = foundCell(d)
		if d.Answer != 0 {
			what.URL = DeskPrefix + "cases/" + e.ID.String()
		}
	}
	if e.Repeats > 0 {
		what.Mark = fmt.Sprintf("× %d", e.Repeats+1)
	}
	app := templates.DeskCell{Text: e.ClientID}
	if e.SessionID != (identity.ID{}) {
		app.Text, app.URL = cmp.Or(e.ClientID, "session"), DeskPrefix+"sessions/"+e.SessionID.String()
	}
	return []templates.DeskCell{v.exactly(e.At), what, detail, app, {Text: cmp.Or(e.Actor, e.Address), Under: e.Browser}}
}

// foundCell is what a rule found, in words.
func foundCell(d identity.Decision) (cell templates.DeskCell) {
	cell.Text = d.Rule
	if d.About != "" {
		cell.Text += ": " + d.About
	}
	cell.Under = fmt.Sprintf("%g, from %g on; %s", d.Value, d.Threshold, d.Answer)
	if d.Held {
		cell.Under += "; held back, as it had answered too often"
	}
	return cell
}
