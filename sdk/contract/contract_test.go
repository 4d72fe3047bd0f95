package contract

import (
	"maps"
	"os"
	"slices"
	"testing"
)

// providers are the servers that scenarios are played against.
var providers = map[string]func(testing.TB) provider{"sojourn": newSojourn, "any": newAny}

// atOnce is how many scenarios of one language are played at once.
const atOnce = 5

func TestContract(t *testing.T) {
	t.Parallel()
	for language, spec := range driverSpecs(t) {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			spec := spec.built(t)
			t.Run("vectors", func(t *testing.T) { playVectors(t, spec) })
			for _, name := range slices.Sorted(maps.Keys(providers)) {
				t.Run(name, func(t *testing.T) { playAll(t, spec, name) })
			}
			t.Run("train", func(t *testing.T) { ride(t, spec) })
			if len(spec.Crowd) > 0 && os.Getenv("SOJOURN_SOAK") != "" { // that of Go is BenchmarkProfiles
				t.Run("crowd", func(t *testing.T) { crowdOut(t, spec) })
			}
		})
	}
}

// playAll plays every scenario of a provider, a few at once, each with an app and a person of its own.
func playAll(t *testing.T, spec driverSpec, name string) {
	free := make(chan provider, atOnce)
	for range atOnce {
		free <- providers[name](t)
	}
	for title, c := range scenarios(t) {
		if !slices.Contains(c.Providers, name) {
			continue
		}
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			p := <-free
			defer func() { free <- p }()
			p.net().forget(t)
			s := newStage(t, spec, p)
			defer s.leave()
			s.play(c)
			judge(t, p.net().sent())
		})
	}
}
