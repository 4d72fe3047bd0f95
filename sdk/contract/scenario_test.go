package contract

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/weather"
)

// scenario is a promise, and the steps that try to break it.
type scenario struct {
	Promise   string   `json:"promise"`
	Providers []string `json:"providers"`
	Steps     []step   `json:"steps"`
}

// scenarios reads all files.
func scenarios(t *testing.T) map[string]scenario {
	t.Helper()
	files, err := filepath.Glob("scenarios/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no scenarios", err)
	}
	all := map[string]scenario{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var c scenario
		strict := json.NewDecoder(bytes.NewReader(content))
		strict.DisallowUnknownFields()
		if err := strict.Decode(&c); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".json")] = c
	}
	return all
}

// judge checks what holds for every scenario.
func judge(t testing.TB, all []request) {
	t.Helper()
	proofs, refused := map[string]bool{}, map[string]bool{}
	under := map[string]request{} // of each device: the exchange or refresh that began last
	for _, r := range all {
		if r.At == "other" {
			t.Errorf("%s %s: nobody named that place", r.Method, r.Path)
		}
		if proof := r.Header.Get("DPoP"); proof != "" && proofs[proof] {
			t.Errorf("%s %s: the proof was sent before", r.Method, r.Path)
		} else {
			proofs[proof] = true
		}
		if token := r.Header.Get("Authorization"); token != "" {
			if refused[token] {
				t.Errorf("%s %s: the token was refused before", r.Method, r.Path)
			}
			refused[token] = r.Status == 401 && !strings.Contains(r.Challenge, "use_dpop_nonce")
		}
		if r.At == "refresh" || r.At == "code" {
			device := r.Form.Get("client_id") + " " + r.Header.Get(weather.DeviceHeader)
			if before := under[device]; before.At != "" && (before.end.IsZero() || before.end.Sub(r.begun) > slack) {
				t.Errorf("a %s was sent while a %s was in flight", r.At, before.At)
			}
			under[device] = r
		}
	}
}

// slack is how long the network may need to notice that a process was killed.
const slack = 100 * time.Millisecond

// nonceOf is the nonce of a proof: nil where there is no proof, empty where it has none.
func nonceOf(t *testing.T, proof string) any {
	t.Helper()
	if proof == "" {
		return nil
	}
	parts := strings.Split(proof, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no proof", proof)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Nonce string `json:"nonce"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims.Nonce
}

// Everything that a scenario names is something that the player knows.
func TestScenarios_areWellFormed(t *testing.T) {
	t.Parallel()
	for name, c := range scenarios(t) {
		if c.Promise == "" || len(c.Steps) == 0 || len(c.Providers) == 0 {
			t.Errorf("%s promises nothing", name)
		}
		for i, one := range c.Steps {
			if one.word() == "" {
				t.Errorf("%s: step %d has no word", name, i+1)
			}
		}
		for _, p := range c.Providers {
			if !slices.Contains([]string{"sojourn", "any"}, p) {
				t.Errorf("%s: there is no provider %s", name, p)
			}
		}
	}
}

// An SDK can't stay away: each folder beside this one has its driver.
func TestDrivers_everySDKHasOne(t *testing.T) {
	t.Parallel()
	folders, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	specs := driverSpecs(t)
	for _, folder := range folders {
		if _, there := specs[folder.Name()]; folder.IsDir() && folder.Name() != "contract" && !there {
			t.Errorf("sdk/%s has no driver in drivers.json", folder.Name())
		}
	}
}
