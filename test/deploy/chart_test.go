//go:build deploy

package deploy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The tools, by their modules: Go makes them where they are needed.
const (
	composeTool = "github.com/compose-spec/compose-go/v2/cmd@v2.9.0"
	helmTool    = "helm.sh/helm/v4/cmd/helm@v4.3.1"
)

var building sync.Mutex // two at once would only be slower

// tool runs a program that Go can fetch, in the repository.
func tool(t *testing.T, module string, args ...string) (string, error) {
	t.Helper()
	return goCommand(t, append([]string{"run", module}, args...)...)
}

// fetched is the folder of a module's source.
func fetched(t *testing.T, module string) string {
	t.Helper()
	said, err := goCommand(t, "mod", "download", "-json", module)
	var of struct{ Dir string }
	if err = errors.Join(err, json.Unmarshal([]byte(said), &of)); err != nil {
		t.Fatal(said, err)
	}
	return of.Dir
}

func goCommand(t *testing.T, args ...string) (string, error) {
	t.Helper()
	building.Lock()
	defer building.Unlock()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -mod=mod")
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	err := cmd.Run()
	if err != nil {
		err = errors.Join(err, errors.New(problem.String()))
	}
	return out.String(), err
}

// TestCompose_isWhatDocumentsPromise reads docker-compose.yml as Compose does: its schema, its variables, its anchors.
func TestCompose_isWhatDocumentsPromise(t *testing.T) {
	t.Parallel()
	text, err := tool(t, composeTool, "-no-interpolation", "docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var project object
	if err := yaml.Unmarshal([]byte(text), &project); err != nil {
		t.Fatal(err)
	}
	services := at(project, "services").(object)
	for _, name := range []string{"postgres", "valkey", "migrate", "sojourn-1", "sojourn-2", "sojourn-3", "balancer", "mailpit", "prometheus", "grafana"} {
		if services[name] == nil {
			t.Errorf("there is no %s", name)
		}
	}
	for name, service := range services {
		image, _ := at(service, "image").(string)
		if !strings.Contains(image, ":") || strings.HasSuffix(image, ":latest") {
			t.Errorf("%s: %q says no version", name, image)
		}
		ports, _ := at(service, "ports").([]any)
		for _, port := range ports {
			if at(port, "host_ip") != "127.0.0.1" {
				t.Errorf("%s: %v is open to everyone", name, port)
			}
		}
		if strings.HasPrefix(name, "sojourn-") && len(ports) > 0 {
			t.Errorf("%s: a server is reached around the balancer", name)
		}
	}
	// The tool knows no variables, as somebody who set none.
	if _, err := tool(t, composeTool, "docker-compose.yml"); err == nil || !strings.Contains(err.Error(), "is missing a value") {
		t.Error("it starts without secrets:", err)
	}
	source, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	with := filepath.Join(t.TempDir(), "docker-compose.yml") // what must be set is set, all else is as it comes
	if err := os.WriteFile(with, regexp.MustCompile(`\$\{(\w+):\?[^}]*\}`).ReplaceAll(source, []byte("a-$1")), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err = tool(t, composeTool, with)
	if err != nil || !strings.Contains(text, "postgres://sojourn:a-POSTGRES_PASSWORD@postgres:5432/") || !strings.Contains(text, "https://localhost:8443") {
		t.Errorf("with secrets it is %v\n%s", err, text)
	}
}

var chartValues = []string{"--set", "issuer=https://id.example.com,secret.name=kept"}

// rendered is the chart with values, by kind.
func rendered(t *testing.T, values ...string) map[string]object {
	t.Helper()
	text, err := tool(t, helmTool, append([]string{"template", "id", "deploy/helm/sojourn"}, append(chartValues, values...)...)...)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]object{}
	for reader := yaml.NewDecoder(strings.NewReader(text)); ; {
		var one object
		if err := reader.Decode(&one); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		if kind, _ := one["kind"].(string); kind != "" {
			all[kind] = one
		}
	}
}

// TestChart_keepsItsPromises lints the chart and looks at what it makes.
func TestChart_keepsItsPromises(t *testing.T) {
	t.Parallel()
	if said, err := tool(t, helmTool, append([]string{"lint", "--strict", "deploy/helm/sojourn"}, chartValues...)...); err != nil {
		t.Fatal(said, err)
	}
	all := rendered(t, "--set", "secret.redisKey=redis,secret.migrateKey=owner,ingress.enabled=true,ingress.host=id.example.com")
	kinds := slices.Sorted(maps.Keys(all))
	want := []string{"Deployment", "HorizontalPodAutoscaler", "Ingress", "Job", "NetworkPolicy", "PodDisruptionBudget", "Service"}
	if !slices.Equal(kinds, want) {
		t.Errorf("it makes %v, want %v: no ConfigMap, no Secret", kinds, want)
	}
	for _, kind := range []string{"Deployment", "Job"} {
		pod := at(all[kind], "spec", "template", "spec")
		if at(pod, "securityContext", "runAsNonRoot") != true || at(pod, "automountServiceAccountToken") != false {
			t.Errorf("%s: its pods have rights: %v", kind, pod)
		}
		container := at(pod, "containers").([]any)[0]
		if at(container, "securityContext", "readOnlyRootFilesystem") != true || at(container, "securityContext", "allowPrivilegeEscalation") != false {
			t.Errorf("%s: its container may write or rise: %v", kind, container)
		}
		for _, name := range []string{"SOJOURN_SECRET", "SOJOURN_DATABASE", "SOJOURN_REDIS"} {
			if at(container, "env", name, "valueFrom", "secretKeyRef", "name") != "kept" {
				t.Errorf("%s: %s is not from the Secret", kind, name)
			}
		}
	}
	server := at(all["Deployment"], "spec", "template", "spec", "containers", "sojourn")
	if at(server, "readinessProbe", "httpGet", "path") != "/readyz" || at(server, "livenessProbe", "httpGet", "path") != "/healthz" {
		t.Error("probes:", at(server, "readinessProbe"), at(server, "livenessProbe"))
	}
	if hook := at(all["Job"], "metadata", "annotations", "helm.sh/hook"); hook != "pre-install,pre-upgrade" {
		t.Error("the migration runs at", hook)
	}
	if key := at(all["Job"], "spec", "template", "spec", "containers", "migrate", "env", "SOJOURN_DATABASE", "valueFrom", "secretKeyRef", "key"); key != "owner" {
		t.Error("the migration is of the role", key)
	}
	for _, port := range at(all["Service"], "spec", "ports").([]any) {
		if at(port, "targetPort") != "http" {
			t.Errorf("the Service leads to %v", port)
		}
	}
	if rules := at(all["NetworkPolicy"], "spec", "ingress").([]any); len(rules) != 1 {
		t.Errorf("more than the public port is let in: %v", rules)
	}
}

// What is secret or lacking is refused before anything is made.
func TestChart_refusesSecretsInValues(t *testing.T) {
	t.Parallel()
	for _, values := range [][]string{
		{"--set", "secret.name=kept"},
		{"--set", "issuer=https://id.example.com"},
		append([]string{"--set", "settings.SECRET=abc"}, chartValues...),
		append([]string{"--set", "settings.DATABASE=postgres://a:b@c/d"}, chartValues...),
	} {
		if said, err := tool(t, helmTool, append([]string{"template", "id", "deploy/helm/sojourn"}, values...)...); err == nil {
			t.Errorf("%v is taken:\n%s", values, said)
		}
	}
}
