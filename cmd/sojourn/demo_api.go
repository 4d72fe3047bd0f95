package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	api "github.com/sojourn-auth/sojourn/examples/api/notes"
	"github.com/sojourn-auth/sojourn/identity"
)

// demoAPI is the client that APIs beside the demo are: examples/api, sojourn gate. Its secret lies in the demo's folder.
const demoAPI = "demo-api"

var (
	demoSecret  = filepath.Join(demoFolder, "api-secret")
	demoApps    = demoScope + " " + strings.Join(api.Scopes, " ") // what the demo's apps may ask for
	errNoSecret = errors.New("the demo's " + demoSecret + " is empty: delete it, and start again")
)

// seedAPI makes what is missing: the client of APIs, and the file with its secret.
func (o opened) seedAPI(ctx context.Context) error {
	secret, made, err := readOrMakeSecret(demoSecret)
	if err != nil {
		return err
	}
	c, err := newClient{id: demoAPI, secret: true, Metadata: identity.Metadata{
		Name: "An API beside the demo", GrantTypes: []string{identity.GrantTypeClient},
	}}.client()
	if err != nil {
		return err
	}
	c.SecretHash = o.keys.HashSecret(secret)
	if _, err = o.operators().AddClient(ctx, c); identity.KindOf(err) != identity.Conflict {
		return err
	}
	if !made {
		return nil
	}
	return o.operators().RotateSecret(ctx, o.keys, identity.NewClientSecret{ClientID: demoAPI, Secret: secret})
}

// readOrMakeSecret returns the secret in a file, and whether it had to be made.
func readOrMakeSecret(path string) (secret string, made bool, err error) {
	content, err := os.ReadFile(path)
	secret = strings.TrimSpace(string(content))
	switch {
	case err == nil && secret == "":
		return "", false, errNoSecret
	case !errors.Is(err, fs.ErrNotExist):
		return secret, false, err
	}
	secret = rand.Text() + rand.Text()
	return secret, true, os.WriteFile(path, []byte(secret+"\n"), 0o600)
}
