package admin

import (
	"net/http"
	"net/url"

	"github.com/sojourn-auth/sojourn/identity"
)

// statsShow answers GET /api/stats: the numbers of some days.
func (a *API) statsShow(r *http.Request) (any, error) {
	q := queryOf(r, "from", "to", "client", "platform", "version")
	asked := q.stats()
	if q.err != nil {
		return nil, q.err
	}
	return a.o.Lists.Stats(r.Context(), asked)
}

// statsDays answers GET /api/stats/days: the same, a number of a day a line, or as a sheet.
func (a *API) statsDays(r *http.Request) (any, error) {
	q := queryOf(r, "from", "to", "client", "platform", "version", "format")
	asked, format := q.stats(), q.text("format")
	if format != "" && format != "jsonl" && format != "csv" {
		q.refuse("format", "Send csv or jsonl.")
	}
	if q.err != nil {
		return nil, q.err
	}
	stats, err := a.o.Lists.Stats(r.Context(), asked)
	if err != nil {
		return nil, err
	}
	if format == "csv" {
		return stats.Lines(), nil
	}
	return lines(func(each func(any) error) error {
		for _, line := range stats.Lines() {
			if err := each(line); err != nil {
				return err
			}
		}
		return nil
	}), nil
}

// listedNumbers are what the overview draws, a number of a day a line.
var listedNumbers = listing[identity.StatLine]{
	path: "numbers",
	find: func(d *Desk, v visitor, _ int) ([]identity.StatLine, url.Values, error) {
		s, err := d.overviewNumbers(v)
		return s.Lines(), nil, err
	},
	line:    func(l identity.StatLine) any { return l },
	columns: identity.StatColumns,
}

// statsGroups answers GET /api/stats/groups: all, or one client, in parts.
func (a *API) statsGroups(r *http.Request) (any, error) {
	q := queryOf(r, "from", "to", "client", "by")
	asked := q.stats()
	if q.err != nil {
		return nil, q.err
	}
	return a.o.Lists.StatGroups(r.Context(), asked, identity.GroupBy(q.text("by")))
}

func (q *query) stats() identity.StatsQuery {
	return identity.StatsQuery{
		From: q.day("from"),
		To:   q.day("to"),
		Scope: identity.Scope{
			ClientID: q.text("client"),
			Platform: q.text("platform"),
			Version:  q.text("version"),
		},
	}
}

// day is the zero day where the parameter is absent.
func (q *query) day(name string) identity.Day {
	if q.text(name) == "" {
		return 0
	}
	day, err := identity.ReadDay(q.text(name))
	if err != nil {
		q.refuse(name, "Send a day like 2026-11-28.")
	}
	return day
}
