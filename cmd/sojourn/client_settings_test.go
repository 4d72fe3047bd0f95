package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
)

// said is a value for each of a client's settings as a flag takes it, and as JSON tells it then.
var said = map[string]struct{ flag, want string }{
	"trusted":                           {"true", "true"},
	"trusted_native":                    {"true", "true"},
	"session_idle_seconds":              {"1h", "3600"},
	"session_absolute_seconds":          {"2h", "7200"},
	"redirect_uris":                     {"https://new.example/cb", `["https://new.example/cb"]`},
	"token_endpoint_auth_method":        {"client_secret_post", `"client_secret_post"`},
	"token_endpoint_auth_signing_alg":   {"ES256", `"ES256"`},
	"grant_types":                       {"authorization_code", `["authorization_code"]`},
	"response_types":                    {"code", `["code"]`},
	"application_type":                  {"native", `"native"`},
	"client_name":                       {"Notes", `"Notes"`},
	"client_uri":                        {"https://notes.example/", `"https://notes.example/"`},
	"logo_uri":                          {"https://notes.example/logo", `"https://notes.example/logo"`},
	"policy_uri":                        {"https://notes.example/policy", `"https://notes.example/policy"`},
	"tos_uri":                           {"https://notes.example/terms", `"https://notes.example/terms"`},
	"scope":                             {"openid files", `"openid files"`},
	"contacts":                          {"ops@example.com", `["ops@example.com"]`},
	"jwks_uri":                          {"https://notes.example/keys", `"https://notes.example/keys"`},
	"jwks":                              {"testdata/keys.json", `{"keys":[{"kty":"OKP","kid":"1","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`},
	"software_id":                       {"notes", `"notes"`},
	"software_version":                  {"1.2", `"1.2"`},
	"subject_type":                      {"pairwise", `"pairwise"`},
	"sector_identifier_uri":             {"https://notes.example/sector", `"https://notes.example/sector"`},
	"id_token_signed_response_alg":      {"EdDSA", `"EdDSA"`},
	"default_max_age":                   {"0", "0"},
	"require_auth_time":                 {"true", "true"},
	"default_acr_values":                {"mfa", `["mfa"]`},
	"require_mfa":                       {"true", "true"},
	"require_pkce":                      {"true", "true"},
	"id_token_on_refresh":               {"true", "true"},
	"id_token_profile":                  {"true", "true"},
	"refresh_rotation":                  {"strict", `"strict"`},
	"dpop_bound_access_tokens":          {"true", "true"},
	"access_token_format":               {"reference", `"reference"`},
	"userinfo_signed_response_alg":      {"ES256", `"ES256"`},
	"introspection_signed_response_alg": {"ES256", `"ES256"`},
	"resources":                         {"https://api.example/", `["https://api.example/"]`},
	"initiate_login_uri":                {"https://notes.example/begin", `"https://notes.example/begin"`},
	"request_uris":                      {"https://notes.example/request", `["https://notes.example/request"]`},
	"request_object_signing_alg":        {"PS256", `"PS256"`},
	"require_signed_request_object":     {"true", "true"},
	"post_logout_redirect_uris":         {"https://notes.example/bye", `["https://notes.example/bye"]`},
	"backchannel_logout_uri":            {"https://notes.example/back", `"https://notes.example/back"`},
	"frontchannel_logout_uri":           {"https://notes.example/front", `"https://notes.example/front"`},

	"require_pushed_authorization_requests": {"true", "true"},
	"backchannel_logout_session_required":   {"true", "true"},
	"frontchannel_logout_session_required":  {"true", "true"},
}

// beside are the flags that a setting needs beside it.
var beside = map[string][]string{
	"require_signed_request_object":        {"--jwks-file", "testdata/keys.json"},
	"token_endpoint_auth_signing_alg":      {"--jwks-file", "testdata/keys.json"},
	"backchannel_logout_session_required":  {"--backchannel-logout-uri", "https://notes.example/back"},
	"frontchannel_logout_session_required": {"--frontchannel-logout-uri", "https://notes.example/front"},
}

// TestClientUpdate_hasAFlagForEverySetting holds operators' clients to what registered ones can have: whoever adds a member
// to registrations adds its flag.
func TestClientUpdate_hasAFlagForEverySetting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, member := range identity.SettingNames {
		value, known := said[member]
		if !known || flagOf[member] == "" {
			t.Errorf("%s: client add and client update need a flag for it", member)
			continue
		}
		inProcess(t, dir, "client", "add", "--id", member, "--secret-stdin", "--redirect-uri", "https://notes.example/cb")
		before := shown(t, dir, member)
		flags := append(slices.Clone(beside[member]), "--"+flagOf[member]+"="+value.flag)
		inProcess(t, dir, append([]string{"client", "update", member}, flags...)...)
		after := shown(t, dir, member)
		if got := string(after[member]); got != value.want {
			t.Errorf("%s: it became %s, want %s", member, got, value.want)
		}
		if len(beside[member]) > 0 || member == "jwks" { // more than one changes
			continue
		}
		delete(before, member)
		delete(after, member)
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("%s: something else changed: %s", member, diff)
		}
	}
}

// shown is a client as `client show` tells it.
func shown(t *testing.T, dir, id string) (members map[string]json.RawMessage) {
	t.Helper()
	if err := json.Unmarshal(inProcess(t, dir, "client", "show", id, "--json"), &members); err != nil {
		t.Fatal(err)
	}
	return members
}

// inProcess runs a command in this process, which is a hundred times as fast as one of its own, on a database in dir. It returns
// what the command said.
func inProcess(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	var out, wrong bytes.Buffer
	env := map[string]string{"SOJOURN_DATABASE": "sqlite:" + filepath.Join(dir, "sojourn.db")}
	said := streams{in: strings.NewReader("0123456789abcdef\n"), out: &out, err: &wrong}
	if run(args, said, func(name string) string { return env[name] }) != 0 {
		t.Fatalf("sojourn %s: %s", strings.Join(args, " "), &wrong)
	}
	return out.Bytes()
}
