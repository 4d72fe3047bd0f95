package faults

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/sojourn-auth/sojourn/test/cluster"
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
	if program, err = cluster.Build(context.Background(), dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
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
