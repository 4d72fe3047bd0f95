package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/config"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// demo is `sojourn demo` under way.
type demo struct {
	*process
	issuer, app    string
	password, totp string
}

var (
	demoPassword = regexp.MustCompile(`Password +(\S+)`)
	demoTOTP     = regexp.MustCompile(`--base32 (\S+)`)
)

func startDemo(t *testing.T, dir string) demo {
	t.Helper()
	ports := freePorts(t, 3)
	d := demo{issuer: "http://localhost:" + ports[0], app: "http://localhost:" + ports[1]}
	env := []string{"SOJOURN_ISSUER=" + d.issuer, "SOJOURN_LISTEN=127.0.0.1:" + ports[0], "SOJOURN_ADMIN_LISTEN=127.0.0.1:" + ports[2]}
	d.process = start(t, dir, env, "sojourn", "demo", "--app-listen", "127.0.0.1:"+ports[1])
	d.says("Kept in")
	d.says("--database sqlite:sojourn-demo/sojourn.db user list")
	d.until("readiness", func() bool { return statusOf("http://127.0.0.1:"+ports[2]+"/readyz") == http.StatusOK })
	d.password = demoPassword.FindStringSubmatch(d.out.String())[1]
	d.totp = demoTOTP.FindStringSubmatch(d.out.String())[1]
	return d
}

func (d demo) person() *person { return newPerson(d.t, demoUser, d.password, d.totp) }

func TestDemo_showsWhatToTryAndEachStartHasItsOwnPassword(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := startDemo(t, dir)
	for _, text := range []string{first.app, demoUser, "oathtool", "examples/nativeapp -issuer " + first.issuer + " ", "sojourn-demo"} {
		if !strings.Contains(first.out.String(), text) {
			t.Errorf("%q is not said: %s", text, first.out)
		}
	}
	response, err := http.Get(first.issuer + "/demo")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.Request.URL.String() != first.app+"/" {
		t.Errorf("/demo leads to %s", response.Request.URL)
	}
	if err := first.stop(); err != nil {
		t.Error(err)
	}
	second := startDemo(t, dir)
	if second.password == first.password {
		t.Error("the password is known from an earlier start")
	}
	if second.totp != first.totp {
		t.Error("the authenticator in someone's phone stopped working")
	}
}

// Where --listen says another port, people find everything there; and who has no authenticator presses Enter.
func TestDemo_isWhereItListensAndSaysTheCodeAtEnter(t *testing.T) {
	t.Parallel()
	ports := freePorts(t, 3)
	in, keys, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	defer in.Close()
	p := startWith(t, t.TempDir(), nil, in, "sojourn", "demo", "--listen", "127.0.0.1:"+ports[0], "--app-listen", "127.0.0.1:"+ports[1],
		"--admin-listen", "127.0.0.1:"+ports[2])
	p.says("Kept in")
	issuer := "http://localhost:" + ports[0]
	p.says(issuer + "/signup")
	p.says("examples/nativeapp -issuer " + issuer + " ")
	d := demo{process: p, issuer: issuer, app: "http://localhost:" + ports[1]}
	d.password, d.totp = demoPassword.FindStringSubmatch(p.out.String())[1], demoTOTP.FindStringSubmatch(p.out.String())[1]
	before := code(t, d.totp)
	if _, err := keys.WriteString("\n"); err != nil {
		t.Fatal(err)
	}
	said := regexp.MustCompile(`The code is (\d{6}) for the next (3[1-9]|[45]\d|60) seconds`) // never less than one needs to type it
	p.until("a code", func() bool { return said.MatchString(p.out.String()) })
	if got := said.FindStringSubmatch(p.out.String())[1]; got != before && got != code(t, d.totp) {
		t.Errorf("the code is said to be %s", got)
	}
	if len(d.person().signedIn(d)) == 0 {
		t.Error("nobody is signed in there")
	}
}

var printedURL = regexp.MustCompile(`http://localhost\S+/oauth2/authorize\S+`)

func TestDemo_theExamplesSignIn(t *testing.T) {
	t.Parallel()
	d := startDemo(t, t.TempDir())
	who := d.person()
	file := filepath.Join(t.TempDir(), "registration.json")
	for _, c := range []struct {
		name, says string
		args       []string
	}{
		{"nativeapp", "Signed out", nil},
		{"thirdparty", "Signed in as " + demoUser, []string{"--file", file}},
		{"thirdparty", "Signed in as " + demoUser, []string{"--file", file}}, // registered by now
	} {
		binary := buildExample(t, c.name)
		app := start(t, t.TempDir(), nil, append([]string{binary, "--no-browser", "--issuer", d.issuer}, c.args...)...)
		app.until("an address", func() bool { return printedURL.MatchString(app.out.String()) })
		back := who.follow(printedURL.FindString(app.out.String()))
		if got := statusOf(back.String()); got != http.StatusOK {
			t.Errorf("%s: the browser came back and saw %d", c.name, got)
		}
		if err := app.wait(); err != nil || !strings.Contains(app.out.String(), c.says) {
			t.Errorf("%s: %v: %s", c.name, err, app.out)
		}
	}
	var kept map[string]string
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(content, &kept); err != nil || kept["client_id"] == "" || kept["registration_access_token"] == "" {
		t.Errorf("%v: %s", err, content)
	}
}

// built are the programs of examples that were built, by name.
var built sync.Map

// buildExample builds a program of examples, once.
func buildExample(t *testing.T, name string) string {
	t.Helper()
	build, _ := built.LoadOrStore(name, sync.OnceValues(func() (string, error) {
		binary := filepath.Join(scratch, name)
		build := exec.Command("go", "build", "-o", binary, "./examples/"+name)
		build.Dir = filepath.Join("..", "..")
		out, err := build.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return binary, err
	}))
	binary, err := build.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// A demo folder outlives the version that made it.
func TestSeed_appsOfAnEarlierStartLearnWhatIsNew(t *testing.T) {
	t.Parallel()
	o := opened{keys: storagetest.Keys(t), db: storagetest.Open(t, storage.SQLite)}
	o.cfg.PasswordCost = config.HashCost(storagetest.CheapHash)
	app := newClient{id: demoClient, Metadata: identity.Metadata{Name: "Notes", RedirectURIs: []string{"http://localhost/callback"}}}
	if err := o.seedClient(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := o.seed(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	c, err := o.db.ClientByID(t.Context(), demoClient)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"http://localhost/"}, c.PostLogoutRedirectURIs); diff != "" {
		t.Error(diff)
	}
	if c.IDTokenAlg != "ES256" {
		t.Errorf("its ID tokens are signed with %q", c.IDTokenAlg)
	}
	if c.SelfRegistered || len(c.RegistrationHash) > 0 {
		t.Errorf("it became someone else's: %+v", c)
	}
}
