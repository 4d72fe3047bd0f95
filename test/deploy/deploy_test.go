// Package deploy holds docker-compose.yml, deploy/ and the chart to what they promise, by the tools that would read them.
//
// Its one rule: no container engine and no cluster are needed, so what is judged is files. What they start is driven by test/cluster.
// It holds tests alone. What needs tools that take minutes to build has the tag "deploy": make deploy.
package deploy

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// root is the repository.
const root = "../.."

// object is a piece of YAML.
type object = map[string]any

// at goes down by names and, in lists, by the "name" of their items.
func at(from any, path ...string) any {
	for _, name := range path {
		switch v := from.(type) {
		case object:
			from = v[name]
		case []any:
			i := slices.IndexFunc(v, func(item any) bool { o, _ := item.(object); return o["name"] == name })
			if i < 0 {
				return nil
			}
			from = v[i]
		default:
			return nil
		}
	}
	return from
}

// The balancer takes its file with docker-compose.yml's settings.
func TestBalancer_takesItsFileAsComposeSetsIt(t *testing.T) {
	t.Parallel()
	haproxy, err := exec.LookPath("haproxy")
	if err != nil {
		if haproxy = "/usr/sbin/haproxy"; exec.Command(haproxy, "-v").Run() != nil {
			if os.Getenv("CI") != "" {
				t.Fatal("no HAProxy; on Debian: apt-get install haproxy")
			}
			t.Skip("no HAProxy; on Debian: apt-get install haproxy")
		}
	}
	var compose object
	if err := yaml.Unmarshal([]byte(read(t, "docker-compose.yml")), &compose); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), haproxy, "-c", "-f", filepath.Join(root, "deploy/haproxy.cfg"))
	for name, value := range at(compose, "services", "balancer", "environment").(object) {
		cmd.Env = append(cmd.Env, name+"="+value.(string))
	}
	pem := filepath.Join(dir, "balancer.pem") // as the service "certificate" makes it
	cmd.Env = append(cmd.Env, "SOJOURN_BALANCER_CERT="+pem)
	made := exec.CommandContext(t.Context(), "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
		"-days", "90", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,DNS:mailpit", "-keyout", pem+".key", "-out", pem)
	for _, step := range []*exec.Cmd{made, cmd} {
		if out, err := step.CombinedOutput(); err != nil { // it warns of names that only Compose's network knows
			t.Fatalf("%v: %v\n%s", step.Args, err, out)
		}
	}
}

var ourMetric = regexp.MustCompile(`sojourn_[a-z_]+`)

// A dashboard of metrics that nobody counts stays empty, and nobody is told.
func TestDashboard_asksForMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	var dashboard struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	if err := json.Unmarshal([]byte(read(t, "deploy/grafana/sojourn.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	known, asked := serverSource(t), 0
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			for _, name := range ourMetric.FindAllString(target.Expr, -1) {
				asked++
				if !strings.Contains(known, `"`+strings.TrimSuffix(name, "_bucket")+`"`) {
					t.Errorf("there is no metric %s", name)
				}
			}
		}
	}
	if asked < 8 {
		t.Errorf("it asks for %d metrics of ours", asked)
	}
}

// serverSource is all of server, which names every metric.
func serverSource(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "server/*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, file := range files {
		content, _ := os.ReadFile(file)
		source.Write(content)
	}
	return source.String()
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
