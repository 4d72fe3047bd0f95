package main

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"testing"
)

// TestLoad_aPersonWithAnAuthenticator lets `sojourn load` drive `sojourn serve`.
func TestLoad_aPersonWithAnAuthenticator(t *testing.T) {
	t.Parallel()
	const password, secret = "a long password", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	dir, ports := t.TempDir(), freePorts(t, 2)
	issuer := "http://localhost:" + ports[0]
	env := []string{"SOJOURN_ISSUER=" + issuer}
	command(t, dir, env, password, "user", "add", "--email", "ada@example.com", "--password-stdin", "--totp-secret", secret)
	command(t, dir, env, "", "client", "add", "--id", "app", "--public", "--redirect-uri", "http://127.0.0.1/callback",
		"--scope", "openid offline_access")
	p := start(t, dir, env, "sojourn", "serve", "--listen", "127.0.0.1:"+ports[0], "--admin-listen", "127.0.0.1:"+ports[1])
	p.until("readiness", func() bool { return statusOf("http://127.0.0.1:"+ports[1]+"/readyz") == http.StatusOK })

	load := exec.Command("sojourn", "load", "--target", issuer, "--client", "app", "--email", "ada@example.com",
		"--password-stdin", "--totp-secret", secret, "--devices", "10", "--rate", "10", "--duration", "2s", "--json")
	load.Stdin = strings.NewReader(password + "\n")
	out, err := load.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var report struct {
		Refreshes int     `json:"refreshes"`
		Forced    *int    `json:"forced_logins"`
		PerSecond float64 `json:"refreshes_per_second"`
		P99       float64 `json:"p99_ms"`
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if report.Refreshes == 0 || report.PerSecond <= 0 || report.P99 <= 0 || report.Forced == nil || *report.Forced != 0 {
		t.Errorf("%s", out)
	}
}
