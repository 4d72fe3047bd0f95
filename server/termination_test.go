package server

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// contract is docs/termination.md: what each cause does, by effect.
type contract struct {
	effects []string
	rows    []contractRow
}

type contractRow struct {
	cause string
	cells map[string]string // by effect: names between spaces, all, or - for none
}

// readContract reads the one table whose first column holds causes in backticks.
func readContract(t *testing.T) (c contract) {
	t.Helper()
	text, err := os.ReadFile("../docs/termination.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case cells[0] == "Cause":
			c.effects = cells[2:]
		case strings.HasPrefix(cells[0], "`") && len(cells) == len(c.effects)+2:
			row := contractRow{strings.Trim(cells[0], "`"), map[string]string{}}
			for i, effect := range c.effects {
				row.cells[effect] = cells[i+2]
			}
			c.rows = append(c.rows, row)
		}
	}
	return c
}

// everyone is who "all" stands for in a column.
func everyone(effect string) []string {
	switch effect {
	case "cookie":
		return []string{"phone", "tablet"}
	case "grants":
		return []string{"off", "sib", "this"}
	}
	return []string{"far", "off", "sib", "this", "twin"}
}

// struck are the names in a cell, sorted.
func struck(effect, cell string) []string {
	if cell == "all" {
		return everyone(effect)
	}
	return slices.Sorted(slices.Values(strings.Fields(strings.Trim(cell, "-"))))
}

// TestTermination plays every cause of docs/termination.md and checks each of its cells.
func TestTermination(t *testing.T) {
	t.Parallel()
	table := readContract(t)
	if len(table.effects) != len(effects) {
		t.Fatalf("the table's effects are %v", table.effects)
	}
	var told []string
	for _, row := range table.rows {
		told = append(told, row.cause)
		play, known := causes[row.cause]
		if !known {
			t.Errorf("nothing plays %s", row.cause)
			continue
		}
		for _, kind := range storagetest.Kinds(t) {
			t.Run(row.cause+"/"+kind, func(t *testing.T) {
				t.Parallel()
				s := newScene(t, kind, play)
				s.perform(t, play)
				for _, effect := range table.effects {
					t.Run(effect, func(t *testing.T) { s.compare(t, row, effect) })
				}
			})
		}
	}
	if unwritten := slices.Sorted(maps.Keys(causes)); !slices.Equal(slices.Sorted(slices.Values(told)), unwritten) {
		t.Errorf("the document tells of %v, the test plays %v", told, unwritten)
	}
}

func (s *scene) compare(t *testing.T, row contractRow, effect string) {
	t.Helper()
	check, known := effects[effect]
	if !known {
		t.Fatalf("nothing checks %s", effect)
	}
	want := struck(effect, row.cells[effect])
	got := check(s, t, want)
	slices.Sort(got)
	t.Logf("%-28s %-8s %s", row.cause, effect, strings.Join(got, " "))
	if !slices.Equal(got, want) {
		t.Errorf("%s strikes %v, the table says %v", effect, got, want)
	}
}
