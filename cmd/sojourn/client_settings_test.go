package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	"jwks":                              {"keys.json", `{"keys":[{"kty":"OKP","kid":"1","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`},
	"software_id":                       {"notes", `"notes"`},
	"software_version":                  {"1.2", `"1.2"`},
	"subject_type":                      {"public", `"public"`},
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
	"introspection_signed_response_alg": {"ES256", `"ES256"`},
	"resources":                         {"https://api.example/", `["https://api.example/"]`},
	"post_logout_redirect_uris":         {"https://notes.example/bye", `["https://notes.example/bye"]`},
	"backchannel_logout_uri":            {"https://notes.example/back", `"https://notes.example/back"`},
	"frontchannel_logout_uri":           {"https://notes.example/front", `"https://notes.example/front"`},

	"backchannel_logout_session_required":  {"true", "true"},
	"frontchannel_logout_session_required": {"true", "true"},
}

// beside are the flags that a setting needs beside it.
var beside = map[string][]string{
	"token_endpoint_auth_signing_alg":      {"--jwks-file", "keys.json"},
	"backchannel_logout_session_required":  {"--backchannel-logout-uri", "https://notes.example/back"},
	"frontchannel_logout_session_required": {"--frontchannel-logout-uri", "https://notes.example/front"},
}

// TestClientUpdate_hasAFlagForEverySetting holds operators' clients to what registered ones can have: whoever adds a member
// to registrations adds its flag.
func TestClientUpdate_hasAFlagForEverySetting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys := `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
	if err := os.WriteFile(filepath.Join(dir, "keys.json"), []byte(keys), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, member := range identity.SettingNames {
		value, known := said[member]
		if !known || flagOf[member] == "" {
			t.Errorf("%s: client add and client update need a flag for it", member)
			continue
		}
		command(t, dir, nil, "0123456789abcdef", "client", "add", "--id", member, "--secret-stdin", "--redirect-uri", "https://notes.example/cb")
		before := shown(t, dir, member)
		flags := append(slices.Clone(beside[member]), "--"+flagOf[member]+"="+value.flag)
		command(t, dir, nil, "", append([]string{"client", "update", member}, flags...)...)
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
	cmd := exec.Command("sojourn", "client", "show", id, "--json")
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &members); err != nil {
		t.Fatal(err)
	}
	return members
}
