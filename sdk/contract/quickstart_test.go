package contract

import (
	"archive/zip"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var block = regexp.MustCompile("(?s)```(sh|go)\n(.+?)```")

// follower follows a quickstart from an empty folder, in a shell of its own.
type follower struct {
	t      *testing.T
	dir    string
	env    []string
	opened string // the file that its browser writes addresses to
	last   string // what the last command said
}

// TestQuickstart_go does what docs/quickstart-go.md says, word for word: only the port is another one, and the SDK comes from
// this repository as if it were published.
func TestQuickstart_go(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../docs/quickstart-go.md")
	if err != nil {
		t.Fatal(err)
	}
	f, port := newFollower(t), freePort(t)
	f.env = append(f.env, "SOJOURN_ISSUER=http://localhost:"+port, "SOJOURN_LISTEN=127.0.0.1:"+port, "SOJOURN_ADMIN_LISTEN=127.0.0.1:"+freePort(t))
	text := strings.ReplaceAll(string(content), "localhost:8080", "localhost:"+port)
	runs := 0
	for _, found := range block.FindAllStringSubmatch(text, -1) {
		kind, code := found[1], found[2]
		switch {
		case kind == "go":
			if err := os.WriteFile(filepath.Join(f.dir, "main.go"), []byte(code), 0o600); err != nil {
				t.Fatal(err)
			}
		case strings.HasPrefix(code, "sojourn serve"):
			f.serve(code)
			ready(t, "http://localhost:"+port+"/.well-known/openid-configuration")
		case code == "go run .\n":
			f.signIn(code, runs == 0)
			runs++
		default:
			f.run(code)
		}
	}
	if runs != 2 || !strings.Contains(f.last, "Signed out. The server knows: true") {
		t.Errorf("after %d runs the end is %q", runs, f.last)
	}
}

func newFollower(t *testing.T) *follower {
	t.Helper()
	sojourn, err := program()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	f := &follower{t: t, dir: t.TempDir(), opened: filepath.Join(home, "opened")}
	bin := filepath.Join(home, "bin")
	script := "#!/bin/sh\necho \"$1\" >>" + f.opened + "\n"
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"xdg-open", "open"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	goEnv := func(name string) string {
		out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	f.env = []string{
		"PATH=" + bin + ":" + filepath.Dir(sojourn) + ":" + os.Getenv("PATH"), "HOME=" + home, "GOFLAGS=-mod=mod -trimpath", "CGO_ENABLED=0", // compiled once, wherever the modules lie
		"GOPATH=" + goEnv("GOPATH"), "GOMODCACHE=" + published(t), "GOCACHE=" + goEnv("GOCACHE"), "GONOSUMDB=github.com/sojourn-auth/*",
		"GOPROXY=file://" + proxy(t) + ",file://" + goEnv("GOMODCACHE") + "/cache/download," + goEnv("GOPROXY"),
	}
	return f
}

// published is a module cache of the test's own, which can be removed afterwards.
func published(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() {
		_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, _ error) error {
			if entry.IsDir() {
				return os.Chmod(path, 0o700) // Go makes its folders read-only
			}
			return nil
		})
	})
	return dir
}

// proxy is a module proxy (go.dev/ref/mod#goproxy-protocol) that has the SDK of this repository.
func proxy(t *testing.T) string {
	t.Helper()
	const module, version = "github.com/sojourn-auth/sojourn/sdk/go", "v0.1.0"
	dir := t.TempDir()
	at := filepath.Join(dir, module, "@v")
	if err := os.MkdirAll(at, 0o700); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("../go/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"list": version + "\n", version + ".info": fmt.Sprintf(`{"Version":%q,"Time":%q}`, version, time.Now().UTC().Format(time.RFC3339)),
		version + ".mod": string(mod),
	} {
		if err := os.WriteFile(filepath.Join(at, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.Create(filepath.Join(at, version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z := zip.NewWriter(file)
	source := os.DirFS("../go")
	err = fs.WalkDir(source, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		w, err := z.Create(module + "@" + version + "/" + path)
		if err != nil {
			return err
		}
		r, err := source.Open(path)
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.Copy(w, r)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// serve starts a server that runs until the test is over.
func (f *follower) serve(code string) {
	f.t.Helper()
	cmd := exec.Command("bash", "-ec", "exec "+code)
	cmd.Dir, cmd.Env = f.dir, f.env
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// run runs commands to their end. Where they leave the folder, the next ones go on there.
func (f *follower) run(code string) {
	f.t.Helper()
	cmd := exec.CommandContext(f.t.Context(), "bash", "-ec", code+"\npwd >"+f.opened+".pwd")
	cmd.Dir, cmd.Env = f.dir, f.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		f.t.Fatalf("%s: %v\n%s", code, err, out)
	}
	f.last = string(out)
	dir, err := os.ReadFile(f.opened + ".pwd")
	if err != nil {
		f.t.Fatal(err)
	}
	f.dir = strings.TrimSpace(string(dir))
}

// signIn runs the program; the first time the person has to sign in, and never again.
func (f *follower) signIn(code string, first bool) {
	f.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for began := time.Now(); first && time.Since(began) < patience; time.Sleep(20 * time.Millisecond) {
			if address, err := os.ReadFile(f.opened); err == nil && strings.HasSuffix(string(address), "\n") {
				f.visit(strings.TrimSpace(string(address)))
				return
			}
		}
	}()
	f.run(code)
	<-done
	if !strings.Contains(f.last, "Hello, Ada Lovelace.") || !strings.Contains(f.last, `"client_id":"notes"`) {
		f.t.Errorf("the program says %q", f.last)
	}
	if _, err := os.Stat(f.opened); (err == nil) != first {
		f.t.Errorf("that the browser was opened is %v", err == nil)
	}
	_ = os.Remove(f.opened)
}

// visit is the person at the browser.
func (f *follower) visit(address string) {
	at, err := url.Parse(address)
	if err != nil {
		f.t.Error(err)
		return
	}
	p := newVisitor(f.t, cast{email: "ada@example.com"}, at.Host)
	back := p.follow(f.t, address, "allow")
	response, err := p.browser.Get(back)
	if err != nil {
		f.t.Error(err)
		return
	}
	_ = response.Body.Close()
}
