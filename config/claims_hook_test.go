package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/config"
)

const hookSecret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"

func TestLoad_hookProblemsSayWhatWouldBeRight(t *testing.T) {
	t.Parallel()
	const like = "is not a URL like https://claims.internal/ask"
	for name, c := range map[string]struct{ url, secret, more, variable, want string }{
		"no secret":            {"https://h/ask", "", "", "CLAIMS_HOOK_SECRET", "is required with SOJOURN_CLAIMS_HOOK"},
		"secret alone":         {"", hookSecret, "", "CLAIMS_HOOK_SECRET", "is of no use without SOJOURN_CLAIMS_HOOK"},
		"short secret":         {"https://h", "whsec_aHVudGVyMg==", "", "CLAIMS_HOOK_SECRET", "is not whsec_ and the base64"},
		"secret without whsec": {"https://h", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", "", "CLAIMS_HOOK_SECRET", "is not whsec_ and the base64"},
		"http elsewhere":       {"http://claims.internal/ask", hookSecret, "", "CLAIMS_HOOK", "must be https"},
		"other scheme":         {"ftp://localhost/ask", hookSecret, "", "CLAIMS_HOOK", "must be https"},
		"no host":              {"https:///ask", hookSecret, "", "CLAIMS_HOOK", like},
		"a user":               {"https://u:hunter2@h/ask", hookSecret, "", "CLAIMS_HOOK", like},
		"fragment":             {"https://h/ask#x", hookSecret, "", "CLAIMS_HOOK", like},
		"too long":             {"https://h/" + strings.Repeat("a", 512), hookSecret, "", "CLAIMS_HOOK", like},
		"claims of nobody":     {"", "", "roles=hook.roles", "CLAIMS", "roles is made of hook.roles, and nobody is asked for it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			flags := map[string]string{"claims_hook": c.url, "claims_hook_secret": c.secret, "claims": c.more}
			_, err := config.Load(config.Options{Flags: flags})
			if err == nil || !strings.HasPrefix(err.Error(), "SOJOURN_"+c.variable+": ") || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got  %v\nwant SOJOURN_%s: … %s", err, c.variable, c.want)
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "aHVudGVyMg") {
				t.Errorf("the error tells a secret: %v", err)
			}
		})
	}
}

func TestLoad_goodHooks(t *testing.T) {
	t.Parallel()
	path := file(t, "hook.secret", hookSecret+"\n")
	for _, url := range []string{"https://claims.internal:8443/ask?tenant=1", "http://127.0.0.1:9000/", "http://[::1]:9000", "http://localhost/ask"} {
		c := load(t, config.Options{Flags: map[string]string{"claims_hook": url, "claims_hook_secret_file": path, "claims": "roles=hook.roles"}})
		if string(c.ClaimsHook.Secret) != hookSecret {
			t.Errorf("%s: the secret of the file is %d bytes long", url, len(c.ClaimsHook.Secret))
		}
		if shown := c.String() + fmt.Sprintf("%v %+v %q", c, c, c.ClaimsHook); strings.Contains(shown, "AAECAwQF") {
			t.Error("the secret shows itself")
		}
	}
}
