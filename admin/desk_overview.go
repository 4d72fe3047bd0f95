package admin

import (
	"fmt"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// overview is the page that the desk begins with: what waits for an operator, then what happened last.
func (d *Desk) overview(v visitor) (page templates.Desk, err error) {
	page.Title = "Overview"
	waiting, err := d.waiting(v)
	if err != nil {
		return page, err
	}
	page.Parts = append(page.Parts, waiting)
	last, err := d.o.Lists.Events(v.ctx(), identity.EventQuery{Limit: lastEvents})
	t := eventTable(v, last)
	t.NextURL = DeskPrefix + "events"
	page.Parts = append(page.Parts, templates.DeskPart{Title: "What happened last", Table: t})
	return page, err
}

// lastEvents is how many Events the overview shows.
const lastEvents = 10

// waiting lists what goes on only when an operator does something.
func (d *Desk) waiting(v visitor) (part templates.DeskPart, err error) {
	t := &templates.DeskTable{Columns: []string{"What", "How much", "Since"}, Empty: "Nothing waits for you."}
	add := func(path, what, much string, since time.Time) {
		t.Rows = append(t.Rows, []templates.DeskCell{{Text: what, URL: DeskPrefix + path}, {Text: much}, v.moment(since)})
	}
	counts, err := d.o.Rows.CountDeliveries(v.ctx())
	if err != nil {
		return part, err
	}
	for _, c := range counts {
		if c.Dead > 0 {
			add("deliveries?state=dead", fmt.Sprintf("Deliveries given up: %s", c.Kind), fmt.Sprint(c.Dead), time.Time{})
		}
	}
	hooks, err := d.o.Webhooks.All(v.ctx())
	if err != nil {
		return part, err
	}
	for _, w := range hooks {
		if !w.MissedSince.IsZero() {
			add("webhooks/"+w.Name, "A webhook missed events: "+w.Name, "replay it", w.MissedSince)
		}
	}
	return templates.DeskPart{Title: "Waits for an operator", Table: t}, nil
}
