package identity_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

const defaultScope = "openid profile email offline_access"

func TestCleanRegistration_fillsInTheDefaults(t *testing.T) {
	t.Parallel()
	got, err := identity.CleanRegistration(identity.Metadata{RedirectURIs: []string{"https://app.example.com/cb"}})
	if err != nil {
		t.Fatal(err)
	}
	want := identity.Metadata{
		RedirectURIs: []string{"https://app.example.com/cb"}, GrantTypes: []string{"authorization_code"},
		ResponseTypes: []string{"code"}, ApplicationType: "web", Scope: defaultScope,
		IDTokenAlg: "RS256", SubjectType: "public",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCleanRegistration_aPrivateUseSchemeMakesANativeApp(t *testing.T) {
	t.Parallel()
	got, err := identity.CleanRegistration(identity.Metadata{
		RedirectURIs: []string{"https://app.example.com/cb", "com.example.app:/cb"}, AuthMethod: "none",
	})
	if err != nil || got.ApplicationType != "native" {
		t.Errorf("%q, %v", got.ApplicationType, err)
	}
}

// full is a registration in which every field is honoured as it is.
func full() identity.Metadata {
	age, yes := 0, true
	return identity.Metadata{
		RedirectURIs: []string{"com.example.app:/cb", "http://127.0.0.1/cb"}, AuthMethod: "none",
		GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"}, ApplicationType: "native",
		Name: "Wanderwege 🥾 für alle", URI: "https://example.com/", LogoURI: "https://example.com/logo.png",
		PolicyURI: "https://example.com/#/privacy", TermsURI: "http://localhost:8000/terms", Scope: "openid offline_access",
		Contacts: []string{"dev@example.com"}, JWKSURI: "https://example.com/jwks", SoftwareID: "4NRB1-0XZABZI9E6-5SM3R",
		SoftwareVersion: "2.1", SubjectType: "pairwise", SectorURI: "https://example.com/sector", IDTokenAlg: "EdDSA", DefaultMaxAge: &age, RequireAuthTime: true,
		DefaultACRValues: []string{"mfa"}, RequireMFA: true, RequirePKCE: true, IDTokenOnRefresh: &yes, IDTokenProfile: &yes,
		AccessFormat: "reference", UserinfoAlg: "ES256", IntrospectionAlg: "EdDSA",
		PostLogoutRedirectURIs: []string{"com.example.app:/bye", "https://example.com/bye?x=1"},
		BackchannelLogoutURI:   "https://example.com/back?x=1", BackchannelSession: true,
		FrontchannelLogoutURI: "http://127.0.0.1:8000/front", FrontchannelSession: true,
		Device: identity.Device{Name: "Ada’s phone", Model: "Pixel 9", AppVersion: "2.1", InstallID: "i-1"},
	}
}

func TestCleanRegistration_honoursEveryField(t *testing.T) {
	t.Parallel()
	got, err := identity.CleanRegistration(full())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(full(), got); diff != "" {
		t.Error(diff)
	}
}

// changes are what a client asks for, and what it gets instead.
type changes map[string]struct{ change, want func(*identity.Metadata) }

func TestCleanRegistration_returnsWhatItChanged(t *testing.T) {
	t.Parallel()
	checkChanges(t, changes{
		"who names an API's scopes alone gets the usual ones": {
			func(m *identity.Metadata) { m.Scope = "notes.read notes.write" },
			func(m *identity.Metadata) { m.Scope = defaultScope },
		},
		"unknown scopes go": {
			func(m *identity.Metadata) { m.Scope = "email admin openid email" },
			func(m *identity.Metadata) { m.Scope = "email openid" },
		},
		"no scope gets the usual ones": {
			func(m *identity.Metadata) { m.Scope = " " },
			func(m *identity.Metadata) { m.Scope = defaultScope },
		},
		"unsupported grants go": {
			func(m *identity.Metadata) { m.GrantTypes = []string{"implicit", "authorization_code", "password"} },
			func(m *identity.Metadata) { m.GrantTypes = []string{"authorization_code"} },
		},
		"unsupported response types go": {
			func(m *identity.Metadata) { m.ResponseTypes = []string{"code", "code id_token", "token"} },
			func(m *identity.Metadata) { m.ResponseTypes = []string{"code"} },
		},
		"offline_access without grants brings refresh_token": {
			func(m *identity.Metadata) { m.GrantTypes = nil },
			func(*identity.Metadata) {},
		},
		"repeated redirect URIs count once": {
			func(m *identity.Metadata) { m.RedirectURIs = append(m.RedirectURIs, m.RedirectURIs...) },
			func(*identity.Metadata) {},
		},
		"an assertion algorithm needs assertions": {
			func(m *identity.Metadata) { m.AuthSigningAlg = "ES256" },
			func(*identity.Metadata) {},
		},
		"unknown acr values go": {
			func(m *identity.Metadata) { m.DefaultACRValues = []string{"gold", "mfa", "pwd", "mfa"} },
			func(m *identity.Metadata) { m.DefaultACRValues = []string{"mfa", "pwd"} },
		},
		"a name is trimmed": {
			func(m *identity.Metadata) { m.Name = " Wege\t" },
			func(m *identity.Metadata) { m.Name = "Wege" },
		},
		"jwks null is none": {
			func(m *identity.Metadata) { m.JWKS = json.RawMessage("null") },
			func(*identity.Metadata) {},
		},
		"what is said of the device is cut": {
			func(m *identity.Metadata) { m.Name, m.Device.Name = "x", "a\x00b\u202e"+strings.Repeat("é", 64) },
			func(m *identity.Metadata) { m.Name, m.Device.Name = "x", "ab"+strings.Repeat("é", 31) },
		},
	})
}

func TestCleanRegistration_dropsWhatHasNoUse(t *testing.T) {
	t.Parallel()
	checkChanges(t, changes{
		"a client without people has no redirect URIs, response types or scopes": {
			func(m *identity.Metadata) {
				m.AuthMethod, m.ResponseTypes, m.Scope = "client_secret_post", nil, ""
				m.GrantTypes = []string{"client_credentials", "refresh_token"}
			},
			func(m *identity.Metadata) {
				m.AuthMethod, m.ResponseTypes, m.Scope, m.RedirectURIs = "client_secret_post", nil, "", nil
				m.GrantTypes = []string{"client_credentials"}
				m.PostLogoutRedirectURIs, m.BackchannelLogoutURI, m.FrontchannelLogoutURI = nil, "", ""
				m.BackchannelSession, m.FrontchannelSession = false, false
			},
		},
		"an address for signing out is kept once": {
			func(m *identity.Metadata) {
				m.PostLogoutRedirectURIs = []string{"https://a.example/", "https://a.example/"}
			},
			func(m *identity.Metadata) { m.PostLogoutRedirectURIs = []string{"https://a.example/"} },
		},
		"who has no address needs no session there": {
			func(m *identity.Metadata) { m.BackchannelLogoutURI, m.FrontchannelLogoutURI = "", "" },
			func(m *identity.Metadata) {
				m.BackchannelLogoutURI, m.FrontchannelLogoutURI, m.BackchannelSession, m.FrontchannelSession = "", "", false, false
			},
		},
	})
}

func checkChanges(t *testing.T, all changes) {
	t.Helper()
	for name, c := range all {
		asked, want := full(), full()
		c.change(&asked)
		c.want(&want)
		got, err := identity.CleanRegistration(asked)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// refused is a change that must be refused by the name of its field.
type refused struct {
	field  string
	change func(*identity.Metadata)
}

func TestCleanRegistration_refusesByField(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 600)
	checkRefused(t, []refused{
		{"application_type", func(m *identity.Metadata) { m.ApplicationType = "desktop" }},
		{"grant_types", func(m *identity.Metadata) { m.GrantTypes = []string{"implicit", "password"} }},
		{"grant_types", func(m *identity.Metadata) {
			m.GrantTypes, m.ResponseTypes = []string{"refresh_token"}, []string{"token"}
		}},
		{"grant_types", func(m *identity.Metadata) { m.GrantTypes = []string{"client_credentials"} }}, // a public client
		{"grant_types", func(m *identity.Metadata) {
			m.AuthMethod, m.GrantTypes = "", []string{"client_credentials"} // but response_types has code
		}},
		{"response_types", func(m *identity.Metadata) { m.ResponseTypes = []string{"token"} }},
		{"token_endpoint_auth_method", func(m *identity.Metadata) { m.AuthMethod = "client_secret_jwt" }},
		{"token_endpoint_auth_method", func(m *identity.Metadata) { m.AuthMethod = "NONE" }},
		{"token_endpoint_auth_signing_alg", func(m *identity.Metadata) { m.AuthMethod, m.AuthSigningAlg = "private_key_jwt", "none" }},
		{"token_endpoint_auth_signing_alg", func(m *identity.Metadata) { m.AuthMethod, m.AuthSigningAlg = "private_key_jwt", "HS256" }},
		{"jwks", func(m *identity.Metadata) { m.AuthMethod, m.JWKSURI = "private_key_jwt", "" }},
		{"jwks", func(m *identity.Metadata) { m.JWKS = json.RawMessage(`{"keys":[]}`) }}, // and jwks_uri
		{"scope", func(m *identity.Metadata) { // of a client without people, for whom there are no usual ones
			*m = identity.Metadata{GrantTypes: []string{"client_credentials"}, AuthMethod: "client_secret_basic", Scope: "payments admin"}
		}},
		{"client_name", func(m *identity.Metadata) { m.Name = strings.Repeat("ä", 101) }},
		{"client_name", func(m *identity.Metadata) { m.Name = "two\nlines" }},
		{"client_name", func(m *identity.Metadata) { m.Name = "your bank\u202e" }},
		{"client_name", func(m *identity.Metadata) { m.Name = "a\u2066b" }},
		{"client_name", func(m *identity.Metadata) { m.Name = "a\u2028b" }},
		{"client_name", func(m *identity.Metadata) { m.Name = "\u200b\u00ad" }},
		{"client_name", func(m *identity.Metadata) { m.Name = "\u3164 \u115f\uffa0" }},
		{"client_name", func(m *identity.Metadata) { m.Name = "\u2800" }},
		{"client_name", func(m *identity.Metadata) { m.Name = "nul\x00" }},
		{"client_name", func(m *identity.Metadata) { m.Name = "\xff" }},
		{"contacts", func(m *identity.Metadata) { m.Contacts = make([]string, 11) }},
		{"contacts", func(m *identity.Metadata) { m.Contacts = []string{long} }},
		{"contacts", func(m *identity.Metadata) { m.Contacts = []string{"a\x00@example.com"} }},
		{"software_id", func(m *identity.Metadata) { m.SoftwareID = long }},
		{"software_version", func(m *identity.Metadata) { m.SoftwareVersion = "1\x00" }},
		{"subject_type", func(m *identity.Metadata) { m.SubjectType = "both" }},
		{"id_token_signed_response_alg", func(m *identity.Metadata) { m.IDTokenAlg = "none" }},
		{"id_token_signed_response_alg", func(m *identity.Metadata) { m.IDTokenAlg = "HS256" }},
		{"access_token_format", func(m *identity.Metadata) { m.AccessFormat = "opaque" }},
		{"introspection_signed_response_alg", func(m *identity.Metadata) { m.IntrospectionAlg = "none" }},
		{"introspection_signed_response_alg", func(m *identity.Metadata) { m.IntrospectionAlg = "HS256" }},
		{"refresh_rotation", func(m *identity.Metadata) { m.Rotation = "sometimes" }},
		{"refresh_rotation", func(m *identity.Metadata) { m.Rotation = identity.RotateNone }}, // a public client without DPoP
		{"default_max_age", func(m *identity.Metadata) { n := -1; m.DefaultMaxAge = &n }},
		{"default_max_age", func(m *identity.Metadata) { n := math.MaxInt; m.DefaultMaxAge = &n }},
	})
}

func TestCleanRegistration_refusesAddressesByField(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 600)
	checkRefused(t, []refused{
		{"redirect_uris", func(m *identity.Metadata) { m.RedirectURIs = nil }},
		{"redirect_uris", func(m *identity.Metadata) { m.RedirectURIs = make([]string, 21) }},
		{"redirect_uris", func(m *identity.Metadata) { m.RedirectURIs = []string{"https://ok.example.com/", "javascript:x"} }},
		{"redirect_uris", func(m *identity.Metadata) { m.RedirectURIs = []string{"cursor://anysphere.cursor-mcp/cb"} }},
		{"client_uri", func(m *identity.Metadata) { m.URI = "http://example.com/" }},
		{"logo_uri", func(m *identity.Metadata) { m.LogoURI = "data:image/png;base64,AA==" }},
		{"policy_uri", func(m *identity.Metadata) { m.PolicyURI = "javascript:alert(1)" }},
		{"tos_uri", func(m *identity.Metadata) { m.TermsURI = "https://example.com/" + long }},
		{"jwks_uri", func(m *identity.Metadata) { m.JWKSURI = "https://user@example.com/jwks" }},
		{"post_logout_redirect_uris", func(m *identity.Metadata) { m.PostLogoutRedirectURIs = make([]string, 21) }},
		{"post_logout_redirect_uris", func(m *identity.Metadata) { m.PostLogoutRedirectURIs = []string{""} }},
		{"post_logout_redirect_uris", func(m *identity.Metadata) { m.PostLogoutRedirectURIs = []string{"javascript:x"} }},
		{"post_logout_redirect_uris", func(m *identity.Metadata) { m.PostLogoutRedirectURIs = []string{"https://a.example/#x"} }},
		{"post_logout_redirect_uris", func(m *identity.Metadata) { m.PostLogoutRedirectURIs = []string{"http://a.example/"} }},
		{"post_logout_redirect_uris", func(m *identity.Metadata) { m.PostLogoutRedirectURIs = []string{"https://a.example/" + long} }},
		{"backchannel_logout_uri", func(m *identity.Metadata) { m.BackchannelLogoutURI = "http://a.example/" }},
		{"backchannel_logout_uri", func(m *identity.Metadata) { m.BackchannelLogoutURI = "https://a.example/#x" }},
		{"backchannel_logout_uri", func(m *identity.Metadata) { m.BackchannelLogoutURI = "com.example.app:/out" }},
		{"backchannel_logout_uri", func(m *identity.Metadata) { m.BackchannelLogoutURI = "https://a.example/" + long }},
		{"frontchannel_logout_uri", func(m *identity.Metadata) { m.FrontchannelLogoutURI = "https://127.0.0.1/" }},
		{"frontchannel_logout_uri", func(m *identity.Metadata) { m.FrontchannelLogoutURI = "http://127.0.0.1/#x" }},
		{"frontchannel_logout_uri", func(m *identity.Metadata) { m.FrontchannelLogoutURI = "http://localhost/" }},
	})
}

func checkRefused(t *testing.T, all []refused) {
	t.Helper()
	for _, c := range all {
		m := full()
		c.change(&m)
		_, err := identity.CleanRegistration(m)
		refusal, ok := errors.AsType[*identity.Error](err)
		if !ok || refusal.Kind != identity.Invalid || refusal.Field != c.field {
			t.Errorf("%s: %#v", c.field, err)
			continue
		}
		// RFC 6749 §5.2: what goes into error_description is ASCII without quotes and backslashes.
		if strings.ContainsFunc(refusal.Msg, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
			t.Errorf("%s: cannot be said in error_description: %s", c.field, refusal.Msg)
		}
	}
}

func TestCleanRegistration_leavesTheCallersValueAlone(t *testing.T) {
	t.Parallel()
	asked := full()
	asked.GrantTypes = []string{"implicit", "refresh_token", "authorization_code"}
	before := full()
	before.GrantTypes = []string{"implicit", "refresh_token", "authorization_code"}
	if _, err := identity.CleanRegistration(asked); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, asked); diff != "" {
		t.Error(diff)
	}
}

func TestManagedBy_previousTokenLivesBesideTheNewest(t *testing.T) {
	t.Parallel()
	first, firstHash := identity.NewManagementToken()
	second, secondHash := identity.NewManagementToken()
	other, _ := identity.NewManagementToken()
	client := identity.Client{RegistrationHash: secondHash, PreviousHash: firstHash}
	for text, want := range map[string][2]bool{second: {true, true}, first: {true, false}, other: {}, "": {}} {
		if ok, newest := client.ManagedBy(text); [2]bool{ok, newest} != want {
			t.Errorf("%q: %v, %v", text, ok, newest)
		}
	}
	if ok, _ := (identity.Client{}).ManagedBy(""); ok {
		t.Error("a client of the operator's was managed without a token")
	}
}

func TestCleanRegistration_isOneStep(t *testing.T) {
	t.Parallel()
	for _, m := range []identity.Metadata{full(), {RedirectURIs: []string{"http://localhost/"}}, {GrantTypes: []string{"client_credentials"}}} {
		settled(t, m)
	}
}

// settled fails when cleaning what was cleaned changes it again.
func settled(t *testing.T, m identity.Metadata) {
	t.Helper()
	once, err := identity.CleanRegistration(m)
	if err != nil {
		return
	}
	twice, err := identity.CleanRegistration(once)
	if err != nil {
		t.Fatalf("what was accepted is refused the second time: %v", err)
	}
	if diff := cmp.Diff(once, twice); diff != "" {
		t.Fatal(diff)
	}
	stored, err := json.Marshal(once)
	if err != nil {
		t.Fatal(err)
	}
	var read identity.Metadata
	if err := json.Unmarshal(stored, &read); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(once, read); diff != "" {
		t.Fatalf("the row would say something else: %s", diff)
	}
}

func FuzzCleanRegistration(f *testing.F) {
	text, err := json.Marshal(full())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"redirect_uris":["https://a.example/"],"contacts":[],"default_acr_values":["x"]}`))
	f.Add([]byte(`{"grant_types":["client_credentials","x"],"scope":"x openid","client_name":"\ud800"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var m identity.Metadata
		if json.Unmarshal(text, &m) == nil {
			m.JWKS = nil // not judged here
			settled(t, m)
		}
	})
}

// A token that never changes is for those of whom a copy of it is worth nothing.
func TestCleanRegistration_rotationNoneIsForConstrainedClients(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method string
		bound  bool
		good   bool
	}{{"none", false, false}, {"none", true, true}, {"", false, true}, {"client_secret_basic", false, true}} {
		m := full()
		m.AuthMethod, m.DPoPBound, m.Rotation = c.method, c.bound, identity.RotateNone
		got, err := identity.CleanRegistration(m)
		if (err == nil) != c.good || c.good && (got.Rotation != identity.RotateNone || got.DPoPBound != c.bound) {
			t.Errorf("%+v: %+v, %v", c, got, err)
		}
	}
	for _, rotation := range []identity.Rotation{"", identity.RotateForking, identity.RotateStrict} {
		m := full()
		m.Rotation = rotation
		if got, err := identity.CleanRegistration(m); err != nil || got.Rotation != rotation {
			t.Errorf("%q: registered as %q: %v", rotation, got.Rotation, err)
		}
	}
}
