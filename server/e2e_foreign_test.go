package server

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// TestForeignClients_signInWithTheirDefaults has libraries of other languages register, push and sign requests, sign a person in, stay
// signed in and revoke.
func TestForeignClients_signInWithTheirDefaults(t *testing.T) {
	t.Parallel()
	for name, command := range map[string]func(t *testing.T) *exec.Cmd{"authlib": authlib, "nimbus": nimbus} {
		for _, kind := range storagetest.Kinds(t) {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, kind)
				w.playForeign(t, command(t))
			})
		}
	}
}

// authlib is the client in Python.
func authlib(t *testing.T) *exec.Cmd {
	t.Helper()
	dir := filepath.Join("..", "test", "authlib")
	python := foreign(t, filepath.Join(dir, ".venv", "bin", "python"))
	return exec.CommandContext(t.Context(), python, filepath.Join(dir, "flow.py"))
}

// nimbus is the client on the JVM.
func nimbus(t *testing.T) *exec.Cmd {
	t.Helper()
	dir := filepath.Join("..", "test", "nimbus")
	jar := foreign(t, filepath.Join(dir, "target", "flow.jar"))
	return exec.CommandContext(t.Context(), "java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-cp", jar+string(os.PathListSeparator)+filepath.Join(dir, "target", "lib", "*"), "dev.sojourn.test.Flow")
}

// foreign is the absolute path of what test/run brings.
func foreign(t *testing.T, path string) string {
	t.Helper()
	_, err := os.Stat(path)
	switch {
	case err != nil && os.Getenv("CI") != "":
		t.Fatal("CI must exercise programs in Python and on the JVM:", err)
	case err != nil:
		t.Skip("a foreign program was not run (test/run brings it):", err)
	}
	path, err = filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// foreignHome is where the pages lead back to. Nobody goes there.
const foreignHome = "https://app.example/callback"

// leave does what the pages want until they send the browser to the app, and returns that address.
func (v *visitor) leave(t *testing.T, address string, p *person) string {
	t.Helper()
	return v.leaveFor(t, address, foreignHome, p)
}

// leaveFor is leave for an app at home.
func (v *visitor) leaveFor(t *testing.T, address, home string, p *person) string {
	t.Helper()
	v.http.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), home) {
			return http.ErrUseLastResponse
		}
		return nil
	}
	now := v.open(t, address)
	for range 12 {
		if to := now.header.Get("Location"); to != "" {
			return to
		}
		now = v.step(t, now, p)
	}
	t.Fatalf("the pages lead nowhere: %v", v.seen)
	return ""
}

// playForeign is the browser of a foreign client and the person before it: where the client prints "authorize URL", it reads where the
// pages led back to.
func (w *world) playForeign(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	p, visitor := w.person(t), newVisitor(t)
	cmd.Env = append(os.Environ(), "ISSUER="+w.issuer, "REDIRECT_URI="+foreignHome, "RESOURCE="+w.openNotes(t))
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last := ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		last = lines.Text()
		url, asks := strings.CutPrefix(last, "authorize ")
		if !asks {
			t.Log(last)
			continue
		}
		if _, err := in.Write([]byte(visitor.leave(t, url, p) + "\n")); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Wait(); err != nil || !strings.HasSuffix(last, " 0 failed") {
		t.Error("the client ended with", err)
	}
}
