package contract

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var apiBlock = regexp.MustCompile("(?s)```(sh|go|nginx|xml|java|js)\n(.+?)```")

// blockFiles are the files that blocks of a kind are written to.
var blockFiles = map[string]string{"go": "main.go", "nginx": "nginx.conf", "xml": "pom.xml", "java": "src/main/java/Api.java", "js": "api.mjs"}

// TestQuickstart_api does what docs/quickstart-api.md says, word for word, once for each way to build the API: only the ports are
// others, and the libraries come from this repository as if they were published.
func TestQuickstart_api(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../docs/quickstart-api.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(content), "\n## 2. The API\n")
	ways, after, _ := strings.Cut(rest, "\n## 3. ")
	for _, way := range strings.Split(ways, "\n### ")[1:] {
		name, way, _ := strings.Cut(way, "\n")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newAPIFollower(t, name)
			f.follow(before)
			f.follow(way)
			f.follow(after)
			f.says("You were signed out. Please sign in again.")
		})
	}
}

// apiFollower has several terminals.
type apiFollower struct {
	*follower
	home  string
	ports *strings.Replacer
	app   *terminal
}

// terminal is a command that runs on in a terminal of its own.
type terminal struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (w *terminal) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Write(b)
}

func (w *terminal) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.String()
}

func newAPIFollower(t *testing.T, name string) *apiFollower {
	t.Helper()
	f := &apiFollower{follower: newFollower(t)}
	switch name {
	case "nginx":
		f.needs("nginx", "nginx-light")
	case "Node":
		f.needs("npm", "nodejs npm")
		f.publishPackage()
	case "JVM":
		f.needs("mvn", "maven default-jdk-headless")
		f.env = append(f.env, "MAVEN_OPTS=-Dmaven.repo.local="+publishedJars(t))
	}
	f.home = f.dir
	ports := map[string]string{"8080": freePort(t), "3000": freePort(t), "3001": freePort(t), "8082": freePort(t)}
	pairs := []string{}
	for from, to := range ports {
		pairs = append(pairs, "localhost:"+from, "localhost:"+to, "127.0.0.1:"+from, "127.0.0.1:"+to, `"localhost", `+from, `"localhost", `+to, "listen("+from, "listen("+to)
	}
	f.ports = strings.NewReplacer(pairs...)
	f.env = append(f.env, "SOJOURN_ISSUER=http://localhost:"+ports["8080"], "SOJOURN_LISTEN=127.0.0.1:"+ports["8080"], "SOJOURN_ADMIN_LISTEN=127.0.0.1:"+freePort(t))
	return f
}

// needs looks for a program that the page takes for granted.
func (f *apiFollower) needs(program, packages string) {
	f.t.Helper()
	path := strings.TrimPrefix(f.env[0], "PATH=") + ":/usr/sbin"
	f.env = append(f.env, "PATH="+path)
	for dir := range strings.SplitSeq(path, ":") {
		if _, err := os.Stat(filepath.Join(dir, program)); err == nil {
			return
		}
	}
	if os.Getenv("CI") != "" {
		f.t.Fatalf("CI must follow the page: there is no %s", program)
	}
	f.t.Skipf("%s (Debian: %s) is not installed", program, packages)
}

// publishPackage gives the terminals an npm to which Node's library is published.
func (f *apiFollower) publishPackage() {
	f.t.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil {
		f.t.Fatal(err)
	}
	built, modules := f.t.TempDir(), "../ts/node_modules"
	if modules, err = filepath.Abs(modules); err != nil {
		f.t.Fatal(err)
	}
	if _, err := os.Stat(modules); err != nil {
		if os.Getenv("CI") != "" {
			f.t.Fatal(err)
		}
		f.t.Skip("sdk/ts has no packages (npm ci there, or test/run):", err)
	}
	pack := exec.CommandContext(f.t.Context(), "bash", "-ec", `
		mkdir "$1/sdk" && cp ../../LICENSE "$1"
		tar -C .. --exclude node_modules --exclude dist --exclude build -c ts | tar -C "$1/sdk" -x
		ln -s "$2" "$1/sdk/ts/node_modules"
		cd "$1/sdk/ts/resource" && npm pack --silent --pack-destination "$1" >&2
		mv "$1"/*.tgz "$1/resource.tgz"`, "-", built, modules)
	if out, err := pack.CombinedOutput(); err != nil {
		f.t.Fatalf("npm pack: %v\n%s", err, out)
	}
	ours := "#!/bin/sh\nfor a; do shift; [ \"$a\" = @sojourn-auth/resource ] && a=" + built + "/resource.tgz; set -- \"$@\" \"$a\"; done\nexec " + npm + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(filepath.Dir(f.opened), "bin", "npm"), []byte(ours), 0o700); err != nil {
		f.t.Fatal(err)
	}
}

