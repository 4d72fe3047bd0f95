package admin

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/templates"
)

const (
	// pageSize is how many rows a page of the desk lists.
	pageSize = 50
	// fileSize is how many rows a file holds. What is older comes by the next one, whose address the file's answer names.
	fileSize = 10_000
	// appFileSize is that of files of apps, each of which may say much of itself.
	appFileSize = 1000

	sheetType = "text/csv; charset=utf-8"
)

// listing is a list of the desk: a page shows some of it, a file holds more.
type listing[Row any] struct {
	path string // of its page; its files are there too, with .csv and .jsonl
	size int    // how many rows a file holds
	// find reads at most so many rows, and says what was asked for: what leads to the next page or file asks it again.
	find    func(d *Desk, v visitor, limit int) ([]Row, url.Values, error)
	id      func(Row) string // by which the rows after it are found; nil: the list is short and comes whole
	line    func(Row) any    // without secrets
	columns []string         // of a sheet: members of the line, by their names in JSON
}

// read is what a page or a file holds, and the query of the next one: nil where there is none.
func (l listing[Row]) read(v visitor, most int) (rows []Row, asked, next url.Values, err error) {
	rows, asked, err = l.find(v.d, v, most+1)
	if err != nil || l.id == nil || len(rows) <= most {
		return rows, asked, nil, err
	}
	next = url.Values{"after": {l.id(rows[most-1])}}
	for name := range asked {
		next.Set(name, asked.Get(name))
	}
	return rows[:most], asked, next, nil
}

// fill fills a page's table, and returns what was asked for.
func (l listing[Row]) fill(v visitor, t *templates.DeskTable, row func(Row) []templates.DeskCell) (url.Values, error) {
	rows, asked, next, err := l.read(v, pageSize)
	if err != nil {
		return asked, err
	}
	for _, one := range rows {
		t.Rows = append(t.Rows, row(one))
	}
	if next != nil {
		t.NextURL = DeskPrefix + l.path + "?" + next.Encode()
	}
	t.Downloads = l.downloads(asked)
	return asked, nil
}

// downloads lead to the files of what was asked for.
func (l listing[Row]) downloads(asked url.Values) (all []templates.Link) {
	for _, kind := range []string{"csv", "jsonl"} {
		to := DeskPrefix + l.path + "." + kind
		if len(asked) > 0 {
			to += "?" + asked.Encode()
		}
		all = append(all, templates.Link{URL: to, Label: strings.ToUpper(kind)})
	}
	return all
}

// sheet answers with a list as a file for spreadsheets.
func (l listing[Row]) sheet(_ *Desk, w http.ResponseWriter, v visitor) error {
	rows, err := l.file(w, v, "csv")
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", sheetType)
	out := csv.NewWriter(w)
	_ = out.Write(l.columns)
	for _, one := range rows {
		_ = out.Write(cells(l.line(one), l.columns)) // fails only when the reader has gone, as does Flush
	}
	out.Flush()
	return nil
}

// lines answers with a list as a file for programs: JSON lines.
func (l listing[Row]) lines(_ *Desk, w http.ResponseWriter, v visitor) error {
	rows, err := l.file(w, v, "jsonl")
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/jsonl; charset=utf-8")
	out := json.NewEncoder(w)
	for _, one := range rows {
		_ = out.Encode(l.line(one))
	}
	return nil
}

// file reads what a file holds, and says in its answer's Link where the next one is (RFC 8288).
func (l listing[Row]) file(w http.ResponseWriter, v visitor, kind string) ([]Row, error) {
	rows, _, next, err := l.read(v, l.size)
	if err != nil {
		return nil, err
	}
	if next != nil {
		w.Header().Set("Link", "<"+DeskPrefix+l.path+"."+kind+"?"+next.Encode()+`>; rel="next"`)
	}
	w.Header().Set("Content-Disposition", `attachment; filename="`+l.path+"."+kind+`"`)
	return rows, nil
}

// cells are members of a line as texts that no spreadsheet takes for formulas. What a list holds stands side by side.
func cells(line any, columns []string) []string {
	text, _ := json.Marshal(line) // of our own types: it cannot fail
	members, in := map[string]any{}, json.NewDecoder(bytes.NewReader(text))
	in.UseNumber()
	_ = in.Decode(&members)
	row := make([]string, len(columns))
	for i, name := range columns {
		switch value := members[name].(type) {
		case nil:
		case []any:
			row[i] = identity.SheetText(strings.TrimSuffix(fmt.Sprintln(value...), "\n"))
		default:
			row[i] = identity.SheetText(fmt.Sprint(value))
		}
	}
	return row
}
