//go:build deploy

package deploy

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	schemaTool = "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0"
	// schemasOf is where Kubernetes' own schemas come by Go's module proxy, as nothing but files: kubeconform would ask GitHub for them,
	// and to build the program that has them takes two minutes of a core.
	schemasOf  = "sigs.k8s.io/kubectl-validate@v0.0.4"
	kubernetes = "1.30"
)

// TestChart_isWhatKubernetesTakes has kubeconform judge each manifest by the schema of its kind, in which nothing unknown may stand.
func TestChart_isWhatKubernetesTakes(t *testing.T) {
	t.Parallel()
	whole := rendered(t, "--set", "secret.redisKey=redis,secret.migrateKey=owner,ingress.enabled=true,ingress.host=id.example.com")
	if said, err := judged(t, slices.Collect(maps.Values(whole))...); err != nil || !strings.Contains(said, "Valid: 7, Invalid: 0, Errors: 0, Skipped: 0") {
		t.Error(said, err)
	}
	for what, spoil := range map[string]func(deployment object){
		"'securityContxt' not allowed": func(d object) { at(d, "spec", "template", "spec").(object)["securityContxt"] = object{} },
		"got string, want integer":     func(d object) { at(d, "spec").(object)["replicas"] = "three" },
		"'selector'":                   func(d object) { delete(at(d, "spec").(object), "selector") },
		"'schedule' not allowed":       func(d object) { at(d, "spec").(object)["schedule"] = "@daily" },
		"got object, want array":       func(d object) { at(d, "spec", "template", "spec").(object)["containers"] = object{} },
	} {
		broken := rendered(t)["Deployment"]
		spoil(broken)
		if said, err := judged(t, broken); err == nil || !strings.Contains(said, "Invalid: 1") || !strings.Contains(said, what) {
			t.Errorf("%s: %s%v", what, said, err)
		}
	}
}

// judged has manifests read by the schemas of their kinds.
func judged(t *testing.T, manifests ...object) (said string, err error) {
	t.Helper()
	dir, files := t.TempDir(), []string{}
	for _, m := range manifests {
		kind := m["kind"].(string)
		files = append(files, filepath.Join(dir, kind+".json"))
		err = errors.Join(err, write(files[len(files)-1], m), write(filepath.Join(dir, strings.ToLower(kind)+".schema.json"), schemaOf(t, m)))
	}
	if err != nil {
		t.Fatal(err)
	}
	where := filepath.Join(dir, "{{.ResourceKind}}.schema.json")
	return tool(t, schemaTool, append([]string{"-strict", "-summary", "-schema-location", where}, files...)...)
}

func write(path string, what any) error {
	text, err := json.Marshal(what)
	return errors.Join(err, os.WriteFile(path, text, 0o600))
}

// schemaOf is the schema of a manifest's kind, as strict as the API server is where it is asked to be.
func schemaOf(t *testing.T, manifest object) object {
	t.Helper()
	version, kind := manifest["apiVersion"].(string), manifest["kind"].(string)
	folder := "apis"
	if !strings.Contains(version, "/") {
		folder = "api"
	}
	var file object
	text, err := os.ReadFile(filepath.Join(fetched(t, schemasOf), "pkg/openapiclient/builtins", kubernetes, folder, version+".json"))
	if err = errors.Join(err, json.Unmarshal(text, &file)); err != nil {
		t.Fatal(err)
	}
	for name, one := range at(file, "components", "schemas").(object) {
		schema := one.(object)
		if schema["properties"] != nil && schema["additionalProperties"] == nil {
			schema["additionalProperties"] = false
		}
		kinds, _ := schema["x-kubernetes-group-version-kind"].([]any)
		for _, k := range kinds {
			if at(k, "kind") == kind && strings.TrimPrefix(at(k, "group").(string)+"/"+at(k, "version").(string), "/") == version {
				file["$ref"] = "#/components/schemas/" + name
			}
		}
	}
	if file["$ref"] == nil {
		t.Fatalf("Kubernetes has no %s of %s", kind, version)
	}
	return file
}
