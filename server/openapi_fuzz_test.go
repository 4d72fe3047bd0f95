package server

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// fuzzed is what schemathesis judges: no fault, and no status, content type or body that the description does not tell of.
const fuzzed = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"

// TestOpenAPI_holdsAgainstSchemathesis has a foreign program make requests of the description, right and wrong ones, and judge the
// answers by it. It deletes what it can, on a database of its own.
func TestOpenAPI_holdsAgainstSchemathesis(t *testing.T) {
	t.Parallel()
	kinds := storagetest.Kinds(t)
	t.Run("schemathesis", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, kinds[len(kinds)-1]) // PostgreSQL, which takes fewer texts
		w.journal.expectFaults()              // of the webhook; its own are told by the program
		if said, err := w.schemathesis(t, w.admin+"/api/openapi.json"); err != nil {
			t.Errorf("%v\n%s", err, said)
		}
	})
}

// TestSchemathesis_findsAnAnswerThatTheDescriptionDoesNotTell shows that the program above finds what is wrong: of an API that answers
// otherwise than its description says it says so.
func TestSchemathesis_findsAnAnswerThatTheDescriptionDoesNotTell(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite")
	w.journal.expectFaults()
	text, err := os.ReadFile(filepath.Join("..", "admin", "openapi.json"))
	if err != nil {
		t.Fatal(err)
	}
	wrong := strings.Replace(string(text), `"required": ["roles"]`, `"required": ["rolls"]`, 1)
	if wrong == string(text) {
		t.Fatal("the description has changed: change it here, too")
	}
	file := filepath.Join(t.TempDir(), "openapi.json")
	if err := os.WriteFile(file, []byte(wrong), 0o600); err != nil {
		t.Fatal(err)
	}
	said, err := w.schemathesis(t, file, "--include-path", "/api/roles", "--phases", "fuzzing")
	if err == nil || !strings.Contains(said, "rolls") {
		t.Errorf("it finds nothing: %v\n%s", err, said)
	}
}

// schemathesis runs it against the admin API of the world, where there is one of everything.
func (w *world) schemathesis(t *testing.T, description string, more ...string) (said string, err error) {
	t.Helper()
	program := foreign(t, filepath.Join("..", "test", "schemathesis", ".venv", "bin", "schemathesis"))
	dir := t.TempDir()
	config := filepath.Join(dir, "schemathesis.toml")
	if err := os.WriteFile(config, []byte(w.oneOfEverything(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{
		"--config-file", config, "run", description, "--url", w.admin, "--seed", "4711", "--max-examples", "5", "--checks", fuzzed,
		"--phases", "examples,coverage,fuzzing", "--request-timeout", "30", "--no-color", "--continue-on-failure",
	}, more...)
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "SOJOURN_TOKEN="+w.adminToken(t, "schemathesis"))
	began := time.Now()
	out, err := cmd.CombinedOutput()
	t.Logf("in %v:\n%s", time.Since(began), last(string(out), 20))
	return string(out), err
}

// oneOfEverything makes a person, a session, a client, a resource and a webhook, and another one of each to be deleted, and tells the
// program their names: by chance it would never find one.
func (w *world) oneOfEverything(t *testing.T) string {
	t.Helper()
	text := new(strings.Builder)
	text.WriteString("[headers]\nAuthorization = \"Bearer ${SOJOURN_TOKEN}\"\n")
	for i, method := range []string{"exclude-method", "include-method"} {
		for noun, name := range w.one(t, fmt.Sprint("number", i)) {
			fmt.Fprintf(text, "\n[[operations]]\ninclude-path-regex = \"^/api/%s/[{]id[}]\"\n%s = \"DELETE\"\nparameters = { \"path.id\" = %q }\n",
				noun, method, name)
		}
	}
	return text.String()
}

func (w *world) one(t *testing.T, name string) map[string]string {
	t.Helper()
	p, a := w.person(t), w.app(t, selfMade)
	session := sidOf(t, a.redeem(t, newVisitor(t).signIn(t, a, p)))
	if _, err := Webhooks(w.db, true).Add(t.Context(), &identity.Webhook{Name: name, URL: "https://crm.example/in"}); err != nil {
		t.Fatal(err)
	}
	resource := identity.Resource{URI: "https://api.example/" + name, ResourceSettings: identity.ResourceSettings{Name: name}}
	if _, err := Operators(w.db, load(t, nil)).AddResource(t.Context(), resource); err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"users": p.user.ID.String(), "sessions": session.String(), "clients": a.client.ID, "webhooks": name, "resources": resource.URI,
	}
}

// last is the last lines of a text.
func last(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
