package admin

import (
	"encoding/csv"
	"encoding/json"
	"net/http"

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
		return sheet(stats.Lines()), nil
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

// sheet is an answer for spreadsheets.
type sheet []identity.StatLine

func (s sheet) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	out := csv.NewWriter(w)
	_ = out.Write(identity.StatColumns)
	for _, line := range s {
		_ = out.Write(line.Cells()) // fails only when the reader has gone, as does Flush
	}
	out.Flush()
}

// statsCSV and statsJSON answer with what the overview draws as a file, for spreadsheets and for programs.
func (d *Desk) statsCSV(w http.ResponseWriter, v visitor) error {
	s, err := d.overviewNumbers(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Disposition", `attachment; filename="numbers.csv"`)
	sheet(s.Lines()).write(w)
	return nil
}

func (d *Desk) statsJSON(w http.ResponseWriter, v visitor) error {
	s, err := d.overviewNumbers(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Disposition", `attachment; filename="numbers.jsonl"`)
	w.Header().Set("Content-Type", "application/jsonl; charset=utf-8")
	out := json.NewEncoder(w)
	for _, line := range s.Lines() {
		_ = out.Encode(line)
	}
	return nil
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
