package main

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// listening starts nativeapp where it keeps what it keeps, until it listens.
func (d demo) listening(binary, home string, args ...string) *process {
	d.t.Helper()
	return start(d.t, home, nil, append([]string{binary, "--no-browser", "--listen", "--issuer", d.issuer}, args...)...)
}

// What the app's own documentation says of --listen: it stays signed in over a restart, without the browser, and hears at once
// when the session is ended elsewhere. A start after that asks for a sign-in.
func TestNativeapp_listensUntilItsSessionIsEnded(t *testing.T) {
	t.Parallel()
	dir, home := t.TempDir(), t.TempDir()
	d, binary := startDemo(t, dir), buildExample(t, "nativeapp")
	first := d.listening(binary, home)
	first.until("an address", func() bool { return printedURL.MatchString(first.out.String()) })
	back := d.person().follow(printedURL.FindString(first.out.String()))
	if got := statusOf(back.String()); got != http.StatusOK {
		t.Errorf("the browser came back and saw %d", got)
	}
	first.says("Listening.")
	first.says("ready ")
	if err := first.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := first.wait(); err != nil {
		t.Errorf("interrupted it ends with %v", err)
	}

	second := d.listening(binary, home)
	second.says("Listening.")
	if printedURL.MatchString(second.out.String()) {
		t.Errorf("it asked for a sign-in: %s", second.out)
	}
	command(t, dir, nil, "", append(inDemo, "session", "end", sessionsOf(t, dir, demoNative, inDemo...)[0])...)
	if err := second.wait(); err != nil || !strings.Contains(second.out.String(), "You were signed out. Please sign in again.") {
		t.Errorf("%v: %s", err, second.out)
	}

	third := d.listening(binary, home)
	third.until("an address", func() bool { return printedURL.MatchString(third.out.String()) })
}

var inDemo = []string{"--database", "sqlite:sojourn-demo/sojourn.db"}

// sessionsOf returns Ada's living sessions of a client. flags say which database.
func sessionsOf(t *testing.T, dir, client string, flags ...string) (sids []string) {
	t.Helper()
	list := exec.Command("sojourn", append(flags, "session", "list", "--user", demoUser, "--json")...)
	list.Dir = dir
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	var listed struct {
		Sessions []struct {
			SID    string
			Client string `json:"client_id"`
		}
	}
	if err := json.Unmarshal(out, &listed); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, s := range listed.Sessions {
		if s.Client == client {
			sids = append(sids, s.SID)
		}
	}
	if len(sids) == 0 {
		t.Fatalf("no session of %s in %s", client, out)
	}
	return sids
}
