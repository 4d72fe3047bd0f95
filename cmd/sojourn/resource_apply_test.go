package main

import (
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

// Whatever a file holds, what is read of it is a resource that may be added, once.
func FuzzReadResources(f *testing.F) {
	for _, seed := range []string{
		"resources:\n- resource: https://a.example\n  resource_name: A\n  scopes: [{name: a, words: b}]\n", `{"resources":[{"resource":"https://a.example","open":true}]}`,
		"resources: [{resource: https://a.example, resource_name: 5}]", "resources: &a [*a]", "resources: [{? {} : x}]", "- x", "", "resources: ~",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		all, err := readResources(content)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, r := range all {
			if _, err := identity.CleanResource(r); err != nil || seen[identity.ResourceKey(r.URI)] {
				t.Errorf("%+v was read (%v)", r, err)
			}
			seen[identity.ResourceKey(r.URI)] = true
		}
	})
}
