package contract

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/test/cluster"
)

const (
	redirectURI = "com.example.contract:/callback" // the app's own scheme: who drives the driver delivers what comes there
	scope       = "openid profile email offline_access"
	password    = "a long enough password"
)

// provider is a server behind a network.
type provider interface {
	// register makes an app and a person for one scenario.
	register(t testing.TB) cast
	// net is where the SDK finds it.
	net() *network
	// act does something at the server: what, the word of a step.
	act(t testing.TB, p *person, what string)
}

// cast is who plays in a scenario.
type cast struct {
	clientID string
	email    string
}

// scratch is a folder for what is built.
var scratch string

// program is sojourn, built once.
var program = sync.OnceValues(func() (string, error) {
	return cluster.Build(context.Background(), scratch)
})

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "sojourn-contract"); err != nil {
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

// sojourn is `sojourn serve` behind a network.
type sojourn struct {
	network *network
	env     []string
	last    atomic.Int64
}

// known is how many apps and people a server has before it starts: those of so many scenarios.
const known = 32

// furnished is a folder with a database that knows them. Each server begins with a copy, which takes a moment; the commands take minutes
// for all scenarios of all languages.
var furnished = sync.OnceValues(func() (dir string, err error) {
	dir = filepath.Join(scratch, "furnished")
	if err = os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	s := &sojourn{env: append(os.Environ(), "SOJOURN_ISSUER=https://localhost:1", settings(dir))}
	for n := int64(1); n <= known && err == nil; n++ {
		err = s.furnish(context.Background(), castOf(n))
	}
	return dir, err
})

func settings(dir string) string {
	return "SOJOURN_DATABASE=sqlite:" + filepath.Join(dir, "sojourn.db")
}

func castOf(n int64) cast {
	return cast{clientID: fmt.Sprintf("contract-%d", n), email: fmt.Sprintf("ada%d@example.com", n)}
}

func newSojourn(t testing.TB) provider {
	t.Helper()
	s := &sojourn{network: newNetwork(t)}
	listen, admin := "127.0.0.1:"+freePort(t), "127.0.0.1:"+freePort(t)
	dir := t.TempDir()
	from, err := furnished()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "sojourn.db.secret"), 0o600); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	s.env = append(os.Environ(), "SOJOURN_ISSUER="+s.network.issuer(), "SOJOURN_LISTEN="+listen, "SOJOURN_ADMIN_LISTEN="+admin,
		settings(dir), "SOJOURN_LOG_LEVEL=warn", "SOJOURN_PASSWORD_COST=m=19456,t=2")
	s.network.lead(t, "http://"+listen, map[string]string{
		"/.well-known/openid-configuration": "discovery", "/oauth2/jwks": "jwks", "/oauth2/token": "token",
		"/oauth2/userinfo": "userinfo", "/me": "me", "/me/events": "events", "/oauth2/signout": "signout",
	})
	file, err := program()
	if err != nil {
		t.Fatal(err)
	}
	serve := exec.Command(file, "serve")
	serve.Env = s.env
	run(t, serve)
	ready(t, "http://"+admin+"/readyz")
	return s
}

// run has a server run until the test ends, and shows what it said where that failed.
func run(t testing.TB, serve *exec.Cmd) {
	t.Helper()
	var said bytes.Buffer
	serve.Stdout, serve.Stderr = &said, &said
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = serve.Process.Kill()
		_ = serve.Wait()
		if t.Failed() {
			t.Logf("the server said:\n%s", &said)
		}
	})
}

// ready waits until a server answers 200.
func ready(t testing.TB, address string) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if response, err := http.Get(address); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Since(began) > patience {
			t.Fatalf("%s is not ready", address)
		}
	}
}

func (s *sojourn) net() *network { return s.network }

func (s *sojourn) register(t testing.TB) cast {
	t.Helper()
	n := s.last.Add(1)
	c := castOf(n)
	if n <= known {
		return c
	}
	if err := s.furnish(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return c
}

// furnish adds an app and a person.
func (s *sojourn) furnish(ctx context.Context, c cast) error {
	return errors.Join(
		s.try(ctx, "client", "add", "--id", c.clientID, "--name", "Contract", "--public", "--redirect-uri", redirectURI, "--scope", scope),
		s.try(ctx, "user", "add", "--email", c.email, "--name", "Ada Lovelace", "--password-stdin"),
	)
}

// command runs sojourn to its end.
func (s *sojourn) command(t testing.TB, args ...string) {
	t.Helper()
	if err := s.try(t.Context(), args...); err != nil {
		t.Fatal(err)
	}
}

func (s *sojourn) try(ctx context.Context, args ...string) error {
	file, err := program()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, file, args...)
	cmd.Env, cmd.Stdin = s.env, strings.NewReader(password+"\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("sojourn %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

func (s *sojourn) act(t testing.TB, p *person, what string) {
	t.Helper()
	switch what {
	case "the operator ends the person's sessions":
		s.command(t, "user", "end-sessions", p.email)
	case "the person ends the app in Your devices":
		p.endApp(t, s.network.issuer())
	case "the app is disabled":
		s.command(t, "client", "disable", p.clientID)
	case "the person is locked":
		s.command(t, "user", "lock", p.email)
	default:
		t.Fatalf("a sojourn can't: %s", what)
	}
}
