package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// openAPI starts examples/api beside a server, as its documentation says.
func openAPI(t *testing.T) (*street, *process) {
	t.Helper()
	s, listen := openServer(t), "127.0.0.1:"+freePorts(t, 1)[0]
	s.api = "http://" + listen
	api := start(t, s.dir, nil, buildExample(t, "api"), "-listen", listen, "-issuer", s.issuer, "-client-id", "gate",
		"-secret-file", s.secretFile())
	api.says("Notes at " + s.api + "/notes")
	return s, api
}

// Who starts examples/api before the demo, or in another folder, hears which of the two.
func TestAPI_saysWhatWasNotStarted(t *testing.T) {
	t.Parallel()
	api := start(t, t.TempDir(), nil, buildExample(t, "api"), "-listen", "127.0.0.1:0")
	if err := api.wait(); err == nil || !strings.Contains(api.out.String(), "start it first, in this folder") {
		t.Errorf("%v: %s", err, api.out.String())
	}
}

// notesOf reads what a caller has.
func (s *street) notesOf(bearer string) (texts []string) {
	s.t.Helper()
	got := s.ask("GET", s.api+"/notes", "Authorization", bearer)
	var said struct{ Notes []struct{ ID, Text string } }
	if err := json.Unmarshal([]byte(got.body), &said); err != nil || got.status != http.StatusOK {
		s.t.Fatalf("%d: %s", got.status, got.body)
	}
	for _, n := range said.Notes {
		texts = append(texts, n.ID+" "+n.Text)
	}
	return texts
}

func (s *street) put(bearer, id, body string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPut, s.api+"/notes/"+id, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", bearer)
	return s.send(http.DefaultClient, r)
}

func TestExampleAPI_keepsEachPersonsNotesForThemselves(t *testing.T) {
	t.Parallel()
	s, _ := openAPI(t)
	command(t, s.dir, nil, adasPassword, "user", "add", "--email", "bob@example.com", "--password-stdin")
	ada, phone := s.bearer(s.app("notes", true)), s.bearer(s.app("reader", true))
	bob := s.bearer(s.appOf("bob@example.com", "notes", true))
	for range 2 { // an answer that was lost is asked for again
		if got := s.put(ada, "1", `{"text": "Buy milk"}`); got.status != http.StatusOK {
			t.Errorf("%d: %s", got.status, got.body)
		}
	}
	s.put(phone, "2", `{"text": "Buy bread"}`)
	s.put(bob, "1", `{"text": "Sleep"}`)
	if got := strings.Join(s.notesOf(ada), ", "); got != "2 Buy bread, 1 Buy milk" {
		t.Errorf("Ada has %q", got)
	}
	if got := strings.Join(s.notesOf(bob), ", "); got != "1 Sleep" {
		t.Errorf("Bob has %q", got)
	}
	if got := s.ask("DELETE", s.api+"/notes/1", "Authorization", bob); got.status != http.StatusNoContent || len(s.notesOf(bob)) != 0 || len(s.notesOf(ada)) != 2 {
		t.Errorf("%d; Ada has %q", got.status, s.notesOf(ada))
	}
}

func TestExampleAPI_asksForWhatEachOperationNeeds(t *testing.T) {
	t.Parallel()
	s, _ := openAPI(t)
	command(t, s.dir, nil, "", "client", "add", "--id", "viewer", "--public", "--redirect-uri", "http://127.0.0.1/callback", "--scope", "openid offline_access notes.read")
	viewer, writer := s.bearer(s.app("viewer", true)), s.bearer(s.app("notes", true))
	s.refused("no token", s.ask("GET", s.api+"/notes"), 401, `scope="notes.read"`, "resource_metadata=")
	s.refused("writing with a token for reading", s.put(viewer, "1", `{"text": "x"}`), 403, `scope="notes.write"`)
	s.refused("erasing without a second factor", s.ask("DELETE", s.api+"/notes", "Authorization", writer), 401,
		"insufficient_user_authentication", `acr_values="mfa"`)
	for body, want := range map[string]int{
		``: 400, `{}`: 400, `[]`: 400, `{"text": ""}`: 400, `{"text": "` + strings.Repeat("x", 4097) + `"}`: 400, strings.Repeat("x", 17<<10): 413,
		`{"text": "` + strings.Repeat("x", 4096) + `"}`: 200,
	} {
		if got := s.put(writer, "1", body); got.status != want || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%.20q is answered %d, want %d: %s", body, got.status, want, got.body)
		}
	}
	if got := s.put(writer, strings.Repeat("x", 65), `{"text": "x"}`); got.status != 413 {
		t.Errorf("a long id is answered %d", got.status)
	}
	if got := s.ask("GET", s.api+"/.well-known/oauth-protected-resource"); !strings.Contains(got.body, `"notes.read","notes.write"`) {
		t.Errorf("the metadata is %s", got.body)
	}
}

func TestExampleAPI_refusesAnEndedSession(t *testing.T) {
	t.Parallel()
	s, api := openAPI(t)
	bearer := s.bearer(s.app("notes", true))
	s.notesOf(bearer)
	s.end("notes")
	api.until("a refusal", func() bool {
		return s.ask("GET", s.api+"/notes", "Authorization", bearer).status == http.StatusUnauthorized
	})
	if err := api.stop(); err != nil {
		t.Error(err)
	}
}

// Beside the demo it takes no flags, but for the ports of this test; the terminal app calls it until its session is ended.
func TestExampleAPI_isOneCommandBesideTheDemo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, listen := startDemo(t, dir), "127.0.0.1:"+freePorts(t, 1)[0]
	api := start(t, dir, nil, buildExample(t, "api"), "-issuer", d.issuer, "-listen", listen)
	api.says("Notes at http://" + listen + "/notes")
	app := start(t, t.TempDir(), nil, buildExample(t, "nativeapp"), "--no-browser", "--issuer", d.issuer, "--api", "http://"+listen+"/notes")
	app.until("an address", func() bool { return printedURL.MatchString(app.out.String()) })
	statusOf(d.person().follow(printedURL.FindString(app.out.String())).String())
	app.says(`200 OK http://` + listen + `/notes: {"notes":[]}`)
	command(t, dir, nil, "", append(inDemo, "session", "end", sessionsOf(t, dir, demoNative, inDemo...)[0])...)
	if err := app.wait(); err != nil || !strings.Contains(app.out.String(), "You were signed out. Please sign in again.") {
		t.Errorf("%v: %s", err, app.out)
	}
	if info, err := os.Stat(filepath.Join(dir, demoSecret)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the secret's file: %v, %v", info, err)
	}
}
