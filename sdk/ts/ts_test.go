// Package ts runs the suite of the TypeScript SDK: its own tests by node --test, in Chromium, and along the
// quickstarts; its types, its size, and the package as npm would publish it. sdk/contract plays it against servers.
package ts

import (
	"bytes"
	"compress/gzip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// maxCore is what the core may weigh, bundled, minified and gzipped.
const maxCore = 12_000

// node runs a program of node's in a folder and returns what it printed.
func node(t *testing.T, dir string, words ...string) string {
	t.Helper()
	if _, err := os.Stat("node_modules/typescript"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("CI must exercise sdk/ts:", err)
		}
		t.Skip("sdk/ts was not run (npm ci there brings what it needs, test/run does):", err)
	}
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, out)
	}
	return string(out)
}

// tests runs files of the suite, which build has compiled, and says how many tests passed.
func tests(t *testing.T, files string) {
	t.Helper()
	all, err := filepath.Glob(files)
	if err != nil || len(all) == 0 {
		t.Fatalf("there is no %s: %v", files, err)
	}
	out := node(t, ".", append([]string{"node", "--test"}, all...)...)
	passed := regexp.MustCompile(`(?m)^# pass (\d+)$`).FindStringSubmatch(out)
	if passed == nil || passed[1] == "0" || !strings.Contains(out, "\n# skipped 0\n") {
		t.Fatalf("nothing was tested, or something was left out:\n%s", out)
	}
	t.Logf("%s: %s passed", files, passed[1])
}

func TestTypeScript_suite(t *testing.T) {
	node(t, ".", "node", "build.mjs", "--tests")
	t.Run("node", func(t *testing.T) { tests(t, "build/test/*.test.js") })
	t.Run("Chromium", func(t *testing.T) { tests(t, "build/test/e2e/browser.test.js") })
	t.Run("quickstarts", func(t *testing.T) { tests(t, "build/test/e2e/quickstart.test.js") })
}

func TestTypeScript_theCoreIsSmall(t *testing.T) {
	t.Parallel()
	bundle := node(t, ".", "node_modules/.bin/esbuild", "src/index.ts", "--bundle", "--minify", "--format=esm", "--target=es2022", "--log-level=error")
	var packed bytes.Buffer
	w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	_, _ = w.Write([]byte(bundle))
	_ = w.Close()
	t.Logf("%d bytes of %d", packed.Len(), maxCore)
	if packed.Len() > maxCore {
		t.Errorf("the core has %d bytes, of %d at most", packed.Len(), maxCore)
	}
}

// What npm would publish is used by a strict project, as ES modules and as CommonJS, and holds nothing else.
func TestTypeScript_thePackageIsUsed(t *testing.T) {
	consume(t, ".", "signed_out", "@types")
}

// consume packs the package of a folder and has its test/consumer, which finds modules of ours beside it, say something.
func consume(t *testing.T, folder, says string, modules ...string) {
	t.Helper()
	dir := t.TempDir()
	script, err := filepath.Abs("build.mjs")
	if err != nil {
		t.Fatal(err)
	}
	node(t, folder, "node", script) // the script prepack does not run where .npmrc has ignore-scripts
	packed := strings.Fields(node(t, folder, "npm", "pack", "--loglevel=error", "--pack-destination", dir))
	archive := filepath.Join(dir, packed[len(packed)-1])
	for _, name := range strings.Fields(node(t, dir, "tar", "-tf", archive)) {
		if !regexp.MustCompile(`^package/(dist/.*\.(js|d\.ts)|dist/cjs/package\.json|package\.json|README\.md|LICENSE)$`).MatchString(name) {
			t.Errorf("the package holds %s", name)
		}
	}
	consumer := filepath.Join(dir, "consumer")
	if err := os.CopyFS(consumer, os.DirFS(filepath.Join(folder, "test/consumer"))); err != nil {
		t.Fatal(err)
	}
	node(t, consumer, "npm", "install", "--offline", "--no-audit", "--no-fund", "--loglevel=error", archive)
	here, err := filepath.Abs("node_modules")
	if err != nil {
		t.Fatal(err)
	}
	for _, module := range modules {
		if err := os.Symlink(filepath.Join(here, module), filepath.Join(consumer, "node_modules", module)); err != nil {
			t.Fatal(err)
		}
	}
	node(t, consumer, filepath.Join(here, ".bin", "tsc"))
	for _, file := range []string{"out/esm.mjs", "out/cjs.cjs"} {
		if said := node(t, consumer, "node", file); strings.TrimSpace(said) != says {
			t.Errorf("%s says %q", file, said)
		}
	}
}