// publishedJars is a local repository of Maven's that has the JVM's library as if it were published. What others have published is
// that of the user's own repository.
func publishedJars(t *testing.T) string {
	t.Helper()
	user, err := user.Current() // as Java does, which does not ask $HOME
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := t.TempDir(), filepath.Join(user.HomeDir, ".m2", "repository")
	for _, inside := range []string{"", "dev"} {
		if err := os.MkdirAll(filepath.Join(ours, inside), 0o700); err != nil {
			t.Fatal(err)
		}
		entries, _ := os.ReadDir(filepath.Join(theirs, inside)) // without one everything is fetched anew
		for _, e := range entries {
			if name := filepath.Join(inside, e.Name()); name != "dev" && name != "dev/sojourn" {
				if err := os.Symlink(filepath.Join(theirs, name), filepath.Join(ours, name)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	install := exec.CommandContext(t.Context(), "mvn", "-q", "-B", "-DskipTests", "-Dbuild.root="+t.TempDir(), "-Dmaven.repo.local="+ours,
		"-pl", "resource", "-am", "install")
	install.Dir = "../kotlin"
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("mvn install: %v\n%s", err, out)
	}
	return ours
}

// follow does what the blocks of a part say, the first of them in the first folder.
func (f *apiFollower) follow(part string) {
	f.t.Helper()
	f.dir = f.home
	for _, found := range apiBlock.FindAllStringSubmatch(f.ports.Replace(part), -1) {
		kind, code := found[1], found[2]
		if file := blockFiles[kind]; file != "" {
			if err := os.WriteFile(filepath.Join(f.dir, file), []byte(code), 0o600); err != nil {
				f.t.Fatal(err)
			}
			continue
		}
		lines := strings.Split(strings.TrimSpace(code), "\n")
		if last := lines[len(lines)-1]; staysOn.MatchString(last) {
			if len(lines) > 1 {
				f.run(strings.Join(lines[:len(lines)-1], "\n"))
			}
			f.keep(last)
			f.dir = f.home // that terminal is busy now
			continue
		}
		f.run(code)
	}
}

// staysOn are commands in a terminal of their own.
var staysOn = regexp.MustCompile(`^(sojourn (serve|gate)|go run \.|nginx|node|java|mvn .*exec)`)

// keep runs a command on until the test is over, and waits until it does what the page says of it.
func (f *apiFollower) keep(command string) {
	f.t.Helper()
	out := &terminal{}
	cmd := exec.Command("bash", "-ec", "exec "+command)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = f.dir, f.env, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // go run has a child, nginx some
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if f.t.Failed() {
			f.t.Logf("%s:\n%s", command, out)
		}
	})
	switch {
	case strings.HasPrefix(command, "sojourn serve"):
		ready(f.t, f.ports.Replace("http://localhost:8080/.well-known/openid-configuration"))
	case filepath.Base(f.dir) == "app":
		f.app = out
		f.open()
		f.says("200 OK: The notes of ")
	case strings.HasPrefix(command, "sojourn gate"):
		ready(f.t, f.ports.Replace("http://127.0.0.1:8082/readyz"))
	default:
		answers(f.t, f.ports.Replace("http://localhost:3000/notes"))
		ready(f.t, f.ports.Replace("http://localhost:3000/.well-known/oauth-protected-resource")) // to which each refusal points
	}
}

// open is the person, when the browser opens.
func (f *apiFollower) open() {
	f.t.Helper()
	for began := time.Now(); time.Since(began) < patience; time.Sleep(20 * time.Millisecond) {
		if address, err := os.ReadFile(f.opened); err == nil && strings.HasSuffix(string(address), "\n") {
			f.visit(strings.TrimSpace(string(address)))
			return
		}
	}
	f.t.Fatal("no browser was opened")
}

// says waits until the app says something.
func (f *apiFollower) says(text string) {
	f.t.Helper()
	for began := time.Now(); !strings.Contains(f.app.String(), text); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > patience {
			f.t.Fatalf("the app does not say %q but %q", text, f.app)
		}
	}
}

// answers waits until something answers at an address, whatever it says.
func answers(t *testing.T, address string) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if response, err := http.Get(address); err == nil {
			_ = response.Body.Close()
			return
		}
		if time.Since(began) > patience {
			t.Fatalf("nothing answers at %s", address)
		}
	}
}
