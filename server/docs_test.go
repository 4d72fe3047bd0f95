package server_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/config"
)

// repository is where this test finds what the documents speak of.
const repository = ".."

var (
	testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	testName     = regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+`)
	fileName     = regexp.MustCompile("`([a-z_]+/[\\w./*-]+\\.(?:go|md|sql|yml))`")
	link         = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	variable     = regexp.MustCompile(`SOJOURN_[A-Z_]+`)
	yamlExample  = regexp.MustCompile("(?s)```yaml\n(.+?)```")
)

// A row says clause, file, test, difference. None is without a test: what is not offered has one that it is refused or not there.
func TestDocs_everyClauseHasAFileAndATest(t *testing.T) {
	t.Parallel()
	clauses := 0
	for _, row := range rows(t, "docs/rfc.md") {
		if len(row) != 4 || row[0] == "" || !fileName.MatchString(row[1]) {
			t.Errorf("%q is not: clause, file, test, difference", row)
			continue
		}
		if !testName.MatchString(row[2]) {
			t.Errorf("%s: %q is no test", row[0], row[2])
		}
		clauses++
	}
	if clauses < 100 {
		t.Errorf("only %d clauses were found", clauses)
	}
}

func TestDocs_testsThatAreNamedExist(t *testing.T) {
	t.Parallel()
	known := testFunctions(t)
	for _, doc := range documents(t) {
		for _, name := range testName.FindAllString(read(t, doc), -1) {
			if !known[name] {
				t.Errorf("%s: there is no %s", doc, name)
			}
		}
	}
}

func TestDocs_filesAndLinksExist(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, doc := range documents(t) {
		var places []string
		for _, found := range link.FindAllStringSubmatch(read(t, doc), -1) {
			to, _, _ := strings.Cut(found[1], "#")
			if to != "" && !strings.Contains(to, "://") {
				places = append(places, filepath.Join(filepath.Dir(doc), to))
			}
		}
		// A decision is of its day: the files that it names may have moved since.
		if filepath.Dir(doc) != "docs/decisions" {
			for _, found := range fileName.FindAllStringSubmatch(read(t, doc), -1) {
				places = append(places, found[1])
			}
		}
		for _, place := range places {
			if found, err := filepath.Glob(filepath.Join(repository, place)); err != nil || len(found) == 0 {
				t.Errorf("%s leads to %s, which is not there", doc, place)
			}
			checked++
		}
	}
	if checked < 100 {
		t.Errorf("only %d links and files were found", checked)
	}
}

// A stranger who asks where a rule lives finds the file by its name: each word of the name is in the question, and the
// file declares what the answer says.
func TestDocs_aRuleLivesWhereItsNameSays(t *testing.T) {
	t.Parallel()
	questions := 0
	for _, row := range rows(t, "docs/architecture.md") {
		if len(row) != 3 || !fileName.MatchString(row[1]) {
			continue
		}
		file, declared := strings.Trim(row[1], "`"), strings.Trim(row[2], "`")
		for word := range strings.SplitSeq(strings.TrimSuffix(filepath.Base(file), ".go"), "_") {
			if !strings.Contains(strings.ToLower(row[0]), strings.TrimSuffix(word, "s")) {
				t.Errorf("%q does not lead to %s: nothing in it says %q", row[0], file, word)
			}
		}
		declaration := regexp.MustCompile(`(?m)^(?:(?:func|type|var|const)(?: \([^)]*\))? |\t)` + regexp.QuoteMeta(declared) + `\b`)
		if !declaration.MatchString(read(t, file)) {
			t.Errorf("%s does not declare %s", file, declared)
		}
		questions++
	}
	if questions < 20 {
		t.Errorf("only %d questions were found", questions)
	}
}

// The table of settings tells all of them, nothing else, and the defaults as they are.
func TestDocs_operationsTellsEverySetting(t *testing.T) {
	t.Parallel()
	defaults := load(t, config.Options{})
	told := map[string]string{}
	for _, row := range rows(t, "docs/operations.md") {
		if name := strings.Trim(row[0], "`"); variable.MatchString(name) {
			told[strings.ToLower(strings.TrimPrefix(name, "SOJOURN_"))] = strings.Trim(row[1], "`")
		}
	}
	for _, name := range variable.FindAllString(defaults, -1) {
		if _, ok := told[strings.ToLower(strings.TrimPrefix(name, "SOJOURN_"))]; !ok {
			t.Errorf("%s is not in the table", name)
		}
	}
	if got := load(t, config.Options{Flags: told}); got != defaults {
		t.Errorf("by the table the defaults are\n%s\nbut they are\n%s", got, defaults)
	}
	for _, name := range variable.FindAllString(read(t, "docs/operations.md"), -1) {
		if setting := strings.TrimSuffix(name, "_FILE"); !strings.Contains(defaults, setting+"=") {
			t.Errorf("there is no %s", name)
		}
	}
}

func TestDocs_operationsExampleIsTaken(t *testing.T) {
	t.Parallel()
	found := yamlExample.FindStringSubmatch(read(t, "docs/operations.md"))
	if found == nil {
		t.Fatal("there is no example")
	}
	file := filepath.Join(t.TempDir(), "sojourn.yaml")
	if err := os.WriteFile(file, []byte(found[1]), 0o600); err != nil {
		t.Fatal(err)
	}
	secret := map[string]string{"SOJOURN_SECRET": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}
	if load(t, config.Options{File: file, Getenv: func(name string) string { return secret[name] }}) == load(t, config.Options{}) {
		t.Error("the example changes nothing")
	}
}

// shortFiles are the files of less than 50 lines, but for each package's doc.go, and why they are no part of another.
var shortFiles = map[string]string{
	"identity/store.go":           "what most of the domain asks of the database, which no one noun owns",
	"oauth/routes.go":             "each surface lists its routes in a file of that name",
	"storage/migrations/files.go": "all of its package that is Go",
	"sdk/go/app/owner_unix.go":    "only there has a file an owner",
	"sdk/go/app/owner_other.go":   "what owner_unix.go says, where no file has an owner",
	"templates/catalogue_desk.go": "the sentences around the operators' desk; those on its pages are English alone",
	"test/cluster/death_linux.go": "only there is a program told of its parent's death",
	"test/cluster/death_other.go": "what death_linux.go does, where no program is",
}

// CONTRIBUTING.md: one noun, one file.
func TestDocs_filesAreNeitherLongNorFragments(t *testing.T) {
	t.Parallel()
	sizes := map[string]int{}
	for _, path := range goFiles(t) {
		if sizes[path] = strings.Count(read(t, path), "\n"); sizes[path] > 500 {
			t.Errorf("%s has %d lines: what are its two nouns?", path, sizes[path])
		}
		production := !strings.HasSuffix(path, "_test.go") && filepath.Base(path) != "doc.go"
		if production && sizes[path] < 50 && shortFiles[path] == "" {
			t.Errorf("%s has %d lines: which file has the rest of its noun?", path, sizes[path])
		}
	}
	for path := range shortFiles {
		if sizes[path] == 0 {
			t.Errorf("there is no %s", path)
		}
	}
}

func load(t *testing.T, from config.Options) string {
	t.Helper()
	c, err := config.Load(from)
	if err != nil {
		t.Fatal(err)
	}
	return c.String()
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(repository, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// rows are the cells of every row of every table in a document, without the heads.
func rows(t *testing.T, doc string) [][]string {
	t.Helper()
	return rowsOf(read(t, doc))
}

func rowsOf(text string) (rows [][]string) {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		isRule := func(line string) bool { return strings.HasPrefix(line, "|--") }
		if !strings.HasPrefix(line, "|") || isRule(line) || i+1 < len(lines) && isRule(lines[i+1]) {
			continue
		}
		cells := strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "|"), "|"), "|")
		for j := range cells {
			cells[j] = strings.TrimSpace(cells[j])
		}
		rows = append(rows, cells)
	}
	return rows
}

func TestDocs_theReadmeShowsWhatTheSDKsShow(t *testing.T) {
	for lang, sdk := range map[string]string{"go": "sdk/go/README.md", "ts": "sdk/ts/README.md"} {
		_, rest, found := strings.Cut(read(t, "README.md"), "\n```"+lang+"\n")
		shown, _, _ := strings.Cut(rest, "```\n")
		if !found || !strings.Contains(read(t, sdk), shown) {
			t.Errorf("README.md shows in %s what %s does not:\n%s", lang, sdk, shown)
		}
	}
}

func documents(t *testing.T) []string {
	t.Helper()
	all := []string{"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"}
	for _, pattern := range []string{"docs/*.md", "docs/decisions/*.md", "sdk/*/README.md"} {
		found, err := fs.Glob(os.DirFS(repository), pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %d found, %v", pattern, len(found), err)
		}
		all = append(all, found...)
	}
	return all
}

// testFunctions are the names of all tests and fuzz targets of the tree.
func testFunctions(t *testing.T) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	for _, path := range goFiles(t) {
		if !strings.HasSuffix(path, "_test.go") {
			continue
		}
		for _, found := range testFunction.FindAllStringSubmatch(read(t, path), -1) {
			known[found[1]] = true
		}
	}
	return known
}

// goFiles are the paths of all of our Go files.
func goFiles(t *testing.T) (paths []string) {
	t.Helper()
	foreign := []string{".git", "node_modules", "third_party"}
	err := fs.WalkDir(os.DirFS(repository), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && slices.Contains(foreign, entry.Name()) {
			return fs.SkipDir
		}
		if err == nil && strings.HasSuffix(path, ".go") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}
