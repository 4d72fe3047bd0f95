package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// floorRole makes this test binary the floor's server instead: its listen address, then its database.
const floorRole = "SOJOURN_BENCH_FLOOR"

// program is the real server, built once.
var program string

func TestMain(m *testing.M) {
	if address := os.Getenv(floorRole); address != "" {
		fmt.Fprintln(os.Stderr, serveFloor(address, os.Getenv("SOJOURN_DATABASE")))
		os.Exit(1)
	}
	os.Exit(withProgram(m))
}

func withProgram(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sojourn-bench")
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
