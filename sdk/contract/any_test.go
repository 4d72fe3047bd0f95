package contract

import (
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
)

// anyProvider is node-oidc-provider behind a network: a server that knows nothing of action, forks and events.
type anyProvider struct {
	network *network
	last    atomic.Int64
}

const anyFolder = "../../test/node-oidc-provider"

func newAny(t testing.TB) provider {
	t.Helper()
	if _, err := os.Stat(anyFolder + "/node_modules"); err != nil {
		if out, err := exec.CommandContext(t.Context(), "npm", "--prefix", anyFolder, "ci", "--loglevel=error").CombinedOutput(); err != nil {
			t.Fatalf("npm ci: %v: %s", err, out)
		}
	}
	a := &anyProvider{network: newNetwork(t)}
	port := freePort(t)
	a.network.lead(t, "http://127.0.0.1:"+port, map[string]string{
		"/.well-known/openid-configuration": "discovery", "/jwks": "jwks", "/token": "token", "/me": "me", "/token/revocation": "signout",
	})
	serve := exec.Command("node", "serve.mjs", a.network.issuer(), port)
	serve.Dir = anyFolder
	run(t, serve)
	ready(t, "http://127.0.0.1:"+port+"/.well-known/openid-configuration")
	return a
}

func (a *anyProvider) net() *network { return a.network }

// register makes nothing: the provider knows a thousand apps, and takes everybody for who they say they are.
func (a *anyProvider) register(testing.TB) cast {
	n := a.last.Add(1)
	return cast{clientID: fmt.Sprintf("contract-%d", n), email: fmt.Sprintf("ada%d@example.com", n)}
}

func (a *anyProvider) act(t testing.TB, _ *person, what string) {
	t.Helper()
	t.Fatalf("node-oidc-provider can't: %s", what)
}
