//go:build unix

package cluster_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/test/cluster"
)

// docs/decisions/0023-the-program-before-goes-on.md: a migration only adds, so the program before it goes on while it runs and after it, until each server
// was replaced. The program before is the one of the commit before the newest migration; a shallow clone has none.
func TestUpgrade_theProgramBeforeGoesOn(t *testing.T) {
	t.Parallel()
	commits := strings.Fields(git(t, "log", "-1", "--format=%P", "--diff-filter=A", "--", "storage/migrations/postgres"))
	if len(commits) == 0 || git(t, "cat-file", "-t", commits[0]+":cmd/sojourn") != "tree" {
		t.Log("nothing was tried: this clone does not have the commit before the newest migration")
		return
	}
	before, after := source(t, commits[0]), t.TempDir()
	c := begun(t, cluster.Options{Program: build(t, before, filepath.Join(before, "bin"))})
	l := everyday(t, c)
	l.goesOn(50)
	c.Upgrade(build(t, "../..", after))
	t.Log(commits[0], command(t, c, "migrate"))
	l.goesOn(200)
	for _, s := range c.Servers {
		if !s.Ready(t.Context()) {
			t.Errorf("%s of the program before is not ready on the newer schema", s.Name)
		}
	}
	settings, err := os.ReadFile(filepath.Join(before, "config", "config.go"))
	must(t, err)
	if !bytes.Contains(settings, []byte(`"DRAIN"`)) {
		l.end() // that program hangs up on whoever it serves
		return
	}
	restart(t, c, l)
	l.end()
	t.Logf("%d requests, flows and streams; none failed: %v", l.n.Load(), !t.Failed())
}

func git(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = "../.."
	out, _ := cmd.Output() // no repository is no history
	return strings.TrimSpace(string(out))
}

// source is the tree of a commit.
func source(t *testing.T, commit string) string {
	t.Helper()
	dir := t.TempDir()
	pack := filepath.Join(t.TempDir(), "source.tar")
	for _, args := range [][]string{{"git", "-C", "../..", "archive", "-o", pack, commit}, {"tar", "-xf", pack, "-C", dir}} {
		if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	return dir
}

func build(t *testing.T, from, to string, flags ...string) string {
	t.Helper()
	to, err := filepath.Abs(filepath.Join(to, "sojourn"))
	must(t, err)
	args := append([]string{"build", "-buildvcs=false", "-o", to}, flags...)
	cmd := exec.CommandContext(t.Context(), "go", append(args, "./cmd/sojourn")...)
	cmd.Dir, cmd.Env = from, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return to
}
