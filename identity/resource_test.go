package identity_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

func described(scopes ...string) identity.Resource {
	r := identity.Resource{URI: "https://api.example.com/mcp", ResourceSettings: identity.ResourceSettings{Name: "Your notes", Open: true}}
	for _, name := range scopes {
		r.Scopes = append(r.Scopes, identity.ResourceScope{Name: name, Words: "Do " + name})
	}
	return r
}

// RFC 3986 §6.2.2.1; RFC 8707 §2: what libraries do to a URI that they were given.
func TestResourceKey_forgivesTheCaseOfTheHostAndOneSlash(t *testing.T) {
	t.Parallel()
	for _, same := range [][2]string{
		{"https://api.example.com", "https://api.example.com/"},
		{"https://api.example.com/mcp", "HTTPS://API.Example.com/mcp/"},
		{"urn:example:b", "urn:example:b"},
	} {
		if identity.ResourceKey(same[0]) != identity.ResourceKey(same[1]) {
			t.Errorf("%s is not %s", same[0], same[1])
		}
	}
	for _, other := range [][2]string{
		{"https://api.example.com/mcp", "https://api.example.com/MCP"},
		{"https://api.example.com/mcp", "https://api.example.com/mcp/x"},
		{"https://api.example.com/mcp", "https://api.example.com/mcp?x"},
		{"https://api.example.com/mcp", "https://api.example.com/mcp//"},
		{"https://api.example.com/mcp", "http://api.example.com/mcp"},
		{"https://api.example.com/a%2Fb", "https://api.example.com/a/b"},
		{"https://api.example.com/?x", "https://api.example.com?x"},
		{"urn:example:b", "urn:example:B"},
	} {
		if identity.ResourceKey(other[0]) == identity.ResourceKey(other[1]) {
			t.Errorf("%s counts as %s", other[0], other[1])
		}
	}
}

func TestCleanResource_namesTheFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	many := make([]string, 51)
	for i := range many {
		many[i] = "s" + strings.Repeat("x", i)
	}
	for name, c := range map[string]struct {
		field  string
		change func(*identity.Resource)
	}{
		"a fragment":         {"resource", func(r *identity.Resource) { r.URI += "#x" }},
		"no name":            {"resource_name", func(r *identity.Resource) { r.Name = " " }},
		"a turning name":     {"resource_name", func(r *identity.Resource) { r.Name = "a\u202eb" }},
		"a long name":        {"resource_name", func(r *identity.Resource) { r.Name = strings.Repeat("x", 101) }},
		"no language":        {"resource_name_in", func(r *identity.Resource) { r.NameIn = map[string]string{"german!": "x"} }},
		"no words":           {"scopes", func(r *identity.Resource) { r.Scopes[0].Words = "" }},
		"long words":         {"scopes", func(r *identity.Resource) { r.Scopes[0].Words = strings.Repeat("x", 201) }},
		"a scope of ours":    {"scopes", func(r *identity.Resource) { r.Scopes[0].Name = "offline_access" }},
		"two in one":         {"scopes", func(r *identity.Resource) { r.Scopes[0].Name = "a b" }},
		"a quotation mark":   {"scopes", func(r *identity.Resource) { r.Scopes[0].Name = `a"b` }},
		"the same twice":     {"scopes", func(r *identity.Resource) { r.Scopes = append(r.Scopes, r.Scopes[0]) }},
		"too many":           {"scopes", func(r *identity.Resource) { r.Scopes = described(many...).Scopes }},
		"a short life":       {"access_token_seconds", func(r *identity.Resource) { r.AccessTTL = 59 }},
		"a long life":        {"access_token_seconds", func(r *identity.Resource) { r.AccessTTL = 3601 }},
		"an unknown typ":     {"token_type", func(r *identity.Resource) { r.TokenType = "jwt" }},
		"a word of no words": {"scopes", func(r *identity.Resource) { r.Scopes[0].WordsIn = map[string]string{"de": ""} }},
	} {
		r := described("notes.read")
		c.change(&r)
		_, err := identity.CleanResource(r)
		refusal, ok := errors.AsType[*identity.Error](err)
		if !ok || refusal.Kind != identity.Invalid || refusal.Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r, err := identity.CleanResource(described("notes.read")); err != nil || r.TokenType != "at+jwt" {
		t.Errorf("what is right is %+v, %v", r, err)
	}
}

func TestResource_saysWhatPeopleReadInTheirLanguage(t *testing.T) {
	t.Parallel()
	r := described("notes.read")
	r.NameIn = map[string]string{"de": "Deine Notizen", "pt-BR": "Suas notas"}
	r.Scopes[0].WordsIn = map[string]string{"de": "Notizen lesen"}
	for languages, want := range map[string][2]string{
		"":                    {"Your notes", "Do notes.read"},
		"de":                  {"Deine Notizen", "Notizen lesen"},
		"de-AT, en;q=0.8":     {"Deine Notizen", "Notizen lesen"},
		"fr, en;q=0.5":        {"Your notes", "Do notes.read"},
		"xx, de":              {"Deine Notizen", "Notizen lesen"},
		"pt-BR":               {"Suas notas", "Do notes.read"},
		"en, de;q=0.9":        {"Your notes", "Do notes.read"},
		"no language at all!": {"Your notes", "Do notes.read"},
	} {
		name, words := r.In(languages)
		if name != want[0] || words["notes.read"] != want[1] {
			t.Errorf("%q: %q, %q", languages, name, words)
		}
	}
}

// What open resources offer is for whoever signs people in; what an operator says of their own client counts where one is not open.
func TestClientKnown_takesScopesOfWhatIsNamed(t *testing.T) {
	t.Parallel()
	open, shut := described("notes.read"), described("notes.read")
	shut.Open = false
	self := identity.Client{SelfRegistered: true, Metadata: identity.Metadata{Scope: "openid"}}
	own := identity.Client{Metadata: identity.Metadata{Scope: "openid"}}
	named := identity.Client{Metadata: identity.Metadata{Scope: "openid notes.read"}}
	asked := []string{"openid", "notes.read", "nowhere"}
	for name, c := range map[string]struct {
		client identity.Client
		at     []identity.Resource
		want   []string
	}{
		"open, self-registered":     {self, []identity.Resource{open}, []string{"openid", "notes.read"}},
		"open, the operator's":      {own, []identity.Resource{open}, []string{"openid", "notes.read"}},
		"not open, self-registered": {self, []identity.Resource{shut}, []string{"openid", "notes.read"}},
		"not open, the operator's":  {own, []identity.Resource{shut}, []string{"openid"}},
		"not open, said of it":      {named, []identity.Resource{shut}, []string{"openid", "notes.read"}},
		"nothing named":             {self, nil, []string{"openid"}},
	} {
		if got := c.client.Known(asked, c.at...); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// Each refresh that names no resource asks for all that its client may have. With as many as there may be, nothing is looked
// for among all the others.
func TestAllFor_costsNoMoreThanAsManyAsThereAre(t *testing.T) {
	var all identity.Resources
	for i := range identity.MaxResourceRows {
		all = append(all, identity.Resource{
			URI: fmt.Sprintf("https://api.example.com/%d", i), ResourceSettings: identity.ResourceSettings{Name: "API", Open: true},
		})
	}
	c := identity.Client{Metadata: identity.Metadata{GrantTypes: []string{"authorization_code"}}}
	got := 0
	allocs := testing.AllocsPerRun(1, func() { got = len(all.AllFor(c)) })
	if got != len(all) || allocs > float64(len(all)) {
		t.Errorf("%d of them, with %.0f allocations", got, allocs)
	}
}
