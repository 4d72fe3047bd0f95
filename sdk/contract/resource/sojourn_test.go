package resource

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/sojourn-auth/sojourn/storage" // has the driver of SQLite
	"github.com/sojourn-auth/sojourn/test/cluster"
)

const (
	password = "a long enough password"
	callback = "https://notes.example.com/callback"
)

// scratch is a folder for what is built.
var scratch string

// program is sojourn, built once.
var program = sync.OnceValues(func() (string, error) {
	return cluster.Build(context.Background(), scratch)
})

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "sojourn-resource"); err != nil {
		panic(err)
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil { // scenarios wait more than they work, and atOnce bounds them
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(scratch)
	os.Exit(code)
}

// sojourn is `sojourn serve` with an API, four apps and two people.
type sojourn struct {
	t        testing.TB
	file     string
	url      string
	admin    string
	database string // its file
	env      []string
	serving  *exec.Cmd
}

// newBuffered is a stage whose server is the real one, behind a proxy that holds streams back: libraries poll.
func newBuffered(t *testing.T, spec driverSpec) *stage {
	t.Helper()
	listen := freeAddress(t)
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: listen})
	forward.ErrorLog = log.New(io.Discard, "", 0) // of a server that is stopped
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Accept"), "event-stream") {
			_, _ = io.Copy(io.Discard, r.Body) // only then is it noticed that a caller hangs up
			<-r.Context().Done()
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { proxy.CloseClientConnections(); proxy.Close() })
	return sojournAt(t, spec, proxy.URL, listen)
}

// furnished is a folder with a database that knows the apps and people of all scenarios. Each server begins with a copy, which takes
// a moment.
var furnished struct {
	once sync.Once
	dir  string
}

