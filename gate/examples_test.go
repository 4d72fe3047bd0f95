package gate

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/sdk/go/resource"
)

// Each header that says who calls is set by the proxy from the answer, and dropped where a caller sent it: a new one that an example
// does not know of would be the caller's to say.
func TestExamples_dropAndSetEveryHeaderThatSaysWhoCalls(t *testing.T) {
	t.Parallel()
	said := http.Header{}
	identify(said, &resource.Claims{})
	if len(said) != 4 {
		t.Fatalf("there are %v", said)
	}
	nginx, quickstart, envoy := read(t, "../examples/gate/nginx.conf"), read(t, "../docs/quickstart-api.md"), read(t, "../examples/gate/envoy.yaml")
	for name := range said {
		lower := strings.ToLower(name)
		variable := strings.ReplaceAll(strings.TrimPrefix(lower, "x-"), "-", "_")
		for _, line := range []string{"proxy_set_header " + name + " $" + variable + ";", "auth_request_set $" + variable + " $upstream_http_x_" + variable + ";"} {
			if !strings.Contains(nginx, line) || !strings.Contains(quickstart, line) {
				t.Errorf("nginx.conf or the quickstart has no %q", line)
			}
		}
		for _, line := range []string{"- remove: " + lower + "\n", "- exact: " + lower + "\n"} {
			if !strings.Contains(envoy, line) {
				t.Errorf("envoy.yaml has no %q", line)
			}
		}
	}
	for _, line := range []string{"headers_with_underscores_action: REJECT_REQUEST", "failure_mode_allow: false", "path_prefix: " + verifyPath + "\n", "- exact: dpop\n", "- exact: www-authenticate\n"} {
		if !strings.Contains(envoy, line) {
			t.Errorf("envoy.yaml has no %q", line)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
