package server_test

import (
	"regexp"
	"strings"
	"testing"
)

// modules are those of the OpenID Foundation's profiles that docs/conformance.md goes through, without "oidcc-".
var modules = map[string]string{
	"oidcc-basic-certification-test-plan": "server response-type-missing idtoken-signature idtoken-unsigned userinfo-get userinfo-post-header " +
		"userinfo-post-body ensure-request-without-nonce-succeeds-for-code-flow scope-profile scope-email scope-address scope-phone scope-all " +
		"ensure-other-scope-order-succeeds display-page display-popup prompt-login prompt-none-not-logged-in prompt-none-logged-in max-age-1 " +
		"max-age-10000 ensure-request-with-unknown-parameter-succeeds id-token-hint login-hint ui-locales claims-locales " +
		"ensure-request-with-acr-values-succeeds codereuse codereuse-30seconds ensure-registered-redirect-uri ensure-post-request-succeeds " +
		"server-client-secret-post request-uri-unsigned unsigned-request-object-supported-correctly-or-rejected-as-unsupported claims-essential " +
		"ensure-request-object-with-redirect-uri refresh-token ensure-request-with-valid-pkce-succeeds",
	"oidcc-formpost-basic-certification-test-plan": "server response-type-missing prompt-none-not-logged-in",
	"oidcc-dynamic-certification-test-plan": "discovery-endpoint-verification server ensure-client-assertion-with-iss-aud-succeeds " +
		"ensure-redirect-uri-in-authorization-request ensure-request-object-with-redirect-uri idtoken-rs256 idtoken-unsigned redirect-uri-query-OK " +
		"redirect-uri-query-added redirect-uri-query-mismatch redirect-uri-regfrag refresh-token refresh-token-rp-key-rotation registration-jwks-uri " +
		"registration-logo-uri registration-policy-uri registration-sector-bad registration-sector-uri registration-tos-uri " +
		"request-uri-signed-rs256 request-uri-unsigned server-rotate-keys userinfo-rs256",
	"oidcc-3rdparty-init-login-certification-test-plan": "3rd_party-init-login 3rd_party-init-login-nohttps",
}

var (
	module = regexp.MustCompile("`oidcc-([\\w-]+)`")
	reason = regexp.MustCompile(`^(not met|skips itself)\b`)
)

// Each module has a row, and each row a test or the reason why not. That the tests are there is TestDocs_testsThatAreNamedExist's.
func TestDocs_everyModuleOfTheProfilesHasATestOrAReason(t *testing.T) {
	t.Parallel()
	profiles := strings.Split(read(t, "docs/conformance.md"), "\n## ")[1:]
	if len(profiles) != len(modules) {
		t.Errorf("there are %d profiles, want %d", len(profiles), len(modules))
	}
	for _, part := range profiles {
		title, text, _ := strings.Cut(part, "\n")
		told := map[string]bool{}
		for _, row := range rowsOf(text) {
			if len(row) != 3 || !testName.MatchString(row[1]) && !reason.MatchString(row[2]) {
				t.Errorf("%s: %q has neither a test nor a reason", title, row)
				continue
			}
			for _, found := range module.FindAllStringSubmatch(row[0], -1) {
				told[found[1]] = true
			}
		}
		known := strings.Fields(modules[title])
		for _, want := range known {
			if !told[want] {
				t.Errorf("%s: %s has no row", title, want)
			}
			delete(told, want)
		}
		if len(told) > 0 || len(known) == 0 {
			t.Errorf("%s has no modules called %v", title, told)
		}
	}
}