func furnish(t testing.TB, file string) {
	t.Helper()
	furnished.once.Do(func() {
		furnished.dir = filepath.Join(scratch, "furnished")
		if err := os.Mkdir(furnished.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		s := &sojourn{t: t, file: file, env: settings("http://127.0.0.1:1", furnished.dir)}
		s.command(secret, "client", "add", "--id", clientID, "--secret-stdin", "--grant-type", "client_credentials")
		for app, flag := range map[string]string{
			"notes": "--trusted", "lists": "--trusted", "asking": "--trusted=false", "opaque": "--access-token-format=reference",
		} {
			s.command(secret, "client", "add", "--id", app, "--secret-stdin", "--redirect-uri", callback, flag,
				"--grant-type", "authorization_code", "--grant-type", "refresh_token", "--scope", "openid offline_access notes.read")
		}
		for _, person := range []string{"ada", "grace"} {
			s.command(password, "user", "add", "--email", person+"@example.com", "--password-stdin")
		}
	})
}

func settings(issuer, dir string, more ...string) []string {
	return append(append(os.Environ(), "SOJOURN_ISSUER="+issuer, "SOJOURN_DATABASE=sqlite:"+filepath.Join(dir, "sojourn.db"),
		"SOJOURN_LOG_LEVEL=warn", "SOJOURN_PASSWORD_COST=m=19456,t=2"), more...)
}

// newSojourn is a stage whose server is the real one.
func newSojourn(t *testing.T, spec driverSpec) *stage {
	t.Helper()
	listen := freeAddress(t)
	return sojournAt(t, spec, "http://"+listen, listen)
}

// sojournAt is one that others find at an issuer.
func sojournAt(t *testing.T, spec driverSpec, issuer, listen string) *stage {
	t.Helper()
	file, err := program()
	if err != nil {
		t.Fatal(err)
	}
	admin, dir := freeAddress(t), t.TempDir()
	s := &sojourn{t: t, file: file, url: issuer, admin: "http://" + admin, database: filepath.Join(dir, "sojourn.db")}
	s.env = settings(s.url, dir, "SOJOURN_LISTEN="+listen, "SOJOURN_ADMIN_LISTEN="+admin)
	furnish(t, file)
	if err := os.CopyFS(dir, os.DirFS(furnished.dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "sojourn.db.secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	s.start()
	return &stage{t: t, spec: spec, issuer: s.url, sojourn: s, key: newKey(t), kept: map[string]string{}, people: map[string]*person{}, counted: map[string]int{}}
}

func freeAddress(t testing.TB) string {
	t.Helper()
	ports, err := cluster.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	return "127.0.0.1:" + ports[0]
}

func (s *sojourn) start() {
	s.t.Helper()
	s.serving = exec.Command(s.file, "serve")
	s.serving.Env = s.env
	if err := s.serving.Start(); err != nil {
		s.t.Fatal(err)
	}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if response, err := http.Get(s.admin + "/readyz"); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Since(began) > patience {
			s.t.Fatal("sojourn serve is not ready")
		}
	}
}

func (s *sojourn) stop() {
	if s.serving != nil {
		_ = s.serving.Process.Kill()
		_ = s.serving.Wait()
	}
	s.serving = nil
}

// command runs sojourn to its end.
func (s *sojourn) command(input string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(s.file, args...)
	cmd.Env, cmd.Stdin = s.env, strings.NewReader(input+"\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("sojourn %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// tellMany writes endings of others' sessions behind those that are there, as hours of them would be. The server is stopped.
func (s *sojourn) tellMany(n int) {
	s.t.Helper()
	db, err := sql.Open("sqlite", s.database)
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{
		fmt.Sprintf(`INSERT INTO marks (id, position, at, kind, subject, epoch, keep)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
			SELECT printf('%%08x-0000-7000-8000-000000000000', i), position + i, %d, 's', 'many-' || i, 0, '' FROM n, mark_log`, n, time.Now().UnixMicro()),
		fmt.Sprintf("UPDATE mark_log SET position = position + %d", n),
	} {
		if _, err := db.ExecContext(s.t.Context(), statement); err != nil {
			s.t.Fatal(err)
		}
	}
}

// operate has the server do something.
func (s *stage) operate(from step) {
	s.t.Helper()
	var what, of string
	var words []string
	s.member(from, "of", &of)
	if json.Unmarshal(from["server"], &what) != nil {
		s.member(from, "server", &words)
		for i, word := range words {
			words[i] = strings.ReplaceAll(word, "SID", s.kept[of+" sid"])
		}
		s.sojourn.command(password, words...)
		return
	}
	switch what {
	case "stopped":
		s.sojourn.stop()
	case "started":
		s.sojourn.start()
	case "tells 100,000 endings":
		s.sojourn.tellMany(100_000)
	case "revokes the access token":
		s.post(s.kept[of+" app"], "/oauth2/revoke", url.Values{"token": {s.kept[of]}})
	case "refreshes":
		s.keep(of, s.post(s.kept[of+" app"], "/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {s.kept[of+" refresh"]}}))
	case "ends the person's other sessions":
		s.people[of].post(s.t, s.issuer+"/account/devices", url.Values{"others": {"end"}})
	case "withdraws consent":
		s.people[of].post(s.t, s.issuer+"/account/apps", url.Values{"client_id": {s.kept[of+" app"]}})
	default:
		s.t.Fatalf("sojourn can't: %s", what)
	}
}

// signIn brings a person's tokens, in the browser that another token came by or one of their own.
func (s *stage) signIn(from step) {
	s.t.Helper()
	var name, person, in string
	app := "notes"
	s.member(from, "signin", &name)
	s.member(from, "as", &person)
	s.member(from, "to", &app)
	s.member(from, "in", &in)
	p := s.people[in]
	if p == nil {
		p = newPerson(s.t, person+"@example.com")
	}
	s.people[name] = p
	verifier := rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(verifier))
	back := p.follow(s.t, s.issuer+"/oauth2/authorize?"+url.Values{
		"client_id": {app}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid offline_access notes.read"}, "state": {"s"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode())
	s.kept[name+" app"] = app
	s.keep(name, s.post(app, "/oauth2/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {callback}, "code_verifier": {verifier},
	}))
}

// post asks the server as an app.
func (s *stage) post(app, path string, form url.Values) []byte {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(app, url.QueryEscape(secret))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK {
		s.t.Fatalf("%s answers %s: %s", path, response.Status, body)
	}
	return body
}

// keep keeps the tokens of an answer by a name, with the Session that they are of.
func (s *stage) keep(name string, answer []byte) {
	s.t.Helper()
	var told struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		IDToken      string `json:"id_token"`
	}
	var claims struct {
		SID string `json:"sid"`
	}
	if err := json.Unmarshal(answer, &told); err != nil {
		s.t.Fatal(err)
	}
	if parts := strings.Split(told.AccessToken, "."); len(parts) == 3 {
		payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
		if _ = json.Unmarshal(payload, &claims); claims.SID == "" {
			s.t.Fatal("the access token names no Session")
		}
	}
	s.kept[name+" id"] = told.IDToken
	s.kept[name], s.kept[name+" refresh"], s.kept[name+" sid"] = told.AccessToken, told.RefreshToken, claims.SID
}
