package templates_test

import (
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/templates"
)

var update = flag.Bool("update", false, "write testdata/golden")

// hashes change with style and script; the golden pages should not.
var hashes = regexp.MustCompile(`/static/(app|desk)-[0-9a-f]{16}\.`)

func render(t *testing.T, page templates.Page) string {
	t.Helper()
	w := httptest.NewRecorder()
	if err := templates.Show(w, http.StatusOK, page); err != nil {
		t.Fatal(err)
	}
	return w.Body.String()
}

func TestShow_rendersEveryPageAsItsGolden(t *testing.T) {
	t.Parallel()
	for name, page := range golden {
		t.Run(name, func(t *testing.T) {
			compare(t, filepath.Join("testdata", "golden", name+".html"), render(t, page))
		})
	}
	names, err := filepath.Glob("testdata/golden/*.html")
	if err != nil || len(names) != len(golden) {
		t.Errorf("%d golden files for %d pages (%v)", len(names), len(golden), err)
	}
}

func compare(t *testing.T, file, got string) {
	t.Helper()
	got = hashes.ReplaceAllString(got, "/static/$1-HASH.")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("differs from %s (-want +got); write anew with -update:\n%s", file, diff)
	}
}

func TestShow_answersWithStatusAndType(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	if err := templates.Show(w, http.StatusUnprocessableEntity, golden["signin-problem"]); err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusUnprocessableEntity {
		t.Errorf("status %d, want 422", w.Code)
	}
	if got := w.Header().Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("Content-Type %q", got)
	}
}

func TestShow_writesNothingWhenThePageFails(t *testing.T) {
	t.Parallel()
	pages := map[string]templates.Page{
		"script in the way on":  templates.Problem{Frame: frame, Back: templates.Link{URL: "javascript:alert(1)"}},
		"data in the way back":  templates.Problem{Frame: frame, Back: templates.Link{URL: "data:text/html,x"}},
		"other host by slashes": templates.Problem{Frame: frame, Back: templates.Link{URL: "//evil.example/"}},
		"no otpauth link":       templates.Enrol{Frame: frame, OtpauthURL: "https://evil.example/"},
	}
	for name, page := range pages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			if err := templates.Show(w, http.StatusOK, page); err == nil {
				t.Fatal("shown")
			}
			if w.Body.Len() != 0 || len(w.Header()) != 0 {
				t.Errorf("wrote %q with %v", w.Body, w.Header())
			}
		})
	}
}
