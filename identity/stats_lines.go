package identity

import (
	"cmp"
	"encoding/csv"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// StatLine is one number of one day, as files tell it: for spreadsheets and for other programs' databases.
type StatLine struct {
	Day    Day    `json:"day"`
	Number string `json:"number"`       // as Stats names it in JSON
	Of     string `json:"of,omitempty"` // the cause or outcome that it is of
	Value  int64  `json:"value"`
}

// StatColumns are what a sheet of StatLines has in its first row: their members in JSON.
var StatColumns = []string{"day", "number", "of", "value"}

// StatLines are the numbers of some days.
type StatLines []StatLine

// WriteSheet writes a sheet in CSV. It fails where out does.
func (all StatLines) WriteSheet(out io.Writer) error {
	rows := [][]string{StatColumns}
	for _, l := range all {
		rows = append(rows, []string{l.Day.String(), l.Number, SheetText(l.Of), strconv.FormatInt(l.Value, 10)})
	}
	return csv.NewWriter(out).WriteAll(rows)
}

// Lines are the numbers that each day has, one after the other. Of what is told of all days together alone, as histograms and the
// funnel are, there are none; nor of what is withheld.
func (s Stats) Lines() StatLines {
	if s.Withheld {
		return nil
	}
	h, e := s.Health, s.Engagement
	var all StatLines
	add := func(number, of string, series Series) {
		for i, n := range series {
			all = append(all, StatLine{Day: s.From + Day(i), Number: number, Of: of, Value: n})
		}
	}
	for _, n := range []struct {
		name   string
		series Series
	}{
		{"forced", h.Forced},
		{"code_retries", h.CodeRetries},
		{"absorbed", h.Absorbed},
		{"reuse_caught", h.ReuseCaught},
		{"idle_ends", h.IdleEnds},
		{"begun", e.Begun},
		{"ended", e.Ended},
		{"living", e.Living},
		{"users", e.Users},
		{"users_7", e.Users7},
		{"users_30", e.Users30},
		{"devices", e.Devices},
		{"devices_7", e.Devices7},
		{"devices_30", e.Devices30},
		{"returning", e.Returning},
	} {
		add(n.name, "", n.series)
	}
	for name, causes := range map[string]ByCause{"forced_by_cause": h.ForcedBy, "ended_by_cause": e.EndedBy} {
		for cause, series := range causes {
			add(name, cause, series)
		}
	}
	for _, outcome := range slices.Sorted(maps.Keys(h.Refreshes)) {
		add("refreshes", string(outcome), h.Refreshes[outcome])
	}
	slices.SortFunc(all, func(a, b StatLine) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Number, b.Number), cmp.Compare(a.Of, b.Of))
	})
	return all
}

// SheetText is a text that no spreadsheet takes for a formula (OWASP, CSV Injection): what people and apps call themselves gets
// a quote before it where it begins like one, be it behind a semicolon, which parts cells where a comma is for decimals, and loses what
// cannot be seen.
func SheetText(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	cells := strings.Split(text, ";")
	for i, cell := range cells {
		if beginsFormula(cell) {
			cells[i] = "'" + cell
		}
	}
	return strings.Join(cells, ";")
}

func beginsFormula(cell string) bool {
	unseen := func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsGraphic(r) || r == '"' }
	begins := strings.TrimLeftFunc(cell, unseen)
	return begins != "" && strings.ContainsRune("=+-@|%＝＋－＠", []rune(begins)[0])
}
