package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
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

// maxSecret bounds a password or a client's secret on the standard input, in bytes.
const maxSecret = 4 << 10

// readSecret reads a secret from the standard input: all of it but one line break at the end, which an echo or an editor
// puts there. An argument would be seen by everyone who lists processes.
func (p *program) readSecret() (string, error) {
	text, err := io.ReadAll(io.LimitReader(p.in, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("read the standard input: %w", err)
	}
	if len(text) > maxSecret {
		return "", errors.New("the standard input holds more than 4,096 bytes: give the secret alone")
	}
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	return string(text), nil
}

// maxListed bounds one list.
const maxListed = 1000

// limitFlag adds --limit to a command that lists what there may be very much of.
func limitFlag(cmd *cobra.Command, limit *int) {
	*limit = 100
	cmd.Flags().IntVar(limit, "limit", *limit, "list so many, at most 1,000")
}

func checkLimit(limit int) error {
	if limit < 1 || limit > maxListed {
		return fmt.Errorf("--limit: between 1 and 1,000, not %d", limit)
	}
	return nil
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
