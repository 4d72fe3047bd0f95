package identity_test

import (
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

// The vector holds what must never change: with another way of computing it everybody would be somebody else to every app.
func TestSubjects_areForEver(t *testing.T) {
	t.Parallel()
	s := identity.Subjects{Salt: []byte("0123456789abcdef0123456789abcdef")}
	c := identity.Client{Metadata: identity.Metadata{SubjectType: "pairwise", RedirectURIs: []string{"https://One.Example:8443/cb"}}}
	if got := s.Of(c, identity.User{Sub: "abcdefghijklmnopqrstuv"}); got != "6GyR46bXQXQuC-HuBzFQOA" {
		t.Errorf("she is %s", got)
	}
	c.SubjectType = "public"
	if got := s.Of(c, identity.User{Sub: "abcdefghijklmnopqrstuv"}); got != "abcdefghijklmnopqrstuv" {
		t.Errorf("publicly she is %s", got)
	}
}

// OpenID Connect Core 1.0 §8.1: a sector is one host, and one that no other app can have.
func TestCleanRegistration_aPairwiseClientHasOneSector(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		uris   []string
		sector string
		want   string // the sector, or empty: refused
	}{
		"one address":             {[]string{"https://a.example/cb"}, "", "a.example"},
		"one host":                {[]string{"https://a.example/cb", "https://a.example:8443/x"}, "", "a.example"},
		"two hosts":               {[]string{"https://a.example/cb", "https://b.example/cb"}, "", ""},
		"two hosts, one sector":   {[]string{"https://a.example/cb", "https://b.example/cb"}, "https://S.example/list", "s.example"},
		"loopback":                {[]string{"http://127.0.0.1/cb"}, "", ""},
		"a scheme of its own":     {[]string{"com.example.app:/cb"}, "", ""},
		"that, and a sector":      {[]string{"com.example.app:/cb"}, "https://example.com/list", "example.com"},
		"a sector without TLS":    {[]string{"https://a.example/cb"}, "http://localhost/list", ""},
		"a sector with a user":    {[]string{"https://a.example/cb"}, "https://u@s.example/list", ""},
		"a sector that is no URL": {[]string{"https://a.example/cb"}, "s.example", ""},
	} {
		m, err := identity.CleanRegistration(identity.Metadata{
			RedirectURIs: tc.uris, AuthMethod: "none", ApplicationType: "native", SubjectType: "pairwise", SectorURI: tc.sector,
		})
		if got := m.Sector(); err == nil && got != tc.want || (err != nil) != (tc.want == "") {
			t.Errorf("%s: %q (%v)", name, got, err)
		}
	}
}
