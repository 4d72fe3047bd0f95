//go:build unix

package cluster_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/test/cluster"
)

// deploy/drill.sh as docs/operations.md has operators play it: a backup under load, what happens after it, a restore into
// another database, the journals of all servers. Then servers serve what was restored: who was signed in goes on, who signed
// out stays out.
func TestDrill_aRestoredBackupLosesNobodyAndBringsNobodyBack(t *testing.T) {
	t.Parallel()
	journals := t.TempDir()
	c := begun(t, cluster.Options{})
	for i, s := range c.Servers {
		s.Set("ENDING_JOURNAL=" + filepath.Join(journals, string(rune('1'+i))+".jsonl"))
	}
	stays, leaves, after := newPhone(c), newPhone(c), newPhone(c)
	l := everyday(t, c)
	restart(t, c, l)
	must(t, stays.signIn(t.Context()))
	must(t, leaves.signIn(t.Context()))
	backup := filepath.Join(t.TempDir(), "backup")
	d := drill{t: t, c: c}
	t.Log(d.run("backup", backup))
	must(t, stays.renew(t.Context(), c.Issuer)) // the backup is behind this one
	must(t, leaves.leave(t.Context(), c.Issuer))
	must(t, after.signIn(t.Context()))
	l.end()

	restored := c.Primary.DSN("restored")
	if _, err := c.Primary.Ask(t.Context(), "CREATE DATABASE restored"); err != nil {
		t.Fatal(err)
	}
	t.Log(d.run("restore", backup, restored))
	d.refuses("restore", backup, restored)     // it is not empty any more
	d.refuses("restore", backup, c.Database()) // it serves
	files, err := filepath.Glob(filepath.Join(journals, "*.jsonl"))
	must(t, err)
	t.Log(d.run("replay", append([]string{backup, restored}, files...)...))

	for _, s := range c.Servers {
		must(t, s.Stop())
		s.Set("DATABASE="+restored, "DATABASE_READ=")
		must(t, s.Start(t.Context()))
	}
	must(t, day(t.Context(), stays))
	if err := leaves.renew(t.Context(), c.Issuer); err == nil || !strings.Contains(err.Error(), "invalid_grant") {
		t.Errorf("who signed out after the backup: %v", err)
	}
	if status, err := leaves.me(t.Context(), c.Issuer); err != nil || status != http.StatusUnauthorized {
		t.Errorf("the access token of who signed out: %d, %v", status, err)
	}
	must(t, newPhone(c).signIn(t.Context()))
}

// drill runs the script with the servers' settings.
type drill struct {
	t *testing.T
	c *cluster.Cluster
}

func (d drill) cmd(do string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(d.t.Context(), "../../deploy/drill.sh", append([]string{do}, args...)...)
	cmd.Env = append(os.Environ(), "SOJOURN="+d.c.Program(), "SOJOURN_SECRET="+d.c.Secret, "SOJOURN_ISSUER="+d.c.Issuer,
		"SOJOURN_DATABASE="+d.c.Database(), "PATH="+d.c.Primary.Programs()+":"+os.Getenv("PATH"))
	return cmd
}

func (d drill) run(do string, args ...string) string {
	d.t.Helper()
	out, err := d.cmd(do, args...).CombinedOutput()
	if err != nil {
		d.t.Fatalf("drill.sh %s: %v\n%s", do, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (d drill) refuses(do string, args ...string) {
	d.t.Helper()
	if out, err := d.cmd(do, args...).CombinedOutput(); err == nil || !strings.Contains(string(out), "drill: ") {
		d.t.Errorf("drill.sh %s: %v\n%s", do, err, out)
	}
}
