package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const rulesFile = "deploy/prometheus/sojourn.rules.yml"

// rules are the expressions of all rules, by the alert that they raise or the name that they record.
func rules(t *testing.T) (alerts, all map[string]string) {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Record, Expr string }
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, rulesFile)), &file); err != nil {
		t.Fatal(err)
	}
	alerts, all = map[string]string{}, map[string]string{}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			all[rule.Alert+rule.Record] = rule.Expr
			if rule.Alert != "" {
				alerts[rule.Alert] = rule.Expr
			}
		}
	}
	return alerts, all
}

// Each alert fires when it should, stays quiet when it should not, and has a line in docs/operations.md that says what to do.
func TestRules_fireAndStayQuiet(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no promtool; on Debian: apt-get install prometheus")
		}
		t.Skip("no promtool; on Debian: apt-get install prometheus")
	}
	tests := "testdata/sojourn.rules.test.yml"
	for _, args := range [][]string{{"check", "rules", filepath.Join(root, rulesFile)}, {"test", "rules", tests}} {
		if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
	tried, err := os.ReadFile(tests)
	if err != nil {
		t.Fatal(err)
	}
	alerts, _ := rules(t)
	if len(alerts) < 9 {
		t.Errorf("there are %d alerts", len(alerts))
	}
	told := read(t, "docs/operations.md")
	for alert := range alerts {
		for _, what := range []string{alert + " fires", alert + " stays quiet"} {
			if !strings.Contains(string(tried), "name: "+what+"\n") {
				t.Errorf("nothing tries that %s", what)
			}
		}
		if !strings.Contains(told, "\n| `"+alert+"` |") {
			t.Errorf("docs/operations.md does not say what to do at %s", alert)
		}
	}
}

var recorded = regexp.MustCompile(`sojourn:[a-z0-9_:]+`)

// A rule over a metric that nobody counts never fires, and nobody is told.
func TestRules_askForMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	_, all := rules(t)
	known := serverSource(t)
	for name, expr := range all {
		for _, metric := range ourMetric.FindAllString(expr, -1) {
			if !strings.Contains(known, `"`+strings.TrimSuffix(metric, "_bucket")+`"`) {
				t.Errorf("%s: there is no metric %s", name, metric)
			}
		}
		for _, record := range recorded.FindAllString(expr, -1) {
			if all[record] == "" {
				t.Errorf("%s: nothing records %s", name, record)
			}
		}
	}
}
