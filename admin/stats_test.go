package admin_test

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

// Every number of every day is there as a sheet and as lines, the same in both, by the API and at the desk.
func TestDownloads_numbersOfDays(t *testing.T) {
	t.Parallel()
	o := newOffice(t, storage.SQLite)
	c := o.clerk("boss@example.com", identity.RoleReader).enter()
	rows, err := csv.NewReader(strings.NewReader(c.get("/desk/numbers.csv").Find("body").Text())).ReadAll()
	o.ok(err)
	lines := strings.Split(strings.TrimSpace(c.get("/desk/numbers.jsonl").Find("body").Text()), "\n")
	if rows[0][0] != "day" || len(rows)-1 != len(lines) && len(rows) > 1 {
		t.Errorf("%d rows, %d lines, %v", len(rows), len(lines), rows[0])
	}
}

// A day that no roll-up has looked at is no day on which nothing happened.
func TestDesk_aDayThatWasNotCountedIsAGapAndNoZero(t *testing.T) {
	t.Parallel()
	inOffice(t, func(o *office) {
		c := o.clerk("reader@example.com", identity.RoleReader).enter()
		if page := c.get("/desk/"); page.Find("svg").Length() != 0 || !strings.Contains(page.words(), "Nothing has been counted yet") {
			o.Errorf("before the first day was counted: %s", page.words())
		}
		o.begin(o.user("ada@example.com"), o.client("notes").ID)
		o.ok(o.db.RollUp(o.Context()))
		counted := c.get("/desk/")
		o.pass(20 * time.Hour) // the next day has begun, and nobody counted it
		c.signIn()
		page := c.enter().get("/desk/")
		if fresh, old := today(counted), today(page); fresh == "–" || old != "–" {
			o.Errorf("today's people are %q, and %q where nobody counted", fresh, old)
		}
		numbers := page.Find("figure table").Last().Find("tbody tr")
		if last, before := numbers.Last().Text(), numbers.Eq(numbers.Length()-2).Text(); !strings.Contains(last, "–") || strings.Contains(before, "–") {
			o.Errorf("the last days are %q and %q", before, last)
		}
	})
}

// today is what the overview says of the people of today.
func today(page sheet) string {
	return strings.TrimSpace(page.Find("dt").FilterFunction(func(_ int, dt *goquery.Selection) bool { return dt.Text() == "Today" }).Next().Text())
}

func TestStats_daysComeAsFilesByTheAPIToo(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		d.ok(d.db.RollUp(d.Context()))
		today := d.db.Calendar().DayOf(d.now()).String()
		ask := "GET /api/stats/days?from=" + today + "&to=" + today
		rows, err := csv.NewReader(strings.NewReader(d.want(http.StatusOK, ask+"&format=csv", nil).body)).ReadAll()
		d.ok(err)
		lines := strings.Split(strings.TrimSpace(d.want(http.StatusOK, ask, nil).body), "\n")
		d.same(identity.StatColumns, rows[0])
		if len(rows) < 2 || len(rows)-1 != len(lines) {
			d.Errorf("%d rows, %d lines", len(rows), len(lines))
		}
		var line identity.StatLine
		d.ok(json.Unmarshal([]byte(lines[0]), &line))
		d.same([]string{line.Day.String(), line.Number, line.Of, strconv.FormatInt(line.Value, 10)}, rows[1])
		d.want(http.StatusBadRequest, ask+"&format=xml", nil)
	})
}

// Days are those of SOJOURN_TIMEZONE: a question with a zone of its own, be it none, or with a day that no calendar has is not
// answered with other days than were meant.
func TestStats_neitherAskedZonesNorDaysThatAreNone(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		for _, path := range []string{"/api/stats", "/api/stats/days", "/api/stats/groups"} {
			for query, said := range map[string]string{
				"time_zone=Europe/Atlantis": "There is no such parameter here. Use: from, to, client", "tz=UTC": "There is no such parameter here",
				"from=2026-02-30": "Send a day like 2026-11-28.", "to=2026-11-28T00:00:00Z": "Send a day like 2026-11-28.",
				"from=2026-11-28%20Europe/Atlantis": "Send a day like 2026-11-28.",
			} {
				if got := d.want(http.StatusBadRequest, "GET "+path+"?"+query, nil); !strings.Contains(got.body, said) {
					d.Errorf("%s?%s: %s", path, query, got.body)
				}
			}
		}
	})
}

func TestStats_linesTellEveryDayOfEverySeries(t *testing.T) {
	t.Parallel()
	s := identity.Stats{From: 20_000, To: 20_001, Health: identity.Health{
		Forced: identity.Series{1, 2}, ForcedBy: identity.ByCause{"=reuse": {3, 4}},
		Refreshes: map[identity.RefreshOutcome]identity.Series{"rotated": {5, 6}},
	}, Engagement: identity.Engagement{EndedBy: identity.ByCause{"idle": {7, 8}}, Living: identity.Series{9, 10}}}
	var sheet strings.Builder
	if err := s.Lines().WriteSheet(&sheet); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(sheet.String())).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range rows[1:] {
		got = append(got, strings.Join(row, " "))
	}
	want := []string{
		"2024-10-04 ended_by_cause idle 7", "2024-10-04 forced  1", "2024-10-04 forced_by_cause '=reuse 3", "2024-10-04 living  9",
		"2024-10-04 refreshes rotated 5", "2024-10-05 ended_by_cause idle 8", "2024-10-05 forced  2", "2024-10-05 forced_by_cause '=reuse 4",
		"2024-10-05 living  10", "2024-10-05 refreshes rotated 6",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	s.Withheld = true
	if len(s.Lines()) > 0 {
		t.Error("what is withheld is in the file")
	}
}
