package admin_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/mux"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

// openAPI is as much of the description as the test reads.
type openAPI struct {
	OpenAPI string                                `json:"openapi"`
	Paths   map[string]map[string]json.RawMessage `json:"paths"`
}

// The description tells every operation there is, and none besides.
func TestOpenAPI_isTheRoutes(t *testing.T) {
	t.Parallel()
	d := newDesk(t, storage.SQLite)
	var doc openAPI
	got := d.askWith("", "GET /api/openapi.json")
	if err := json.Unmarshal([]byte(got.body), &doc); err != nil || got.status != http.StatusOK || doc.OpenAPI != "3.1.0" {
		t.Fatal(got.status, err)
	}
	described := []string{}
	for path, operations := range doc.Paths {
		for method := range operations {
			if method != "parameters" {
				described = append(described, strings.ToUpper(method)+" "+path)
			}
		}
	}
	served := []string{}
	err := d.router.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := route.GetPathTemplate()
		if err != nil {
			return err
		}
		methods, err := route.GetMethods()
		for _, method := range methods {
			served = append(served, method+" "+path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(described)
	slices.Sort(served)
	if diff := cmp.Diff(served, described); diff != "" {
		t.Errorf("served (-), described (+):\n%s", diff)
	}
}

// Every $ref leads somewhere.
func TestOpenAPI_refersToWhatIsThere(t *testing.T) {
	t.Parallel()
	d := newDesk(t, storage.SQLite)
	var doc map[string]any
	d.ok(json.Unmarshal([]byte(d.askWith("", "GET /api/openapi.json").body), &doc))
	refs := 0
	var visit func(v any)
	visit = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, one := range v {
				visit(one)
			}
		case map[string]any:
			if ref, is := v["$ref"].(string); is {
				if refs++; !leads(doc, ref) {
					t.Errorf("%s leads nowhere", ref)
				}
			}
			for _, one := range v {
				visit(one)
			}
		}
	}
	if visit(doc); refs < 20 {
		t.Errorf("only %d references were found", refs)
	}
}

func leads(doc map[string]any, ref string) bool {
	var at any = doc
	for _, name := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		object, is := at.(map[string]any)
		if at = object[name]; !is || at == nil {
			return false
		}
	}
	return true
}

// Whoever adds a setting of clients describes it.
func TestOpenAPI_tellsEverySettingOfAClient(t *testing.T) {
	t.Parallel()
	d := newDesk(t, storage.SQLite)
	var doc struct {
		Components struct {
			Schemas struct {
				ClientSettings struct {
					Properties map[string]any `json:"properties"`
				} `json:"clientSettings"`
			} `json:"schemas"`
		} `json:"components"`
	}
	d.ok(json.Unmarshal([]byte(d.askWith("", "GET /api/openapi.json").body), &doc))
	described, served := slices.Sorted(maps.Keys(doc.Components.Schemas.ClientSettings.Properties)), slices.Sorted(slices.Values(identity.SettingNames))
	if diff := cmp.Diff(served, described); diff != "" {
		t.Errorf("served (-), described (+):\n%s", diff)
	}
}
