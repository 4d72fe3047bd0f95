package config_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/config"
)

// selfSigned writes a certificate and its key.
func selfSigned(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	plan := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, plan, plan, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	asPEM := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return file(t, "cert.pem", asPEM("CERTIFICATE", der)), file(t, "key.pem", asPEM("PRIVATE KEY", pkcs8))
}

func TestConfig_neverShowsASecret(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]string{
		"in the authority": "postgres://u:hunter2@db/sojourn",
		"in the query":     "postgres://u@db/sojourn?password=hunter2&sslpassword=hunter2",
		"unreadable":       "postgres://u:hunter2%zz@db",
		"of another kind":  "mysql:hunter2",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := load(t, config.Options{Flags: map[string]string{"secret": oneSecret}})
			c.Database = config.Database(database)
			var log bytes.Buffer
			slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "config", c, "database", c.Database, "secret", c.Secret)
			slog.New(slog.NewTextHandler(&log, nil)).Info("x", "config", c, "database", c.Database, "secret", c.Secret)
			out := log.String() + c.String()
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				out += fmt.Sprintf(verb+verb+verb, c, c.Database, c.Secret)
			}
			encoded, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			out += string(encoded)
			for _, secret := range []string{"hunter2", "68756e74657232", oneSecret, "AAECAw", "000102", "[0 1 2"} {
				if strings.Contains(out, secret) {
					t.Errorf("%q shows in\n%s", secret, out)
				}
			}
		})
	}
}

func TestConfig_stringReadsLikeTheEnvironment(t *testing.T) {
	t.Parallel()
	c := load(t, config.Options{Flags: map[string]string{
		"secret": oneSecret + "," + otherSecret, "database": "postgres://u:hunter2@db/sojourn", "fetch_allow": "10.0.0.0/8,a.internal",
	}})
	for _, want := range []string{
		"SOJOURN_ISSUER=http://localhost:8080\n", "SOJOURN_SECRET=[secret],[secret]\n", "SOJOURN_DATABASE=postgres://u:xxxxx@db/sojourn\n",
		"SOJOURN_FETCH_ALLOW=a.internal,10.0.0.0/8\n", "SOJOURN_ACCESS_TTL=10m0s\n", "SOJOURN_LOG_LEVEL=info\n", "SOJOURN_TLS_CERT=\n",
	} {
		if !strings.Contains(c.String(), want) {
			t.Errorf("%q is missing in\n%s", want, c)
		}
	}
}

func embedded(t *testing.T) (c config.Config, path string) {
	t.Helper()
	database := filepath.Join(t.TempDir(), "new", "sojourn.db")
	return load(t, config.Options{Flags: map[string]string{"database": "sqlite:" + database}}), database + ".secret"
}

func ensure(t *testing.T, c config.Config) config.Secret {
	t.Helper()
	c, err := config.EnsureSecret(c)
	if err != nil {
		t.Fatal(err)
	}
	return c.Secret
}

func TestEnsureSecret_isMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	c, path := embedded(t)
	secrets := make([]config.Secret, 16)
	var all sync.WaitGroup
	for i := range secrets {
		all.Go(func() { secrets[i] = ensure(t, c) })
	}
	all.Wait()
	for _, s := range secrets {
		if len(s) != 1 || len(s[0]) != 32 || !bytes.Equal(s[0], secrets[0][0]) {
			t.Fatal("processes that started together have different secrets")
		}
	}
	for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", name, got, want)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("%d files beside the database, %v; want the secret alone", len(entries), err)
	}
}

func TestEnsureSecret_leavesWhatIsSetAndPostgreSQL(t *testing.T) {
	t.Parallel()
	c, path := embedded(t)
	given := load(t, config.Options{Flags: map[string]string{"secret": oneSecret}}).Secret
	c.Secret = given
	if diff := cmp.Diff([][]byte(given), [][]byte(ensure(t, c))); diff != "" {
		t.Error("replaced a secret that was set")
	}
	if got := ensure(t, config.Config{Database: "postgres://db/x"}); got != nil {
		t.Error("made a secret for PostgreSQL")
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("wrote a file that nobody needs")
	}
}

func TestEnsureSecret_refusesAFileThatOthersCanReadOrThatIsNoSecret(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content, want string
		mode          os.FileMode
	}{
		"group":  {oneSecret, "chmod 600", 0o640},
		"others": {oneSecret, "chmod 600", 0o604},
		"empty":  {"", "is empty", 0o600},
		"broken": {"hunter2", "is not base64", 0o600},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings, path := embedded(t)
			ensure(t, settings)
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			_, err := config.EnsureSecret(settings)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
