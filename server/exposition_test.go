package server

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// What Prometheus's own linter says of all that a server shows, after it did something of most kinds.
func TestMetrics_areNamedAsPrometheusWants(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kind)
			a, p := w.app(t, trusted), w.person(t)
			a.refresh(t, a.redeem(t, newVisitor(t).signIn(t, a, p)).RefreshToken)
			said := w.metrics(t)

			found, err := promlint.New(strings.NewReader(said)).Lint()
			if err != nil {
				t.Fatal(err)
			}
			for _, problem := range found {
				t.Errorf("%s: %s", problem.Metric, problem.Text)
			}
			checkedByPromtool(t, said)
			for _, name := range []string{
				`sojourn_token_duration_seconds_count{grant="refresh_token"} 1`,
				`sojourn_signin_duration_seconds_count{outcome="granted",step="password"} 1`,
				`sojourn_client_token_requests_total{client="` + a.client.ID + `",outcome="granted"} 2`,
				`sojourn_password_hash_wait_seconds_count{lane="stranger"} 1`, `sojourn_password_hashes_waiting{lane="known"} 0`,
				`sojourn_database_connections{pool=`, `sojourn_cache_hits_total{cache="clients"}`, `sojourn_clock_skew_seconds `,
				`sojourn_signing_key_age_seconds{alg="ES256"}`, `sojourn_unready{reason="database"} 0`, `sojourn_build_info{`,
				`sojourn_delivery_oldest_age_seconds{kind="mail"} 0`, `sojourn_deliveries_total{kind="webhook",outcome="dead"} 0`,
				`sojourn_sweeps_total{outcome="failed"} 0`, `sojourn_registrations_total{outcome="refused"} 0`,
			} {
				if !strings.Contains(said, "\n"+name) {
					t.Errorf("nothing says %s", name)
				}
			}
		})
	}
}

// checkedByPromtool has the program itself look, too, where there is one.
func checkedByPromtool(t *testing.T, said string) {
	t.Helper()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no promtool; on Debian: apt-get install prometheus")
		}
		return // its linter is what was asked already
	}
	check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	check.Stdin = strings.NewReader(said)
	if out, err := check.CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

// flood is what 10,000 clients ask for tokens.
func flood(m *metrics, selfRegistered bool, status int, name string) {
	for i := range 10_000 {
		m.count(&record{route: "/oauth2/token", status: status, trail: &identity.Trail{
			ClientID: fmt.Sprint(name, i), SelfRegistered: selfRegistered, Grant: identity.GrantTypeRefresh, Refresh: identity.Rotated,
		}}, 1)
	}
}

func shownBy(t *testing.T, m *metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

// Whoever makes thousands of clients makes no series of them: neither with requests that are refused, nor with tokens, and
// they take no name from the operator's clients, whose number is bounded too.
func TestMetrics_aFloodOfClientsMakesNoSeries(t *testing.T) {
	t.Parallel()
	m := newMetrics(50)
	named := func() (all, own int) {
		for line := range strings.Lines(shownBy(t, m)) {
			if strings.HasPrefix(line, `sojourn_client_token_requests_total{client="`) && !strings.Contains(line, otherClients) {
				all++
				if strings.Contains(line, `"stranger`) {
					own++
				}
			}
		}
		return all, own
	}
	flood(m, true, http.StatusUnauthorized, "stranger")
	if all, _ := named(); all != 0 {
		t.Errorf("%d clients that got no token have names", all)
	}
	flood(m, true, http.StatusOK, "stranger")
	if all, own := named(); all != 25 || own != 25 {
		t.Errorf("%d strangers have names, want half of 50", all)
	}
	flood(m, false, http.StatusOK, "operator's ")
	if all, own := named(); all != 50 || own != 25 {
		t.Errorf("%d clients have names, %d of them strangers; want 50 and 25", all, own)
	}
	if said := shownBy(t, m); strings.Count(said, "\n") > 600 ||
		!strings.Contains(said, `sojourn_client_token_requests_total{client="other",outcome="granted"} 19950`) {
		t.Errorf("%d lines; other is wrong", strings.Count(said, "\n"))
	}
}

func TestMetrics_ofNoClientByName(t *testing.T) {
	t.Parallel()
	m := newMetrics(0)
	flood(m, false, http.StatusOK, "c")
	if said := shownBy(t, m); !strings.Contains(said, `sojourn_client_token_requests_total{client="other",outcome="granted"} 10000`) {
		t.Error("not every client is other")
	}
}

// An app whose every phone has a version of its own makes no series of them: versions are told of by the numbers of days, which are
// bounded likewise (identity.Tally), and never by a label.
func TestMetrics_aFloodOfVersionsMakesNoSeries(t *testing.T) {
	t.Parallel()
	m := newMetrics(50)
	refresh := func(version string) {
		m.count(&record{route: "/oauth2/token", status: http.StatusOK, trail: &identity.Trail{
			ClientID: "notes", Subject: identity.Subject{Scope: identity.Scope{ClientID: "notes", Platform: "p" + version, Version: version}},
			Grant: identity.GrantTypeRefresh, Refresh: identity.Rotated,
		}}, 1)
	}
	refresh("1")
	before := strings.Count(shownBy(t, m), "\n")
	for i := range 20_000 {
		refresh(fmt.Sprint("1.", i))
	}
	said := shownBy(t, m)
	if after := strings.Count(said, "\n"); after != before || !strings.Contains(said, `sojourn_client_token_requests_total{client="notes",outcome="granted"} 20001`) {
		t.Errorf("%d lines became %d", before, after)
	}
}

// docs/metrics.md tells every metric that there is, with its labels, and no other.
func TestMetrics_areAllTold(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(sojourn_[a-z_]+)` \\| ([^|]*)\\| ").FindAllStringSubmatch(string(doc), -1) {
		told[row[1]] = strings.NewReplacer("`", "", " ", "").Replace(row[2])
	}
	for _, name := range declaredMetrics(t) {
		if _, ok := told[name]; !ok {
			t.Errorf("%s is not told", name)
		}
		delete(told, name)
	}
	for name := range told {
		t.Errorf("there is no %s", name)
	}
}

// declaredMetrics are the names that this package gives.
func declaredMetrics(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`"(sojourn_[a-z_]+)"`).FindAllStringSubmatch(string(source), -1) {
			all = append(all, name[1])
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
