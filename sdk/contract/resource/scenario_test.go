package resource

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// scenario is a promise, and the steps that try to break it.
type scenario struct {
	Promise string         `json:"promise"`
	Server  string         `json:"server"`
	Open    map[string]any `json:"open"`
	Steps   []step         `json:"steps"`
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
		var c scenario
		read(t, file, &c)
		all[strings.TrimSuffix(filepath.Base(file), ".json")] = c
	}
	return all
}

// vectors are requests with the one right answer, each a step "call".
func vectors(t *testing.T) map[string][]step {
	t.Helper()
	files, err := filepath.Glob("vectors/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no vectors", err)
	}
	all := map[string][]step{}
	for _, file := range files {
		var list []step
		read(t, file, &list)
		all[strings.TrimSuffix(filepath.Base(file), ".json")] = list
	}
	return all
}

// atOnce is how many scenarios of one language are played at once.
const atOnce = 4

// servers are what scenarios are played against: each makes a stage.
var servers = map[string]func(*testing.T, driverSpec) *stage{"forged": newForged, "tls": newTLS, "sojourn": newSojourn, "buffered": newBuffered}

func TestResource(t *testing.T) {
	t.Parallel()
	var specs map[string]driverSpec
	read(t, "drivers.json", &specs)
	for language, spec := range specs {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			spec := spec.built(t)
			t.Run("vectors", func(t *testing.T) { playVectors(t, spec) })
			for _, server := range slices.Sorted(maps.Keys(servers)) {
				t.Run(server, func(t *testing.T) { playAll(t, spec, server) })
			}
		})
	}
}

func newForged(t *testing.T, spec driverSpec) *stage {
	t.Helper()
	return newStage(t, spec)
}

func newTLS(t *testing.T, spec driverSpec) *stage {
	t.Helper()
	return stageOf(t, spec, newTLSAuthority(t))
}

// playAll plays every scenario of a server, a few at once.
func playAll(t *testing.T, spec driverSpec, server string) {
	free := make(chan struct{}, atOnce)
	for title, c := range scenarios(t) {
		if c.Server != server {
			continue
		}
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			free <- struct{}{}
			defer func() { <-free }()
			s := servers[server](t, spec)
			s.open = c.Open
			s.play(c.Steps)
			s.judge()
		})
	}
}

// playVectors plays each list of requests in one process.
func playVectors(t *testing.T, spec driverSpec) {
	for title, list := range vectors(t) {
		t.Run(title, func(t *testing.T) {
			s := newStage(t, spec)
			begin := []step{{"start": json.RawMessage(`"api"`)}, {"await": json.RawMessage(`true`)}}
			s.play(append(begin, list...))
			s.judge()
		})
	}
}

// Everything that a scenario names is something that the player knows.
func TestScenarios_areWellFormed(t *testing.T) {
	t.Parallel()
	for name, c := range scenarios(t) {
		if c.Promise == "" || len(c.Steps) == 0 || servers[c.Server] == nil {
			t.Errorf("%s promises nothing, or is played nowhere", name)
		}
		for i, one := range c.Steps {
			if one.word() == "" {
				t.Errorf("%s: step %d has no word", name, i+1)
			}
		}
	}
	for name, list := range vectors(t) {
		for i, one := range list {
			if one.word() != "call" {
				t.Errorf("%s: %d is no call", name, i+1)
			}
		}
	}
}

// A library can't stay away: each SDK that has one for APIs has its driver.
func TestDrivers_everyLibraryHasOne(t *testing.T) {
	t.Parallel()
	var specs map[string]driverSpec
	read(t, "drivers.json", &specs)
	folders, err := filepath.Glob("../../*/resource")
	if err != nil || len(folders) < 4 { // and this one
		t.Fatal(folders, err)
	}
	for _, folder := range folders {
		language := filepath.Base(filepath.Dir(folder))
		if _, there := specs[language]; language != "contract" && !there {
			t.Errorf("sdk/%s/resource has no driver in drivers.json", language)
		}
	}
}
