package admin

import (
	"context"
	"fmt"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

// numbers are what the overview draws: sums of days, of nobody in particular.
type numbers interface {
	Stats(ctx context.Context, q identity.StatsQuery) (identity.Stats, error)
}

const (
	// overviewDays is how many days the overview looks back, today included.
	overviewDays = 28
	// lastEvents is how many Events it shows, lastUnusual how many of what rules found.
	lastEvents  = 10
	lastUnusual = 5
)

// overview is the page that the desk begins with: what waits for an operator, what rules found unusual, how Sessions fare, who uses the apps, what happened last.
func (d *Desk) overview(v visitor) (page templates.Desk, err error) {
	page.Title = "Overview"
	waiting, err := d.waiting(v)
	if err != nil {
		return page, err
	}
	s, err := d.overviewNumbers(v)
	if err != nil {
		return page, err
	}
	unusual, err := d.o.Lists.Unusual(v.ctx(), lastUnusual)
	if err != nil {
		return page, err
	}
	found, err := d.eventsOf(v, unusual)
	if err != nil {
		return page, err
	}
	found.Empty = "Nothing unusual was found."
	last, err := d.o.Lists.Events(v.ctx(), identity.EventQuery{Limit: lastEvents})
	if err != nil {
		return page, err
	}
	t, err := d.eventsOf(v, last)
	t.NextURL = DeskPrefix + "events"
	page.Parts = append([]templates.DeskPart{waiting, {Title: "Found unusual", Table: found}}, drawn(s)...)
	page.Parts = append(page.Parts, templates.DeskPart{Title: "What happened last", Table: t})
	return page, err
}

// eventsOf is a table of what happened to whom.
func (d *Desk) eventsOf(v visitor, all []identity.Event) (*templates.DeskTable, error) {
	t := eventTable(v, all)
	return t, d.addPersons(v, t, all)
}

// overviewNumbers are those of the days that the overview looks back.
func (d *Desk) overviewNumbers(v visitor) (identity.Stats, error) {
	today := d.o.Calendar.DayOf(v.now())
	return d.o.Numbers.Stats(v.ctx(), identity.StatsQuery{From: today - overviewDays + 1, To: today})
}

// drawn are the numbers as pictures; of a new server there are none for some minutes.
func drawn(s identity.Stats) []templates.DeskPart {
	if len(s.Uncounted) == overviewDays {
		return []templates.DeskPart{{Title: "Health and use", Text: "Nothing has been counted yet. The first numbers come within some minutes of the first start."}}
	}
	return append(health(s), engagement(s)...)
}

// health is how Sessions fared.
func health(s identity.Stats) []templates.DeskPart {
	if s.Withheld {
		return nil
	}
	h := s.Health
	rates := make([]templates.DeskPoint, len(h.ForcedRates))
	for i, rate := range h.ForcedRates {
		rates[i] = point(s, i, rate, share(rate))
		rates[i].Missing = rate < 0
	}
	return []templates.DeskPart{{
		Title: "Forced sign-ins", Text: "People who had to sign in again although nobody asked for it, for a thousand active devices a day. Here and below, days are those of " + s.Zone + ".",
		Facts: []templates.DeskFact{
			fact("Rate, 28 days", share(h.ForcedRate)), fact("Forced sign-ins", fmt.Sprint(h.Forced.Sum())),
			fact("Lost answers absorbed", fmt.Sprint(h.Absorbed.Sum())), fact("Absorbed, of 1,000 refreshes", share(h.AbsorbedRate)),
			fact("Reuse caught", fmt.Sprint(h.ReuseCaught.Sum())),
		},
		Chart: &templates.DeskChart{
			Says: fmt.Sprintf("Forced sign-ins for a thousand devices, day by day. Over all days: %s.", share(h.ForcedRate)), Line: true, Points: rates,
			Names: [2]string{"Day", "Rate"},
		},
	}, {Title: "On the way to a sign-in", Table: funnel(h.Funnel)}}
}

// share says a rate; one below nothing is of no day on which a device was active.
func share(rate float64) string {
	if rate < 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", rate)
}

// stepNames are what steps of signing in are called to people.
var stepNames = map[string]string{
	"asked": "The app asked", "password": "Password or sign-up", "factor": "Second factor", "consent": "Consent, or a press", "code": "Back at the app",
	"tokens": "Signed in",
}

func funnel(stages []identity.Stage) *templates.DeskTable {
	t := &templates.DeskTable{Columns: []string{"Step", "Came to it", "Went on", "Left there"}, Empty: "Nobody was asked to sign in."}
	for _, s := range stages {
		if s.Reached == 0 {
			continue
		}
		t.Rows = append(t.Rows, []templates.DeskCell{{Text: stepNames[s.Step]}, {Text: fmt.Sprint(s.Reached)}, {Text: fmt.Sprint(s.Passed)}, {Text: fmt.Sprint(s.Left)}})
	}
	return t
}

// engagement is who used the apps.
func engagement(s identity.Stats) []templates.DeskPart {
	if s.Withheld {
		return []templates.DeskPart{{Title: "Who uses the apps", Text: "Fewer than five devices were active: nothing is told of so few."}}
	}
	e := s.Engagement
	return []templates.DeskPart{{
		Title: "People who use the apps",
		Facts: []templates.DeskFact{
			latest("Today", s, e.Users), latest("7 days", s, e.Users7), latest("30 days", s, e.Users30),
			latest("Devices today", s, e.Devices), latest("Devices, 30 days", s, e.Devices30),
		},
		Chart: &templates.DeskChart{Says: "People active on each day.", Points: points(s, e.Users), Names: [2]string{"Day", "People"}},
	}, {
		Title: "Sessions",
		Facts: []templates.DeskFact{
			latest("Living", s, e.Living), fact("Begun", fmt.Sprint(e.Begun.Sum())), fact("Ended", fmt.Sprint(e.Ended.Sum())),
			fact("Half of them last longer than", length(e.Length.P50)),
		},
		Chart: &templates.DeskChart{Says: "Sessions that live as each day ends.", Line: true, Points: points(s, e.Living), Names: [2]string{"Day", "Living"}},
	}, {
		Title: "All numbers of these days", Table: &templates.DeskTable{
			Empty: "Each number of each day, for a spreadsheet or for a program.", Downloads: listedNumbers.downloads(nil),
		},
	}}
}

func fact(name, text string) templates.DeskFact {
	return templates.DeskFact{Name: name, DeskCell: templates.DeskCell{Text: text}}
}

func point(s identity.Stats, i int, value float64, text string) templates.DeskPoint {
	return templates.DeskPoint{Label: (s.From + identity.Day(i)).String(), Value: value, Text: text}
}

func points(s identity.Stats, series identity.Series) []templates.DeskPoint {
	all := make([]templates.DeskPoint, len(series))
	for i, n := range series {
		all[i] = point(s, i, float64(n), fmt.Sprint(n))
		if !s.Counted(s.From + identity.Day(i)) {
			all[i].Missing, all[i].Text = true, notCounted
		}
	}
	return all
}

// notCounted stands for the number of a day that no roll-up has looked at yet, which is not 0.
const notCounted = "–"

// latest is a fact of the last day of all.
func latest(name string, s identity.Stats, series identity.Series) templates.DeskFact {
	if !s.Counted(s.To) {
		return fact(name, notCounted)
	}
	return fact(name, fmt.Sprint(series.Last()))
}

// length says a length of time in days or hours; 0 is one that nobody could see yet.
func length(seconds int64) string {
	const day = 24 * 60 * 60
	switch {
	case seconds == 0:
		return "not known yet"
	case seconds >= 2*day:
		return fmt.Sprintf("%d days", seconds/day)
	}
	return (time.Duration(seconds) * time.Second).String()
}

// waiting lists what goes on only when an operator does something.
func (d *Desk) waiting(v visitor) (part templates.DeskPart, err error) {
	t := &templates.DeskTable{Columns: []string{"What", "How much", "Since"}, Empty: "Nothing waits for you."}
	add := func(path, what, much string, since time.Time) {
		t.Rows = append(t.Rows, []templates.DeskCell{{Text: what, URL: DeskPrefix + path}, {Text: much}, v.moment(since)})
	}
	if err := d.openCases(v, add); err != nil {
		return part, err
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

// manyCases is how many open ones the overview counts.
const manyCases = 100

// openCases says how many cases nobody closed yet.
func (d *Desk) openCases(v visitor, add func(path, what, much string, since time.Time)) error {
	open, err := d.o.Lists.Cases(v.ctx(), identity.CaseQuery{State: identity.CaseOpen, Limit: manyCases})
	if err != nil || len(open) == 0 {
		return err
	}
	much := fmt.Sprint(len(open))
	if len(open) == manyCases {
		much += " or more"
	}
	add("cases?state=open", "Open cases", much, open[len(open)-1].Found.At)
	return nil
}
