package contract

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	androidBlock = regexp.MustCompile("(?s)```(sh|kotlin|xml)\n(.+?)```")
	// named is where a page says what the file is called that a block goes into.
	named = regexp.MustCompile("`(src/main/[A-Za-z/.]+)`:\n*$")
)

const (
	androidExample = "../../examples/android"
	// androidTests is how many tests examples/android has: none of them may be left out.
	androidTests = 5
)

// TestQuickstart_android does what docs/quickstart-android.md says, word for word: only the port is another one, Maven and Robolectric
// take the place of Gradle and a phone, and this test that of the person at the phone's browser.
func TestQuickstart_android(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("mvn"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("CI must exercise the Android example:", err)
		}
		t.Skip("the Android example was not run (it needs Java 17 and Maven):", err)
	}
	page, err := os.ReadFile("../../docs/quickstart-android.md")
	if err != nil {
		t.Fatal(err)
	}
	f, port := newFollower(t), freePort(t)
	f.env = append(f.env, "SOJOURN_ISSUER=http://localhost:"+port, "SOJOURN_LISTEN=127.0.0.1:"+port, "SOJOURN_ADMIN_LISTEN=127.0.0.1:"+freePort(t))
	text, at := string(page), 0
	for _, found := range androidBlock.FindAllStringSubmatchIndex(text, -1) {
		kind, code, before := text[found[2]:found[3]], text[found[4]:found[5]], text[at:found[0]]
		at = found[1]
		switch name := named.FindStringSubmatch(before); {
		case kind != "sh" && name != nil:
			f.write(name[1], code, port)
		case strings.HasPrefix(code, "sojourn serve"):
			f.serve(code)
			ready(t, "http://localhost:"+port+"/.well-known/openid-configuration")
		case kind == "sh":
			f.run(code)
		}
	}
	f.phone(port)
}

// write puts a block of the page into its file. The example is the page's app, to the letter.
func (f *follower) write(name, code, port string) {
	f.t.Helper()
	if example, err := os.ReadFile(filepath.Join(androidExample, name)); err != nil || string(example) != code {
		f.t.Errorf("%s of the page is not that of examples/android (%v)", name, err)
	}
	path := filepath.Join(f.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(code, "localhost:8080", "localhost:"+port)), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// phone compiles the app that was written, and plays it under Robolectric.
func (f *follower) phone(port string) {
	f.t.Helper()
	person := httptest.NewServer(f.atTheBrowser("localhost:" + port))
	f.t.Cleanup(person.Close)
	target := f.t.TempDir()
	cmd := exec.CommandContext(f.t.Context(), "mvn", "-q", "-B", "-Dbuild.root="+target, "-Dnotes.source="+f.dir, "-Dnotes.person="+person.URL,
		"-Dtest=NotesTest", "-Dsurefire.failIfNoSpecifiedTests=false", "-pl", "../../examples/android", "-am", "test")
	cmd.Dir = "../kotlin"
	if out, err := cmd.CombinedOutput(); err != nil {
		f.t.Fatalf("mvn: %v\n%s", err, out)
	}
	report, err := os.ReadFile(filepath.Join(target, "example-android", "surefire-reports", "TEST-com.example.notes.NotesTest.xml"))
	if err != nil || !strings.Contains(string(report), fmt.Sprintf(`tests="%d" errors="0" skipped="0"`, androidTests)) {
		f.t.Errorf("not all %d tests ran: %v", androidTests, err)
	}
}

// atTheBrowser is the person, asked by the phone: to visit an address and say where the browser ends up, and to have the operator end
// their sessions.
func (f *follower) atTheBrowser(host string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /visit", func(w http.ResponseWriter, r *http.Request) {
		address := r.FormValue("url")
		if at, err := url.Parse(address); err != nil || at.Host != host {
			http.Error(w, "not the server's: "+address, http.StatusBadRequest)
			return
		}
		_, _ = fmt.Fprint(w, newVisitor(f.t, cast{email: "ada@example.com"}, host).follow(f.t, address, "allow"))
	})
	mux.HandleFunc("GET /end", func(w http.ResponseWriter, r *http.Request) {
		if err := f.endAll(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	return mux
}

// endAll ends every session that lives.
func (f *follower) endAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, err := f.command(ctx, "session", "list", "--user", "ada@example.com", "--json").Output()
	if err != nil {
		return err
	}
	var all struct {
		Sessions []struct {
			ID string `json:"sid"`
		} `json:"sessions"`
	}
	if err := json.Unmarshal(out, &all); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	for _, one := range all.Sessions {
		if out, err := f.command(ctx, "session", "end", one.ID).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	return nil
}

func (f *follower) command(ctx context.Context, args ...string) *exec.Cmd {
	path, _ := program() // newFollower has looked
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Env = f.dir, f.env
	return cmd
}
