package identity_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

// A document has a megabyte, and its lists as many values as fit. Were each compared with all before it, this would take hours.
func TestCleanDocument_longListsCostNoMoreThanTheirLength(t *testing.T) {
	t.Parallel()
	many := make([]string, 150_000)
	for i := range many {
		many[i] = strconv.Itoa(i)
	}
	clean, err := identity.CleanDocument(identity.Metadata{
		RedirectURIs: []string{"https://a.example/cb"}, AuthMethod: "none", DefaultACRValues: append(many, "mfa"), GrantTypes: many,
		Scope: strings.Join(append(many, "openid"), " "), ResponseTypes: many, LogoURI: "x", URI: "x", PolicyURI: "x", TermsURI: "x",
	}, nil)
	if err != nil || clean.Scope != "openid" || len(clean.DefaultACRValues) != 1 {
		t.Errorf("%+v, %v", clean, err)
	}
}
