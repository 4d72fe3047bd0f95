package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// openMCP starts examples/mcp beside a server where everybody may register, as its README says; settings are more of the
// server's environment.
func openMCP(t *testing.T, settings ...string) *street {
	t.Helper()
	s, port := openServer(t, append(settings, "SOJOURN_REGISTRATION=open")...), freePorts(t, 1)[0]
	s.api = "http://localhost:" + port + "/mcp"
	command(t, s.dir, nil, "", "resource", "add", s.api, "--name", "Your notes", "--scope", "notes.read=Read your notes",
		"--scope", "notes.write=Change your notes", "--open")
	notes := start(t, s.dir, nil, buildMCP(t, "."), "-listen", "127.0.0.1:"+port, "-url", s.api, "-issuer", s.issuer,
		"-client-id", "gate", "-secret-file", s.secretFile())
	notes.says("Notes for agents at " + s.api)
	return s
}

// buildMCP builds a program of examples/mcp, which is a module of its own.
func buildMCP(t *testing.T, name string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "program")
	build := exec.Command("go", "build", "-o", binary, name)
	build.Dir = filepath.Join("..", "..", "examples", "mcp")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return binary
}

// testMCP is the folder of MCP's own programs on Node.
func testMCP(t *testing.T) (node, dir string) {
	t.Helper()
	return onNode(t, "mcp", "@modelcontextprotocol")
}

// onNode is a folder of foreign programs below test, which need a package.
func onNode(t *testing.T, name, needs string) (node, dir string) {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", "test", name))
	if err != nil {
		t.Fatal(err)
	}
	if node, err = exec.LookPath("node"); err == nil {
		_, err = os.Stat(filepath.Join(dir, "node_modules", needs))
	}
	if err != nil {
		absent(t, "foreign programs were not run (npm ci in test/"+name+" brings them, test/run does): "+err.Error())
	}
	return node, dir
}

// issued counts how often the server issued tokens.
func (s *street) issued() int {
	return strings.Count(s.server.out.String(), `"route":"/oauth2/token","status":200`)
}

// agent is an MCP client under way, made with one of the official SDKs, that Ada has at her hand.
type agent struct {
	*process
	person *person
	away   bool       // Ada is not there when it asks her to sign in
	in     io.Writer  // a line for each thing to do
	read   int        // how much of what it said was read
	asked  []*url.URL // where it sent her
}

// kinds are the clients: how to start one, beside a server, that shows this client id; without one it registers itself.
var kinds = map[string]func(s *street, clientID string, flags ...string) *agent{
	"TypeScript": func(s *street, clientID string, _ ...string) *agent {
		node, dir := testMCP(s.t)
		return s.agent(dir, []string{"URL=" + s.api, "CLIENT_ID=" + clientID}, node, "client.mjs")
	},
	"Go": func(s *street, clientID string, flags ...string) *agent {
		return s.agent(s.dir, nil, append([]string{buildMCP(s.t, "./client"), "-url", s.api, "-client-id", clientID}, flags...)...)
	},
}

func (s *street) agent(dir string, env []string, command ...string) *agent {
	s.t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { in.Close() })
	a := &agent{person: newPerson(s.t, "ada@example.com", adasPassword, ""), in: in}
	a.process = startWith(s.t, dir, env, out, command...)
	return a
}

// until reads what it says, and does what it asks for, until it said something that begins with one of these.
func (a *agent) until(begins ...string) string {
	a.t.Helper()
	for {
		var line string
		a.process.until(strings.Join(begins, " or "), func() (whole bool) {
			line, _, whole = strings.Cut(a.out.String()[a.read:], "\n")
			return whole
		})
		a.read += len(line) + 1
		if address, ok := strings.CutPrefix(line, "open "); ok {
			a.open(address)
		}
		for _, begin := range begins {
			if strings.HasPrefix(line, begin) {
				return line
			}
		}
	}
}

// open is Ada at her browser, which ends at the agent's.
func (a *agent) open(address string) {
	a.t.Helper()
	at, err := url.Parse(address)
	if err != nil {
		a.t.Fatal(err)
	}
	a.asked = append(a.asked, at)
	if !a.away {
		statusOf(a.person.follow(address).String())
	}
}

// do has it do something, and returns what came of it.
func (a *agent) do(what string) string {
	a.t.Helper()
	a.say(what)
	return a.until("done: ", "error: ")
}

func (a *agent) say(what string) {
	a.t.Helper()
	if _, err := io.WriteString(a.in, what+"\n"); err != nil {
		a.t.Fatal(err)
	}
}

// refused waits until it is: the notes hear of an ending within the second. Ada is not there any more when it asks for her.
func (a *agent) refused() {
	a.t.Helper()
	a.away = true
	for began := time.Now(); time.Since(began) < patience; {
		a.say("list")
		if strings.HasPrefix(a.until("open ", "done: "), "open ") {
			return
		}
	}
	a.t.Error("it was signed out, and is answered still")
}

// wantAsked checks how often Ada was asked, and with which scopes the last time; offline_access is beside the point.
func (a *agent) wantAsked(times int, scopes string) {
	a.t.Helper()
	if len(a.asked) != times {
		a.t.Fatalf("Ada was sent to sign in %d times, not %d: %v", len(a.asked), times, a.asked)
	}
	last := strings.Fields(a.asked[times-1].Query().Get("scope"))
	slices.Sort(last)
	if got := strings.Join(slices.DeleteFunc(last, func(scope string) bool { return scope == "offline_access" }), " "); got != scopes {
		a.t.Errorf("it asked for the scopes %q, not %q", got, scopes)
	}
}

// signOutDevices has somebody press the button of every device at *Your devices* whose line has the name.
func (p *person) signOutDevices(issuer, name string) {
	p.t.Helper()
	p.browser.CheckRedirect = nil
	at := issuer + "/account/devices"
	page, ended := p.page(p.browser.Get(at)), 0
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		p.t.Fatal(err)
	}
	for form := range doc.Descendants() {
		fields, _ := p.answers(form)
		if form.Data != "form" || !fields.Has("sid") {
			continue
		}
		action, err := url.Parse(at)
		if err == nil {
			action, err = action.Parse(attr(form, "action"))
		}
		if err != nil {
			p.t.Fatal(err)
		}
		p.page(p.browser.PostForm(action.String(), fields))
		ended++
	}
	if ended == 0 || !strings.Contains(page, name) {
		p.t.Fatalf("of %s nothing is to be seen at %s: %s", name, at, page)
	}
}

// page reads an answer that must be a page.
func (p *person) page(response *http.Response, err error) string {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(response.Body); err != nil || response.StatusCode != http.StatusOK {
		p.t.Fatalf("%s: %s, %v: %s", response.Request.URL.Path, response.Status, err, body.String())
	}
	return body.String()
}

// publish serves the document of an agent at its client id, and returns that and a file with who vouches for the host.
func publish(t *testing.T) (id, roots string) {
	t.Helper()
	base, roots := secureSite(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"client_id": "https://" + r.Host + r.URL.Path, "client_name": "Notes by document", "redirect_uris": []string{"http://127.0.0.1/callback"},
			"grant_types": []string{"authorization_code", "refresh_token"}, "token_endpoint_auth_method": "none",
		})
	})
	return base + "/agent.json", roots
}

// secureSite is a site with https, and a file with who vouches for it.
func secureSite(t *testing.T, answer http.HandlerFunc) (base, roots string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(answer)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	roots = filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600); err != nil {
		t.Fatal(err)
	}
	return "https://localhost:" + port, roots
}
