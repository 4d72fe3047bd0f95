package main

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// openid-client registers apps with subjects of their own (OpenID Connect Core 1.0 §8.1): of two hosts, and of one sector that a
// list on another host makes of two. Ada signs in to all of them.
func TestPairwise_aForeignClientKnowsPeopleByItsSectorAlone(t *testing.T) {
	t.Parallel()
	node, dir := onNode(t, "openid-client", "openid-client")
	sector, roots := secureSite(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`["https://c.example/callback","https://d.example/callback"]`))
	})
	s := openServer(t, "SOJOURN_REGISTRATION=open", "SSL_CERT_FILE="+roots)
	cmd := exec.CommandContext(t.Context(), node, "pairwise.mjs")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "ISSUER="+s.issuer, "SECTOR="+sector+"/redirects.json", "USERNAME=ada@example.com", "PASSWORD="+adasPassword)
	out, err := cmd.CombinedOutput()
	t.Logf("\n%s", out)
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), " 0 failed") {
		t.Errorf("pairwise.mjs: %v", err)
	}
}
