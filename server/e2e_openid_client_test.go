package server

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// TestOpenIDClient_keepsEveryPromise runs test/openid-client, an app in JavaScript that somebody else's library makes.
func TestOpenIDClient_keepsEveryPromise(t *testing.T) {
	t.Parallel()
	node, dir := foreignClient(t)
	for name, change := range map[string]func(*app){"public": func(*app) {}, "confidential": confidential, "trusted": trusted} {
		comesBack := func(a *app) { a.client.PostLogoutRedirectURIs = []string{a.home + "signed-out"} }
		for _, kind := range storagetest.Kinds(t) {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, kind)
				openIDClient(t, exec.CommandContext(t.Context(), node, "flow.mjs"), w.app(t, change, comesBack), dir)
			})
		}
	}
}

// TestOpenIDClient_usesTheFurtherProfiles has it answered by a form, sign its requests and push them.
func TestOpenIDClient_usesTheFurtherProfiles(t *testing.T) {
	t.Parallel()
	onNode(t, "profiles.mjs")
}

// onNode runs a client of test/openid-client that says itself what it is, with a person who has a password alone.
func onNode(t *testing.T, program string) {
	t.Helper()
	node, dir := foreignClient(t)
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, kind, "client_documents", "on")
			p := w.person(t)
			cmd := exec.CommandContext(t.Context(), node, program)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "ISSUER="+w.issuer, "USERNAME="+p.email, "PASSWORD="+p.password, "RESOURCE="+w.openNotes(t))
			out, err := cmd.CombinedOutput()
			t.Logf("\n%s", out)
			if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), " 0 failed") {
				t.Errorf("%s: %v", program, err)
			}
		})
	}
}

// openNotes adds a resource that any app may ask for.
func (w *world) openNotes(t *testing.T) (uri string) {
	t.Helper()
	r, err := (identity.Operators{Store: w.db, Now: w.now}).AddResource(t.Context(), identity.Resource{
		URI: "https://api.example.com/mcp", ResourceSettings: identity.ResourceSettings{
			Name: "Your notes", Open: true, Scopes: []identity.ResourceScope{{Name: "notes.read", Words: "Read your notes"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r.URI
}

// foreignClient finds node, and the folder where openid-client is.
func foreignClient(t *testing.T) (node, dir string) {
	t.Helper()
	dir = filepath.Join("..", "test", "openid-client")
	node, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(filepath.Join(dir, "node_modules", "openid-client"))
	}
	switch {
	case err != nil && os.Getenv("CI") != "":
		t.Fatal("CI must exercise openid-client:", err)
	case err != nil:
		t.Skip("openid-client was not run (npm ci in test/openid-client brings it, test/run does):", err)
	}
	return node, dir
}

func openIDClient(t *testing.T, cmd *exec.Cmd, a *app, dir string) {
	t.Helper()
	p := a.w.enrolled(t)
	cmd.Dir = dir
	asks := "1"
	if a.client.Trusted {
		asks = "0"
	}
	cmd.Env = append(os.Environ(), "ISSUER="+a.w.issuer, "REDIRECT_URI="+a.client.RedirectURIs[0], "CLIENT_ID="+a.client.ID,
		"CLIENT_SECRET="+a.secret, "SIGN_OUT_ASKS="+asks, "POST_LOGOUT_REDIRECT_URI="+a.client.PostLogoutRedirectURIs[0],
		"USERNAME="+p.email, "PASSWORD="+p.password, "TOTP_SECRET="+p.secret)
	out, err := cmd.CombinedOutput()
	t.Logf("\n%s", out)
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), " 0 failed") {
		t.Errorf("openid-client: %v", err)
	}
}
