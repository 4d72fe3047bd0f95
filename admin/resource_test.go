package admin_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/admin"
	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

func TestResources_areAddedListedChangedAndDeleted(t *testing.T) {
	t.Parallel()
	atDesk(t, func(d *desk) {
		at := "/api/resources/" + url.PathEscape("https://api.example.com/mcp")
		var added admin.Resource
		d.want(http.StatusOK, `POST /api/resources {"resource":"https://api.example.com/mcp","resource_name":"Notes","open":true,`+
			`"scopes":[{"name":"notes.read","words":"Read your notes"}]}`, &added)
		if added.TokenType != "at+jwt" || !added.Open || added.URI != "https://api.example.com/mcp" {
			d.Errorf("added %+v", added)
		}
		var list struct{ Resources []admin.Resource }
		d.want(http.StatusOK, "GET /api/resources", &list)
		d.same([]admin.Resource{added}, list.Resources)

		shown := d.want(http.StatusOK, "GET "+at+"%2F", nil) // another spelling
		if status := d.change(at, `"stale"`, `{"open":false}`).status; status != http.StatusConflict {
			d.Errorf("a stale change answered %d", status)
		}
		if got := d.change(at, shown.header.Get("ETag"), `{"open":false,"access_token_seconds":300}`); got.status != http.StatusOK || !strings.Contains(got.body, `"open":false`) {
			d.Errorf("the change answered %d %s", got.status, got.body)
		}
		for body, field := range map[string]string{
			`{"colour":"red"}`: "colour", `{"access_token_seconds":7}`: "access_token_seconds", `{"open":"yes"}`: "open",
			`{"resource":"https://other.example"}`: "resource",
		} {
			if got := d.change(at, "*", body); got.status != http.StatusBadRequest || !strings.Contains(got.body, `"field":"`+field+`"`) {
				d.Errorf("%s: %d %s", body, got.status, got.body)
			}
		}
		d.want(http.StatusNoContent, "DELETE "+at, nil)
		d.want(http.StatusNotFound, "GET "+at, nil)
		d.want(http.StatusNotFound, "DELETE "+at, nil)
		for _, kind := range []identity.EventKind{identity.ResourceAdded, identity.ResourceUpdated, identity.ResourceDeleted} {
			events, err := d.db.Events(d.Context(), identity.EventQuery{Kind: kind, Limit: 5})
			if err != nil || len(events) != 1 || !strings.HasPrefix(events[0].Detail, "https://api.example.com/mcp") || events[0].Actor == "" {
				d.Errorf("%s: %+v (%v)", kind, events, err)
			}
		}
	})
}

// change changes what was read with an ETag.
func (d *desk) change(at, version, body string) reply {
	d.Helper()
	r, err := http.NewRequestWithContext(d.Context(), http.MethodPatch, d.url+at, strings.NewReader(body))
	d.ok(err)
	return d.sendWith(r, version)
}

// Whoever adds a setting of resources describes it.
func TestOpenAPI_tellsEverySettingOfAResource(t *testing.T) {
	t.Parallel()
	d := newDesk(t, storage.SQLite)
	var doc struct {
		Components struct {
			Schemas struct {
				Settings struct {
					Properties map[string]any `json:"properties"`
				} `json:"resourceSettings"`
			} `json:"schemas"`
		} `json:"components"`
	}
	d.ok(json.Unmarshal([]byte(d.askWith("", "GET /api/openapi.json").body), &doc))
	described, served := slices.Sorted(maps.Keys(doc.Components.Schemas.Settings.Properties)), slices.Sorted(slices.Values(identity.ResourceSettingNames))
	if diff := cmp.Diff(served, described); diff != "" {
		t.Errorf("served (-), described (+):\n%s", diff)
	}
}
