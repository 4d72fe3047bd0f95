package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// moment is how many seconds access tokens live, as far as the apps on the train are told: the programs of the quickstarts have no
// clock that could be set, and shall refresh at nearly every start.
const moment = 2

// program of a quickstart, as its page has it: it signs in if nobody is, calls /me and ends.
type notes struct {
	t      *testing.T
	spec   driverSpec
	net    *network
	home   string
	person *person
	env    []string

	runs, kills int
	usual       time.Duration // that a start takes
}

var programBlock = regexp.MustCompile("(?s)```(?:go|ts|kotlin)\n(.+?)```\n")

// newNotes builds the program of the language's page, for the issuer of the network.
func newNotes(t *testing.T, spec driverSpec, p *sojourn) *notes {
	t.Helper()
	p.command(t, "client", "add", "--id", "notes", "--name", "Notes", "--public", "--redirect-uri", "http://127.0.0.1/callback", "--scope", scope)
	who := cast{clientID: "notes", email: "notes@example.com"}
	p.command(t, "user", "add", "--email", who.email, "--name", "Ada Lovelace", "--password-stdin")
	n := &notes{t: t, spec: spec, net: p.network, home: t.TempDir(), person: newPerson(t, who, p.network)}
	n.write()
	bin := filepath.Join(n.home, "bin")
	script := "#!/bin/sh\necho \"$1\" >>" + n.opened() + "\n"
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"xdg-open", "open"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	ca := p.network.ca.file
	n.env = append(os.Environ(), "HOME="+n.home, "XDG_CONFIG_HOME="+n.home, "PATH="+bin+":"+os.Getenv("PATH"), "SOJOURN_ISSUER="+p.network.issuer(),
		"SSL_CERT_FILE="+ca, "CONTRACT_CA="+ca, "DBUS_SESSION_BUS_ADDRESS=unix:path="+filepath.Join(n.home, "no-keyring"))
	return n
}

// opened is where the browser leaves what it was opened at.
func (n *notes) opened() string { return filepath.Join(n.home, "opened") }

// write takes the program from its page.
func (n *notes) write() {
	n.t.Helper()
	program := ""
	for _, found := range programBlock.FindAllStringSubmatch(contentOf(n.t, n.spec.Notes.Page), -1) {
		if strings.Contains(found[1], "Hello, ") {
			program = found[1]
		}
	}
	if program == "" {
		n.t.Fatalf("%s has no program", n.spec.Notes.Page)
	}
	if len(n.spec.Notes.Build) == 0 { // it was built with the driver
		if contentOf(n.t, filepath.Join(n.spec.Dir, n.spec.Notes.File)) != program {
			n.t.Fatalf("the program of %s is not %s", n.spec.Notes.Page, n.spec.Notes.File)
		}
		return
	}
	text := strings.ReplaceAll(program, "http://localhost:8080", n.net.issuer())
	if err := os.WriteFile(n.spec.Notes.File, []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
	build := exec.CommandContext(n.t.Context(), n.spec.Notes.Build[0], n.spec.Notes.Build[1:]...)
	build.Dir = n.spec.Dir
	if said, err := build.CombinedOutput(); err != nil {
		n.t.Fatalf("%s: %v\n%s", strings.Join(n.spec.Notes.Build, " "), err, said)
	}
}

// start runs the program once and kills it after a while, if it has not ended by then. It returns what it said.
func (n *notes) start(within time.Duration) string {
	n.t.Helper()
	n.runs++
	var said bytes.Buffer
	cmd := exec.Command(n.spec.Notes.Run[0], n.spec.Notes.Run[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = n.env, n.spec.Dir, &said, &said
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	late, began := time.AfterFunc(within, func() { _ = cmd.Process.Kill() }), time.Now()
	_ = cmd.Wait()
	if !late.Stop() {
		n.kills++
		n.usual += n.usual / 20
	} else {
		n.usual = (n.usual + time.Since(began)) / 2
	}
	return said.String()
}

// signIn is the first start, at which the person is asked.
func (n *notes) signIn() {
	n.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for began := time.Now(); time.Since(began) < patience; time.Sleep(20 * time.Millisecond) {
			address, err := os.ReadFile(n.opened())
			if err != nil || !strings.HasSuffix(string(address), "\n") {
				continue
			}
			if response, err := n.person.browser.Get(n.person.follow(n.t, strings.TrimSpace(string(address)), "allow")); err == nil {
				_ = response.Body.Close()
			}
			return
		}
	}()
	said := n.start(patience)
	<-done
	if !n.served(said) {
		n.t.Fatalf("the program of %s says %q", n.spec.Notes.Page, said)
	}
	if err := os.Remove(n.opened()); err != nil {
		n.t.Fatal(err)
	}
	if said := n.start(patience); !n.served(said) {
		n.t.Fatalf("the second time the program of %s says %q", n.spec.Notes.Page, said)
	}
}

func (n *notes) served(said string) bool {
	return strings.Contains(said, "Hello, Ada Lovelace.") && strings.Contains(said, `"client_id":"notes"`)
}

// travel starts the program again and again, and kills it wherever it is. Its browser never opens: nobody has to sign in.
func (n *notes) travel(dice *rand.Rand, arrived func() bool) {
	n.t.Helper()
	for !arrived() {
		n.stays(n.start(time.Duration(dice.Int64N(int64(3 * n.usual))))) // so that about a third gets to its end, on a busy machine too
		time.Sleep(time.Duration(dice.IntN(300)) * time.Millisecond)
	}
	for range 40 { // somewhere between the tunnels; on a busy machine this may be its first refresh
		if said := n.start(patience); n.stays(said) && n.served(said) && n.sum() > 0 {
			return
		}
		time.Sleep(300 * time.Millisecond)
	}
	n.t.Error("it never got through, or never refreshed")
}

// stays fails where a sign-in was asked for.
func (n *notes) stays(said string) bool {
	n.t.Helper()
	if _, err := os.Stat(n.opened()); err == nil {
		n.t.Fatalf("forced sign-in at start %d: %s", n.runs, said)
	}
	return true
}

// sum says what happened, and returns how often it refreshed.
func (n *notes) sum() (refreshes int) {
	n.t.Helper()
	lost := 0
	for _, r := range n.net.sent() {
		if r.At == "refresh" && r.Form.Get("client_id") == "notes" {
			refreshes++
			if r.Status != http.StatusOK {
				lost++
			}
		}
	}
	n.t.Logf("the program of %s: %d starts, %d kills, %d refreshes of which %d without a good answer, 0 forced sign-ins",
		filepath.Base(n.spec.Notes.Page), n.runs, n.kills, refreshes, lost)
	return refreshes
}

// hasten has the provider say of access tokens that they live for a moment.
func hasten(t *testing.T, upstream string) string {
	t.Helper()
	to, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
			r.Out.Header.Set(forwarded, "https")
		},
		ModifyResponse: func(r *http.Response) error {
			if r.Request.URL.Path != "/oauth2/token" || r.StatusCode != http.StatusOK {
				return nil
			}
			body := map[string]any{}
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				return err
			}
			body["expires_in"] = moment
			text, err := json.Marshal(body)
			if err != nil {
				return err
			}
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
			r.Header.Set("Content-Length", fmt.Sprint(len(text)))
			return nil
		},
	})
	t.Cleanup(server.Close)
	return server.URL
}
