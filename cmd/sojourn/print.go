package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// print says the result: v as JSON with --json, else the sentence.
func (p *program) print(v any, sentence string) error {
	if !p.json {
		_, err := fmt.Fprintln(p.out, sentence)
		return err
	}
	encoder := json.NewEncoder(p.out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// listing is what a command lists: the first limit of all, of which one more was asked for.
type listing[From, To any] struct {
	all   []From
	limit int
	show  func(From) To
	line  func(From) string
	none  string // the sentence for an empty list
}

// cut returns the views and what is said of them.
func (l listing[From, To]) cut() (views []To, text string, more bool) {
	more = len(l.all) > l.limit
	views = make([]To, min(len(l.all), l.limit))
	lines := make([]string, len(views))
	for i := range views {
		views[i], lines[i] = l.show(l.all[i]), l.line(l.all[i])
	}
	switch {
	case more:
		lines = append(lines, fmt.Sprintf("There are more: these are the first %d.", l.limit))
	case len(views) == 0:
		lines = []string{l.none}
	}
	return views, strings.Join(lines, "\n"), more
}

// details are lines of names and what is known by them; what is not known is left out.
func details(facts [][2]string) string {
	var lines []string
	for _, fact := range facts {
		if fact[1] != "" {
			lines = append(lines, fmt.Sprintf("%-10s %s", fact[0], fact[1]))
		}
	}
	return strings.Join(lines, "\n")
}

// moment is a time as people read it, "" for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateTime) + " UTC"
}
