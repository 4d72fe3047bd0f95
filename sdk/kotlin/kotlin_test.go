// Package kotlin builds the Kotlin SDK and the library for APIs on the JVM, and runs their own tests. sdk/contract plays them against servers.
package kotlin

import (
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// report is what Maven says of one class of tests.
type report struct {
	Name    string `xml:"name,attr"`
	Tests   int    `xml:"tests,attr"`
	Skipped int    `xml:"skipped,attr"`
}

func TestKotlin_suite(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("mvn"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("CI must exercise sdk/kotlin:", err)
		}
		t.Skip("sdk/kotlin was not run (it needs Java 17 and Maven):", err)
	}
	target := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mvn", "-q", "-B", "-Dbuild.root="+target, "-pl", "jose,core,resource,android-testing,android", "verify").CombinedOutput(); err != nil {
		t.Fatalf("mvn: %v\n%s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(target, "*", "surefire-reports", "TEST-*.xml"))
	if err != nil || len(files) == 0 {
		t.Fatal("nothing was tested", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var r report
		if err := xml.Unmarshal(content, &r); err != nil || r.Tests == 0 || r.Skipped > 0 {
			t.Errorf("%s: %d tests, %d skipped, %v", file, r.Tests, r.Skipped, err)
		}
		t.Logf("%s: %d passed", r.Name, r.Tests-r.Skipped)
	}
}
