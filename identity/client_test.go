package identity_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

// RFC 8707 §2: an absolute URI without a fragment.
func TestCheckResource_takesAbsoluteURIsWithoutFragment(t *testing.T) {
	t.Parallel()
	for _, right := range []string{
		"https://api.example.com/", "https://api.example.com", "https://api.example.com/app?tenant=1", "urn:example:api",
		"http://127.0.0.1:9000/mcp", "api://orders", "urn:" + strings.Repeat("a", 508),
	} {
		if err := identity.CheckResource(right); err != nil {
			t.Errorf("%q is refused: %v", right, err)
		}
	}
	for _, wrong := range []string{
		"", "api", "/api", "//api.example.com/", "https://api.example.com/#", "https://api.example.com/#part", "https:", "https:///",
		"https://ada@api.example.com/", "https://api.example.com/ b", "https://api.example.com/\n", "https://bücher.example/", "%",
		"urn:" + strings.Repeat("a", 509),
	} {
		if err := identity.CheckResource(wrong); identity.KindOf(err) != identity.Invalid {
			t.Errorf("%q is taken: %v", wrong, err)
		}
	}
}

// Whatever is taken can be stored beside others and compared as it is.
func FuzzCheckResource(f *testing.F) {
	for _, uri := range []string{"https://api.example.com/?a=b", "urn:a:b", "a:", "http://[::1]:1/", "x://y#z", "https://a b", "%zz:"} {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		if identity.CheckResource(uri) != nil {
			return
		}
		scheme, _, found := strings.Cut(uri, ":")
		if !found || scheme == "" || len(uri) > 512 || strings.ContainsAny(uri, "# \n\\") {
			t.Errorf("%q is taken", uri)
		}
		if got := identity.SplitScope(uri + " urn:other"); !cmp.Equal(got, []string{uri, "urn:other"}) {
			t.Errorf("%q comes back from its row as %q", uri, got)
		}
	})
}

func TestCleanResources_keepsEachOnceAndNamesTheWrongOne(t *testing.T) {
	t.Parallel()
	got, err := identity.CleanResources([]string{"urn:a", "urn:b", "urn:a"})
	if err != nil || !cmp.Equal(got, []string{"urn:a", "urn:b"}) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := identity.CleanResources([]string{"urn:a", "b"}); identity.KindOf(err) != identity.Invalid {
		t.Errorf("a relative name is taken: %v", err)
	}
}

// Which resource servers a client may ask for is not for the client to say.
func TestCleanRegistration_givesNoResources(t *testing.T) {
	t.Parallel()
	m := full()
	m.Resources = []string{"https://api.example.com/"}
	if got, err := identity.CleanRegistration(m); err != nil || got.Resources != nil {
		t.Errorf("got %q, %v", got.Resources, err)
	}
}
