package admin

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

const (
	// pageSize is how many rows a page of the desk lists.
	pageSize = 50
	// fileSize is how many rows a file holds. What is older comes by the next one, whose address the file's answer names.
	fileSize = 10_000
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

func (d *Desk) found(v visitor, f eventFilter) ([]identity.Event, error) {
	if !f.known {
		return nil, nil
	}
	return d.o.Lists.Events(v.ctx(), f.query)
}

// events is the page that searches what happened, the newest first.
func (d *Desk) events(v visitor) (page templates.Desk, err error) {
	page.Title = "Events"
	f, err := d.eventFilter(v, pageSize+1)
	if err != nil {
		return page, err
	}
	kinds := []templates.DeskOption{{Value: "", Label: "all kinds"}}
	for _, kind := range slices.Sorted(slices.Values(identity.EventKinds)) {
		kinds = append(kinds, templates.DeskOption{Value: string(kind), Label: string(kind)})
	}
	page.Find = templates.DeskFind{Action: DeskPrefix + "events", Inputs: []templates.DeskInput{
		{Name: "user", Label: "Address of a person", Value: f.user},
		{Name: "client", Label: "Client", Value: f.client},
		{Name: "kind", Label: "Kind", Value: f.kind, Options: kinds},
		{Name: "since", Label: "Since (day, UTC)", Value: f.since},
	}}
	all, err := d.found(v, f)
	t := eventTable(v, all[:min(len(all), pageSize)])
	if len(all) > pageSize {
		next := f.values()
		next.Set("after", all[pageSize-1].ID.String())
		t.NextURL = DeskPrefix + "events?" + next.Encode()
	}
	for _, kind := range []string{"csv", "jsonl"} {
		t.Downloads = append(t.Downloads, templates.Link{URL: DeskPrefix + "events." + kind + "?" + f.values().Encode(), Label: strings.ToUpper(kind)})
	}
	page.Parts = []templates.DeskPart{{Table: t}}
	return page, err
}

func eventTable(v visitor, all []identity.Event) *templates.DeskTable {
	t := &templates.DeskTable{Columns: []string{"When", "What", "Detail", "App", "Who, where"}, Empty: "Nothing happened."}
	for _, e := range all {
		what := templates.DeskCell{Text: string(e.Kind)}
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
		t.Rows = append(t.Rows, []templates.DeskCell{
			v.moment(e.At), what, {Text: e.Detail}, app, {Text: cmp.Or(e.Actor, e.Address), Under: e.Browser},
		})
	}
	return t
}

// eventsCSV answers with a file for spreadsheets.
func (d *Desk) eventsCSV(w http.ResponseWriter, v visitor) error {
	all, err := d.file(w, v, "csv")
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	out := csv.NewWriter(w)
	_ = out.Write([]string{"id", "at", "kind", "user_id", "sid", "client_id", "detail", "address", "actor", "browser", "repeats"})
	for _, e := range all {
		row := []string{
			e.ID.String(), e.At.UTC().Format(time.RFC3339Nano), string(e.Kind), idText(e.UserID), idText(e.SessionID), e.ClientID,
			e.Detail, e.Address, e.Actor, e.Browser, strconv.Itoa(e.Repeats),
		}
		for i := range row {
			row[i] = identity.SheetText(row[i])
		}
		_ = out.Write(row) // fails only when the reader has gone, as does Flush
	}
	out.Flush()
	return nil
}

// eventsJSON answers with a file for programs: a line for each Event, as the API shows it.
func (d *Desk) eventsJSON(w http.ResponseWriter, v visitor) error {
	all, err := d.file(w, v, "jsonl")
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/jsonl; charset=utf-8")
	out := json.NewEncoder(w)
	for _, e := range all {
		_ = out.Encode(NewEvent(e))
	}
	return nil
}

// file reads what a file holds, and says in its answer's Link where the next one is (RFC 8288).
func (d *Desk) file(w http.ResponseWriter, v visitor, kind string) ([]identity.Event, error) {
	f, err := d.eventFilter(v, fileSize+1)
	if err != nil {
		return nil, err
	}
	all, err := d.found(v, f)
	if err != nil {
		return nil, err
	}
	if len(all) > fileSize {
		all = all[:fileSize]
		next := f.values()
		next.Set("after", all[fileSize-1].ID.String())
		w.Header().Set("Link", "<"+DeskPrefix+"events."+kind+"?"+next.Encode()+`>; rel="next"`)
	}
	w.Header().Set("Content-Disposition", `attachment; filename="events.`+kind+`"`)
	return all, nil
}

func idText(id identity.ID) string {
	if id == (identity.ID{}) {
		return ""
	}
	return id.String()
}
