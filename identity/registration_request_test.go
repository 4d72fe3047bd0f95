package identity_test

import (
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestCleanRegistration_refusesRequestsThatNobodyCouldMake(t *testing.T) {
	t.Parallel()
	checkRefused(t, []refused{
		{"request_object_signing_alg", func(m *identity.Metadata) { m.RequestAlg = "none" }},
		{"request_object_signing_alg", func(m *identity.Metadata) { m.RequestAlg = "HS256" }},
		{"require_signed_request_object", func(m *identity.Metadata) { m.RequestSigned, m.JWKSURI, m.JWKS = true, "", nil }},
		{"request_uris", func(m *identity.Metadata) { m.RequestURIs = []string{"http://app.example/r"} }},
		{"request_uris", func(m *identity.Metadata) {
			m.RequestURIs = strings.Split(strings.Repeat("https://app.example/r ", 21), " ")
		}},
		{"initiate_login_uri", func(m *identity.Metadata) { m.InitiateLoginURI = "javascript:alert(1)" }},
		{"initiate_login_uri", func(m *identity.Metadata) { m.InitiateLoginURI = "http://app.example/" }},
		{"initiate_login_uri", func(m *identity.Metadata) { m.InitiateLoginURI = "com.example.app:/begin" }},
	})
}

// A program that asks for nobody has no requests of people's.
func TestCleanRegistration_whoSignsNobodyInAsksForNothing(t *testing.T) {
	t.Parallel()
	got, err := identity.CleanRegistration(identity.Metadata{
		GrantTypes: []string{"client_credentials"}, InitiateLoginURI: "https://app.example/begin", RequestURIs: []string{"https://app.example/r"},
		RequestAlg: "ES256", RequestSigned: true, RequirePushed: true,
	})
	if err != nil || got.InitiateLoginURI != "" || got.RequestURIs != nil || got.RequestAlg != "" || got.RequestSigned || got.RequirePushed {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestTakeRegistration_requestObjectsThatNeedNoSignatureAreNoneThatCount(t *testing.T) {
	t.Parallel()
	got, _, err := identity.TakeRegistration(identity.Metadata{RedirectURIs: []string{"https://app.example/cb"}, RequestAlg: "none"}, nil)
	if err != nil || got.RequestAlg != "" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestKeepsRequestAt_aFragmentNamesTheContentAlone(t *testing.T) {
	t.Parallel()
	c := identity.Client{Metadata: identity.Metadata{RequestURIs: []string{"https://app.example/r#old", "https://app.example/s?x=1"}}}
	for uri, want := range map[string]bool{
		"https://app.example/r": true, "https://app.example/r#new": true, "https://app.example/s?x=1": true,
		"https://app.example/s": false, "https://app.example/r?x=1": false, "https://app.example/": false, "": false,
	} {
		if got := c.KeepsRequestAt(uri); got != want {
			t.Errorf("%q: %t", uri, got)
		}
	}
}

func TestBeginAt_saysWhoSends(t *testing.T) {
	t.Parallel()
	c := identity.Client{Metadata: identity.Metadata{InitiateLoginURI: "https://app.example/begin?from=door"}}
	if got := c.BeginAt("https://id.example"); got != "https://app.example/begin?from=door&iss=https%3A%2F%2Fid.example" {
		t.Error(got)
	}
	if got := (identity.Client{}).BeginAt("https://id.example"); got != "" {
		t.Error(got)
	}
}
