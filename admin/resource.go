package admin

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// Resource is a resource server as operators see it.
type Resource struct {
	URI string `json:"resource"`
	identity.ResourceSettings
	CreatedAt time.Time `json:"created_at"`
}

// NewResource makes that of a resource.
func NewResource(r identity.Resource) Resource {
	return Resource{r.URI, r.ResourceSettings, r.CreatedAt}
}

// tagged is a resource whose answer has an ETag (RFC 9110 §8.8.3), which a change sends back.
type tagged struct {
	Resource
	version string
}

// ETag names how the resource is now.
func (t tagged) ETag() string { return t.version }

func newTagged(r identity.Resource) tagged {
	text, _ := json.Marshal(NewResource(r)) // strings, numbers and maps of strings alone
	sum := sha256.Sum256(text)
	return tagged{NewResource(r), `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`}
}

// resourceList answers GET /api/resources: all of them, by their URIs.
func (a *API) resourceList(r *http.Request) (any, error) {
	all, err := a.o.Store.Resources(r.Context())
	list := []Resource{}
	for _, one := range all.There() {
		list = append(list, NewResource(one))
	}
	return struct {
		Resources []Resource `json:"resources"`
	}{list}, err
}

func (a *API) resourceShow(r *http.Request) (any, error) {
	one, err := a.o.Store.ResourceByURI(r.Context(), named(r))
	return newTagged(one), err
}

// resourceBody is what a resource is added with or changed to: settings as a merge patch (RFC 7396) names them.
type resourceBody struct {
	uri      string
	settings map[string]json.RawMessage
}

func readResource(r *http.Request) (b resourceBody, err error) {
	if err := readBody(r, &b.settings); err != nil {
		return b, err
	}
	if value, said := b.settings["resource"]; said && json.Unmarshal(value, &b.uri) != nil {
		return b, identity.RefuseField("resource", "Send a string.")
	}
	delete(b.settings, "resource")
	return b, nil
}

// resourceAdd answers POST /api/resources.
func (a *API) resourceAdd(r *http.Request) (any, error) {
	body, err := readResource(r)
	if err != nil {
		return nil, err
	}
	settings, err := identity.ResourceSettings{}.Patched(body.settings)
	if err != nil {
		return nil, err
	}
	added, err := a.o.Operators.AddResource(r.Context(), identity.Resource{URI: body.uri, ResourceSettings: settings})
	return newTagged(added), err
}

// resourceUpdate answers PATCH /api/resources/{uri}; of changes that read the same resource one is made, as of a client.
func (a *API) resourceUpdate(r *http.Request) (any, error) {
	match := r.Header.Get("If-Match")
	if match == "" {
		return nil, identity.RefuseField("If-Match", "Send the ETag of the resource as you read it in If-Match: of two changes at once one is made.")
	}
	body, err := readResource(r)
	if err != nil {
		return nil, err
	}
	if body.uri != "" && identity.ResourceKey(body.uri) != identity.ResourceKey(named(r)) {
		return nil, identity.RefuseField("resource", "The URI of a resource does not change. Leave it out, or add another one.")
	}
	after, _, err := a.o.Operators.UpdateResource(r.Context(), named(r), func(before identity.Resource) (_ identity.Resource, err error) {
		if match != "*" && match != newTagged(before).version {
			return before, identity.Refuse(identity.Conflict, "The resource was changed meanwhile. Read it again, then send the change.")
		}
		before.ResourceSettings, err = before.Patched(body.settings)
		return before, err
	})
	return newTagged(after), err
}

func (a *API) resourceDelete(r *http.Request) (any, error) {
	return nil, a.o.Operators.DeleteResource(r.Context(), named(r))
}
