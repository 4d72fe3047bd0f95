package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sojourn-auth/sojourn/sdk/go/app"
)

// street is a server and an API, with people who sign in to apps that call it.
type street struct {
	t      *testing.T
	dir    string
	issuer string
	api    string // where callers find it
	server *process
}

const (
	gateSecret   = "a secret of more than thirty-two characters"
	adasPassword = "a long enough password"
	adasScopes   = "openid profile offline_access notes.read notes.write"
)

// openServer starts a server with a person, two apps and a client of an API's own; settings are more of its environment.
func openServer(t *testing.T, settings ...string) *street {
	t.Helper()
	ports := freePorts(t, 2)
	public, admin := ports[0], ports[1]
	s := &street{t: t, dir: t.TempDir(), issuer: "http://localhost:" + public}
	furnish(s.t, s.dir)
	env := append(settings, "SOJOURN_ISSUER="+s.issuer)
	s.server = start(s.t, s.dir, env, "sojourn", "serve", "--listen", "127.0.0.1:"+public, "--admin-listen", "127.0.0.1:"+admin)
	s.server.until("readiness", func() bool { return statusOf("http://127.0.0.1:"+admin+"/readyz") == http.StatusOK })
	return s
}

var furnished sync.Mutex

// furnish puts the folder of a server into dir: with a person, two apps and a client of an API's own, which commands added to the
// first one of these and the others are copies of.
func furnish(t *testing.T, dir string) {
	t.Helper()
	furnished.Lock()
	defer furnished.Unlock()
	model := filepath.Join(scratch, "street")
	if _, err := os.Stat(model); err != nil {
		making := t.TempDir()
		command(t, making, nil, adasPassword, "user", "add", "--email", "ada@example.com", "--password-stdin")
		for _, id := range []string{"notes", "reader"} {
			command(t, making, nil, "", "client", "add", "--id", id, "--public", "--redirect-uri", "http://127.0.0.1/callback", "--scope", adasScopes)
		}
		command(t, making, nil, gateSecret, "client", "add", "--id", "gate", "--secret-stdin", "--grant-type", "client_credentials")
		if err := os.Rename(filepath.Join(making, "sojourn-data"), model); err != nil {
			t.Fatal(err)
		}
	}
	copyFolder(t, model, filepath.Join(dir, "sojourn-data"))
}

// copyFolder copies the files of a folder, for this user alone.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	files, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		content, err := os.ReadFile(filepath.Join(from, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, f.Name()), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// secretFile holds the secret of the gate's client.
func (s *street) secretFile() string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(gateSecret+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// app is an app that Ada signed in to.
func (s *street) app(client string, noDPoP bool) *app.App {
	s.t.Helper()
	return s.appOf("ada@example.com", client, noDPoP)
}

// appOf is an app that somebody signed in to.
func (s *street) appOf(email, client string, noDPoP bool) *app.App {
	s.t.Helper()
	folder, err := app.NewFileFolder(filepath.Join(s.t.TempDir(), "app"))
	if err != nil {
		s.t.Fatal(err)
	}
	person := newPerson(s.t, email, adasPassword, "")
	a, err := app.Open(app.Config{
		Issuer: s.issuer, ClientID: client, Storage: folder, NoDPoP: noDPoP, Scopes: strings.Fields(adasScopes), Resources: []string{s.api},
		Browser: func(_ context.Context, address string) error {
			go func() { statusOf(person.follow(address).String()) }()
			return nil
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(a.Close)
	if _, err := a.SignIn(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	return a
}

// answer is what a caller heard.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request with headers, given in pairs.
func (s *street) ask(method, to string, headers ...string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, to, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if at := r.Header.Get("Host"); at != "" {
		r.Host = at
	}
	return s.send(http.DefaultClient, r)
}

func (s *street) send(by *http.Client, r *http.Request) answer {
	s.t.Helper()
	response, err := by.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(body)}
}

// refused checks a refusal: its status, and what its challenges say.
func (s *street) refused(what string, got answer, status int, says ...string) {
	s.t.Helper()
	challenge := strings.Join(got.header.Values("WWW-Authenticate"), "|")
	if got.status != status {
		s.t.Errorf("%s is answered %d with %q, want %d: %s", what, got.status, challenge, status, got.body)
	}
	for _, part := range says {
		if !strings.Contains(challenge, part) {
			s.t.Errorf("%s: the challenge %q has no %s", what, challenge, part)
		}
	}
}

// bearer is the header for an app's token.
func (s *street) bearer(a *app.App) string {
	s.t.Helper()
	token, err := a.Token(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return "Bearer " + token.AccessToken
}

// end ends the sessions of a client that Ada is signed in to, by the command that an operator has.
func (s *street) end(client string) {
	s.t.Helper()
	for _, sid := range sessionsOf(s.t, s.dir, client) {
		command(s.t, s.dir, nil, "", "session", "end", sid)
	}
}
