package identity_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

// all keeps every claim.
func all(string) bool { return true }

func TestReadClaims_takesWhatTheSpecificationShowsAndRefusesWhatIsNone(t *testing.T) {
	t.Parallel()
	// OpenID Connect Core 1.0 §5.5.
	example := `{"userinfo": {"given_name": {"essential": true}, "nickname": null, "email": {"essential": true},
		"email_verified": {"essential": true}, "picture": null, "http://example.info/claims/groups": null},
		"id_token": {"auth_time": {"essential": true}, "acr": {"values": ["urn:mace:incommon:iap:silver"]}}}`
	got, err := identity.ReadClaims(example)
	if err != nil || len(got.Userinfo) != 6 || len(got.IDToken) != 2 || len(got.ACRs()) != 0 {
		t.Errorf("the example is %+v (%v)", got, err)
	}
	for _, text := range []string{"", " {} ", `{"id_token":null,"userinfo":{}}`, `{"verified_claims":[1]}`, `{"id_token":{"email":{"purpose":"x"}}}`} {
		if _, err := identity.ReadClaims(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{
		"null", "x", "[]", `"email"`, "{", "{}{}", `{"id_token":[]}`, `{"id_token":"email"}`, `{"userinfo":{"email":"x"}}`,
		`{"userinfo":{"email":true}}`, `{"id_token":{"email":{"essential":"yes"}}}`, `{"id_token":{"acr":{"values":"mfa"}}}`,
		`{"id_token":{"sub":{"value":5}}}`, `{"userinfo":{"sub":{"values":["a","b"]}}}`,
	} {
		if _, err := identity.ReadClaims(text); identity.KindOf(err) != identity.Invalid {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestClaims_aValueThatWasNamedMustBeTheOneThatIs(t *testing.T) {
	t.Parallel()
	r, err := identity.ReadClaims(`{"id_token":{"plain":null,"open":{"essential":true},"one":{"value":"a"},"some":{"values":["a","b"]},"list":{"value":["a"]},"n":{"value":7}}}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name  string
		value any
		want  bool
	}{
		{"plain", "x", true},
		{"open", 7, true},
		{"one", "a", true},
		{"one", "b", false},
		{"some", "b", true},
		{"some", "c", false},
		{"list", []string{"a"}, true},
		{"list", []string{"a", "b"}, false},
		{"n", 7, true},
		{"n", "7", false},
		{"other", "a", false},
	} {
		if got := r.IDToken.Wants(tc.name, tc.value); got != tc.want {
			t.Errorf("%s, which is %v, is wanted: %v", tc.name, tc.value, got)
		}
	}
}

func TestClaims_areKeptWithinBounds(t *testing.T) {
	t.Parallel()
	r, err := identity.ReadClaims(`{"id_token":{"email":{"value":"` + strings.Repeat("a", 2100) + `"},"other":null}}`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Text(all); identity.KindOf(err) != identity.Invalid {
		t.Errorf("what is too much: %v", err)
	}
	if text, err := r.Text(func(name string) bool { return name == "other" }); err != nil || text != `{"id_token":{"other":null}}` {
		t.Errorf("what is left of it is %q (%v)", text, err)
	}
	if text, err := r.Text(func(string) bool { return false }); err != nil || text != "" {
		t.Errorf("nothing is kept as %q (%v)", text, err)
	}
}

// Decision 0031: nobody is refused for asking for everything.
func TestClaims_allThatThereCanBeFitWhereNoValuesAreNamed(t *testing.T) {
	t.Parallel()
	everything := identity.WantedClaims{"name": nil, "updated_at": nil, "email": nil, "email_verified": nil}
	for i := range 32 {
		everything[fmt.Sprintf("claim_of_our_own%02d", i)] = &identity.WantedClaim{Essential: true}
	}
	text, err := identity.ClaimsRequest{IDToken: everything, Userinfo: everything}.Text(all)
	if err != nil || !strings.Contains(text, `"claim_of_our_own31":null`) {
		t.Errorf("%d bytes are kept: %s (%v)", len(text), text, err)
	}
}

func FuzzReadClaims(f *testing.F) {
	f.Add(`{"id_token":{"acr":{"essential":true,"values":["mfa"]},"sub":{"value":"x"}},"userinfo":{"email":null}}`)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := identity.ReadClaims(text)
		if err != nil {
			if identity.KindOf(err) != identity.Invalid {
				t.Fatal(err)
			}
			return
		}
		kept, err := r.Text(all)
		if err != nil {
			return
		}
		if strings.ContainsAny(kept, "\n\r") || kept != "" && !json.Valid([]byte(kept)) {
			t.Fatalf("kept as %q, which no code can carry", kept)
		}
		again, err := identity.ReadClaims(kept)
		if err != nil || len(again.ACRs()) != len(r.ACRs()) || again.Sub() != r.Sub() {
			t.Fatalf("%q became %q (%v)", text, kept, err)
		}
	})
}
