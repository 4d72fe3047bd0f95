package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"golang.org/x/oauth2"

	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// replica is one `sojourn serve` of several on one database.
type replica struct {
	*process
	url, admin string
}

// TestTopology_twoServersOnOneDatabase is the least that test/cluster has more of: migrate, then
// serve twice, sign in on one and go on at the other.
func TestTopology_twoServersOnOneDatabase(t *testing.T) {
	t.Parallel()
	dsn, ports := storagetest.DSN(t, storage.Postgres), freePorts(t, 4)
	issuer := "http://localhost:" + ports[0]
	env := []string{"SOJOURN_DATABASE=" + dsn, "SOJOURN_SECRET=" + testSecret, "SOJOURN_ISSUER=" + issuer}
	dir := t.TempDir()
	command(t, dir, env, "", "migrate")
	command(t, dir, env, "a long password", "user", "add", "--email", "ada@example.com", "--password-stdin")
	command(t, dir, env, "", "client", "add", "--id", "app", "--public", "--redirect-uri", "https://app.example/cb",
		"--scope", "openid offline_access")

	var replicas []replica
	for i := range 2 {
		public, admin := "127.0.0.1:"+ports[2*i], "127.0.0.1:"+ports[2*i+1]
		p := start(t, dir, env, "sojourn", "serve", "--listen", public, "--admin-listen", admin)
		p.until("health", func() bool { return statusOf("http://"+admin+"/healthz") == http.StatusOK })
		p.until("readiness", func() bool { return statusOf("http://"+admin+"/readyz") == http.StatusOK })
		for _, args := range [][]string{{"healthcheck"}, {"healthcheck", "--ready", "--json"}} {
			command(t, dir, env, "", append(args, "--admin-listen", "0.0.0.0:"+ports[2*i+1])...)
		}
		replicas = append(replicas, replica{p, "http://" + public, "http://" + admin})
	}

	tokens := signInHere(t, issuer, newPerson(t, "ada@example.com", "a long password", ""))
	for i := range 4 { // to and fro
		tokens = refresh(t, replicas[(i+1)%2], tokens)
	}
	if err := replicas[0].stop(); err != nil {
		t.Errorf("a server that is asked to stop: %v", err)
	}
	refresh(t, replicas[1], tokens)
}

type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

func signInHere(t *testing.T, issuer string, who *person) tokens {
	t.Helper()
	verifier := oauth2.GenerateVerifier()
	ask := url.Values{
		"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {"https://app.example/cb"}, "state": {"a-state-of-some-length"},
		"scope": {"openid offline_access"}, "code_challenge_method": {"S256"},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)},
	}
	back := who.follow(issuer + "/oauth2/authorize?" + ask.Encode()).Query()
	if back.Get("iss") != issuer || back.Get("code") == "" {
		t.Fatal(back)
	}
	return token(t, issuer, url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Get("code")}, "redirect_uri": {"https://app.example/cb"}, "code_verifier": {verifier},
	})
}

func refresh(t *testing.T, at replica, before tokens) tokens {
	t.Helper()
	after := token(t, at.url, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {before.Refresh}})
	if after.Refresh == before.Refresh {
		t.Error("the refresh token was not rotated")
	}
	return after
}

func token(t *testing.T, server string, fields url.Values) (got tokens) {
	t.Helper()
	fields.Set("client_id", "app")
	response, err := http.PostForm(server+"/oauth2/token", fields)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil || response.StatusCode != http.StatusOK || got.Refresh == "" {
		t.Fatal(response.Status, got, err)
	}
	return got
}
