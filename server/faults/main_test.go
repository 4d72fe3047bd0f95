package faults

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// program is the real server, built once.
var program string

func TestMain(m *testing.M) { os.Exit(withProgram(m)) }

func withProgram(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sojourn-faults")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program = filepath.Join(dir, "sojourn")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", program, "../../cmd/sojourn")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the server: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// rounds is how often a fault is repeated: n times in an ordinary run, and twenty times that with SOJOURN_SOAK=1.
func rounds(n int) int {
	if os.Getenv("SOJOURN_SOAK") != "" {
		return 20 * n
	}
	return n
}
