package server_test

import (
	"regexp"
	"strings"
	"testing"
)

// clauses are the sections that ask for something, by the documents that docs/rfc9700.md goes through.
var clauses = map[string]string{
	"RFC 9700": "2.1 2.1.1 2.1.2 2.2.1 2.2.2 2.3 2.4 2.5 2.6 4.1.3 4.2.4 4.3.1 4.3.2 4.4.2.1 4.4.2.2 4.5.3.1 4.5.3.2 4.6.1 4.7.1 " +
		"4.8.2 4.9.3 4.10.1 4.10.2 4.10.3 4.11.1 4.11.2 4.12 4.13 4.14.2 4.15.1 4.16 4.17.2",
	"draft-ietf-oauth-security-topics-update": "2.1.2 2.2.2 2.3.2",
	"OAuth 2.1": "1.5 1.6 2 2.1 2.2 2.3 2.3.1 2.3.2 2.3.3 2.3.4 2.3.5 2.3.6 2.4 2.4.1 2.4.2 2.5 3.1 3.2 3.2.1 3.2.2 3.2.3 3.2.4 " +
		"4.1.1 4.1.2 4.1.2.1 4.1.3 4.2 4.3.1 4.3.2 4.3.3 4.4 5.1.1 5.1.2 5.2 5.3.1 5.3.2 7.1.2 7.1.3 7.1.4 7.2 7.3 7.3.1 7.3.2 7.4 " +
		"7.5 7.5.1 7.5.2 7.5.3 7.5.4 7.6 7.7 7.8 7.9 7.10 7.11 7.12 7.13.1 7.13.2 7.14 7.15.1 7.15.2 8.1 8.1.1 8.1.2 8.2 8.3 8.4.1 " +
		"8.4.2 8.4.3 8.5.1 8.5.2 8.5.3 8.5.4 9 10.1 10.2",
}

var (
	section = regexp.MustCompile(`§([0-9.]*[0-9])`)
	// place is a file, and what it declares.
	place = regexp.MustCompile("`([a-z_]+/[\\w./-]+\\.go)` (\\w+)")
)

// Each section has a row, and each row a place in the code that is there and a test. That the tests are there is
// TestDocs_testsThatAreNamedExist's.
func TestDocs_everyClauseOfTheSecurityPracticesIsEnforcedAndTested(t *testing.T) {
	t.Parallel()
	parts := strings.Split(read(t, "docs/rfc9700.md"), "\n## ")[1:]
	if len(parts) != len(clauses) {
		t.Errorf("there are %d documents, want %d", len(parts), len(clauses))
	}
	for _, part := range parts {
		title, text, _ := strings.Cut(part, "\n")
		told := map[string]bool{}
		for _, row := range rowsOf(text) {
			if len(row) != 4 {
				t.Errorf("%s: %q is not: clause, place, test, how", title, row)
				continue
			}
			for _, found := range section.FindAllStringSubmatch(row[0], -1) {
				told[found[1]] = true
			}
			checkPlaces(t, row)
			if !testName.MatchString(row[2]) {
				t.Errorf("%s: %s has no test", title, row[0])
			}
		}
		for want := range strings.FieldsSeq(clauses[title]) {
			if !told[want] {
				t.Errorf("%s §%s has no row", title, want)
			}
		}
		if clauses[title] == "" {
			t.Errorf("which sections of %q ask for something?", title)
		}
	}
}

// checkPlaces asks that each file of a row declares what the row says.
func checkPlaces(t *testing.T, row []string) {
	t.Helper()
	places := place.FindAllStringSubmatch(row[1], -1)
	if len(places) == 0 || len(places) != len(strings.Split(row[1], ", ")) {
		t.Errorf("%s: %q is no list of files and functions", row[0], row[1])
	}
	for _, p := range places {
		if !regexp.MustCompile(`(?m)^func (?:\([^)]*\) )?` + p[2] + `\b`).MatchString(read(t, p[1])) {
			t.Errorf("%s: %s does not declare %s", row[0], p[1], p[2])
		}
	}
}
