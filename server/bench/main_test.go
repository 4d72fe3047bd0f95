package bench

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/sojourn-auth/sojourn/test/cluster"
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
	if program, err = cluster.Build(context.Background(), dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
