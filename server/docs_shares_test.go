package server_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// declared is what a cell says that the code declares: `identity.MaxSessions = 100`.
var declared = regexp.MustCompile("`([a-z]+)\\.(\\w+) = ([^`]+)`")

// The table of what one may hold says what the code says: whoever changes a limit changes the table.
func TestDocs_sharesAreThoseOfTheCode(t *testing.T) {
	t.Parallel()
	packages, checked := map[string]map[string]string{}, 0
	for _, row := range rows(t, "docs/security.md") {
		for _, limit := range declared.FindAllStringSubmatch(row[len(row)-1], -1) {
			where, name, says := limit[1], limit[2], limit[3]
			if packages[where] == nil {
				packages[where] = values(t, map[string]string{"main": "cmd/sojourn"}[where], where)
			}
			if is := packages[where][name]; is != says {
				t.Errorf("%s: the table says that %s.%s is %s, and the code that it is %q", row[0], where, name, says, is)
			}
			checked++
		}
	}
	if checked < 25 {
		t.Errorf("only %d limits were found", checked)
	}
}

// values are what the constants and variables of a package are declared as, by name.
func values(t *testing.T, folder, name string) map[string]string {
	t.Helper()
	if folder == "" {
		folder = name
	}
	files, err := filepath.Glob(filepath.Join(repository, folder, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no package %s: %v", folder, err)
	}
	all, set := map[string]string{}, token.NewFileSet()
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(set, path, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if group, is := d.(*ast.GenDecl); is {
				for _, spec := range group.Specs {
					note(t, set, all, spec)
				}
			}
		}
	}
	return all
}

// note keeps the source of each value that a declaration gives.
func note(t *testing.T, set *token.FileSet, all map[string]string, spec ast.Spec) {
	t.Helper()
	value, is := spec.(*ast.ValueSpec)
	if !is || len(value.Names) != len(value.Values) {
		return
	}
	for i, name := range value.Names {
		var source bytes.Buffer
		if err := printer.Fprint(&source, set, value.Values[i]); err != nil {
			t.Fatal(err)
		}
		all[name.Name] = source.String()
	}
}
