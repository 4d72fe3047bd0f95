package ts

import (
	"os"
	"path/filepath"
	"testing"
)

// The example of Expo is type-checked against the modules that it uses, and Metro bundles it as it does for a phone. No phone
// takes part.
func TestTypeScript_expoIsBundled(t *testing.T) {
	example := filepath.Join("..", "..", "examples", "expo")
	if _, err := os.Stat(filepath.Join(example, "node_modules", "expo")); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("CI must exercise examples/expo:", err)
		}
		t.Skip("examples/expo was not run (npm ci there brings what it needs, test/run does):", err)
	}
	node(t, ".", "node", "build.mjs")
	node(t, example, "node_modules/.bin/tsc", "--noEmit")
	t.Setenv("EXPO_OFFLINE", "1")
	t.Setenv("EXPO_NO_TELEMETRY", "1")
	out := t.TempDir()
	node(t, example, "node_modules/.bin/expo", "export", "--platform", "android", "--no-bytecode", "--output-dir", out)
	bundles, err := filepath.Glob(filepath.Join(out, "_expo", "static", "js", "android", "*.js"))
	if err != nil || len(bundles) != 1 {
		t.Fatalf("the bundles are %v, %v", bundles, err)
	}
}
