package anomaly_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/anomaly"
	"github.com/sojourn-auth/sojourn/identity"
)

func TestRules_theShippedOnesLookAtEverySignal(t *testing.T) {
	t.Parallel()
	looked := map[anomaly.Signal]bool{}
	for _, r := range anomaly.Shipped() {
		looked[r.Signal] = true
		if r.Reason == "" || r.Threshold <= 0 || r.Window <= 0 {
			t.Errorf("%+v", r)
		}
	}
	if len(looked) != 16 {
		t.Errorf("they look at %d signals: %v", len(looked), looked)
	}
}

func TestRules_oneOfTheOperatorsTakesThePlaceOfOurs(t *testing.T) {
	t.Parallel()
	rules, err := anomaly.Read([]byte(`
rules:
  - {name: new-country, signal: new_country, threshold: 1, window: 1h, answer: [note], reason: ours travel}
  - {name: many-wrong-codes, off: true}
  - {name: mine, signal: platform, threshold: 1, window: 5m, answer: [tell, end], limit: 7, reason: mine, told: Call us.}
`))
	if err != nil || len(rules) != len(anomaly.Shipped()) {
		t.Fatal(len(rules), err)
	}
	byName := map[string]anomaly.Rule{}
	for _, r := range rules {
		byName[r.Name] = r
	}
	if r := byName["new-country"]; r.Answer != 0 || r.Window != time.Hour || r.When != nil || r.Limit != 100 {
		t.Errorf("%+v", r)
	}
	if _, there := byName["many-wrong-codes"]; there {
		t.Error("what is off is there")
	}
	if r := byName["mine"]; r.Told != "Call us." || r.Limit != 7 || r.Answer != identity.AnswerTell|identity.AnswerEnd {
		t.Errorf("%+v", r)
	}
}

func TestRules_everyProblemIsToldAtOnce(t *testing.T) {
	t.Parallel()
	_, err := anomaly.Read([]byte(`
rules:
  - {name: Bad Name, signal: weather, threshold: -1, window: soon, answer: [pray]}
  - {name: a, signal: guessed_people, threshold: 5000, window: 48h, answer: [tell, end], when: [new_browser, moon], reason: r, limit: 0}
  - {name: a, signal: factor_misses, threshold: .nan, window: 1h, answer: [end], when: [new_browser], reason: "a\u0007b"}
  - {name: b, signal: lost_answers, threshold: 1, window: 1h, answer: [note], told: x, reason: r}
`))
	if err == nil {
		t.Fatal("it is taken")
	}
	for _, want := range []string{
		"small letters", `no signal "weather"`, "above zero", `not "soon"`, `no answer "pray"`, "reason says to operators", "more than 1000",
		"between 1m0s and 6h0m0s", "answer tell is not", "answer end is not", "new_browser is known", `no fact "moon"`, "limit must",
		"two of that name", "rule 3 (a): the answer end", "can't be shown", "told is for rules",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing says %q:\n%v", want, err)
		}
	}
}

func TestRules_garbageIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"\x00\x01", "rules: 7", "ruls: []", "rules:\n - {nam: x}", "[", "rules: [{threshold: x}]"} {
		if _, err := anomaly.Read([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	if _, err := anomaly.ReadFile(filepath.Join(t.TempDir(), "absent")); err == nil {
		t.Error("a file that is not there is taken")
	}
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := anomaly.ReadFile(large); err == nil || !strings.Contains(err.Error(), "1 MiB") {
		t.Errorf("a large file: %v", err)
	}
	if rules, err := anomaly.Read(nil); err != nil || len(rules) != len(anomaly.Shipped()) {
		t.Errorf("of an empty file: %d, %v", len(rules), err)
	}
}

func FuzzRules(f *testing.F) {
	f.Add([]byte("rules:\n - {name: a, signal: travel, threshold: 1, window: 1h, answer: [tell], reason: r}"))
	f.Add([]byte("rules: [{name: a, off: true}]"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		rules, err := anomaly.Read(text)
		if (err == nil) == (rules == nil) && err != nil {
			t.Errorf("rules and an error: %v", err)
		}
		for _, r := range rules {
			if r.Name == "" || !(r.Threshold > 0) || r.Window < time.Minute || r.Limit < 1 {
				t.Errorf("%+v", r)
			}
		}
	})
}

// The document's example is taken, and its tables tell of every rule and signal.
func TestRules_theDocumentTellsOfAll(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/anomalies.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(text)
	_, example, _ := strings.Cut(doc, "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	if rules, err := anomaly.Read([]byte(example)); err != nil || len(rules) != len(anomaly.Shipped()) {
		t.Errorf("the example makes %d rules, %v", len(rules), err)
	}
	for _, r := range anomaly.Shipped() {
		if !strings.Contains(doc, "| `"+r.Name+"` |") || !strings.Contains(doc, "`"+string(r.Signal)+"`") {
			t.Errorf("nothing tells of %s or %s", r.Name, r.Signal)
		}
	}
}
