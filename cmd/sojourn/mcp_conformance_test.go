package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// conformance is MCP's own suite with these arguments.
func conformance(t *testing.T, args ...string) (dir string, command []string) {
	t.Helper()
	node, dir := testMCP(t)
	suite := filepath.Join("node_modules", "@modelcontextprotocol", "conformance", "dist", "index.js")
	return dir, append([]string{node, "--import", "./node20.mjs", suite}, args...)
}

// The scenarios for authorization servers, all of them, with a client that its operator added and with one that registered itself.
func TestMCPConformance_authorizationServer(t *testing.T) {
	t.Parallel()
	s := openMCP(t)
	port := freePorts(t, 1)[0]
	redirect := "http://127.0.0.1:" + port + "/callback"
	command(t, s.dir, nil, "", "client", "add", "--id", "conformance", "--public", "--redirect-uri", redirect)
	for _, client := range []string{"conformance", s.register(redirect)} {
		dir, suite := conformance(t, "authorization", "--url", s.issuer, "--client-id", client, "--resource", s.api, "--port", port)
		p := start(t, dir, nil, suite...)
		p.says("Waiting up to")
		address := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(s.issuer) + `/\S+$`).FindString(p.out.String())
		statusOf(newPerson(t, "ada@example.com", adasPassword, "").follow(address).String())
		if err := p.wait(); err != nil {
			t.Errorf("%s: %v", client, err)
		}
		said := p.out.String()
		for _, scenario := range []string{"authorization-server-metadata-endpoint", "authorization-code-grant"} {
			if !regexp.MustCompile(`✓ ` + scenario + `: [1-9]\d* passed, 0 failed`).MatchString(said) {
				t.Errorf("%s: %s did not pass: %s", client, scenario, said)
			}
		}
	}
}

// register is a public client that registers itself, as MCP's do.
func (s *street) register(redirect string) (id string) {
	s.t.Helper()
	body, err := json.Marshal(map[string]any{
		"redirect_uris": []string{redirect}, "token_endpoint_auth_method": "none", "scope": "notes.read",
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.issuer+"/oauth2/register", bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	got := s.send(http.DefaultClient, r)
	var said struct {
		ID string `json:"client_id"`
	}
	if err := json.Unmarshal([]byte(got.body), &said); err != nil || got.status != http.StatusCreated {
		s.t.Fatalf("%d: %s", got.status, got.body)
	}
	return said.ID
}

// ownToken is an access token for the notes that a client got for itself.
func (s *street) ownToken() string {
	s.t.Helper()
	command(s.t, s.dir, nil, gateSecret, "client", "add", "--id", "robot", "--secret-stdin", "--grant-type", "client_credentials",
		"--resource", s.api, "--scope", "notes.read notes.write")
	got, err := http.PostForm(s.issuer+"/oauth2/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"robot"}, "client_secret": {gateSecret}, "resource": {s.api}, "scope": {"notes.read notes.write"},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	defer got.Body.Close()
	var said struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(got.Body).Decode(&said); err != nil || said.Token == "" {
		s.t.Fatalf("%s, %v", got.Status, err)
	}
	return said.Token
}

// The scenarios for servers that examples/mcp has something for: the suite knows no token, so a proxy adds one.
func TestMCPConformance_resourceServer(t *testing.T) {
	t.Parallel()
	s := openMCP(t)
	to, err := url.Parse(strings.TrimSuffix(s.api, "/mcp"))
	if err != nil {
		t.Fatal(err)
	}
	bearer := "Bearer " + s.ownToken()
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Header.Set("Authorization", bearer)
		r.Out.Host = r.In.Host
	}})
	t.Cleanup(proxy.Close)
	for _, scenario := range []string{"server-initialize", "tools-list", "http-header-validation", "dns-rebinding-protection"} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			dir, suite := conformance(t, "server", "--url", proxy.URL+"/mcp", "--scenario", scenario)
			cmd := exec.CommandContext(t.Context(), suite[0], suite[1:]...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("0 failed")) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
