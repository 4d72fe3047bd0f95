package storagetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

// AddSigningKeys gives a database keys in some states that all tests of the process share, since making one for RSA takes
// long.
func AddSigningKeys(t testing.TB, db *storage.DB, states ...identity.KeyState) {
	t.Helper()
	keys, err := madeKeys()
	for _, k := range keys {
		if err == nil && slices.Contains(states, k.State) {
			_, err = db.AddSigningKey(context.Background(), k)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// madeKeys are a current and a next key of each algorithm.
var madeKeys = sync.OnceValues(func() ([]identity.SigningKey, error) {
	store := &keyDrawer{}
	keys := identity.SigningKeys{Store: store, Now: time.Now}
	err := errors.Join(keys.Ensure(context.Background()), keys.Prepare(context.Background()))
	return store.keys, err
})

// keyDrawer is a store of signing keys that keeps them in memory.
type keyDrawer struct {
	*storage.DB
	keys []identity.SigningKey
}

func (d *keyDrawer) SigningKeys(context.Context) ([]identity.SigningKey, error) { return d.keys, nil }

func (d *keyDrawer) AddSigningKey(_ context.Context, k identity.SigningKey) (bool, error) {
	d.keys = append(d.keys, k)
	return true, nil
}
