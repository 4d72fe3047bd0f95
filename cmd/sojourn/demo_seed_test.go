package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// A demo folder outlives the version that made it.
func TestSeed_appsOfAnEarlierStartLearnWhatIsNew(t *testing.T) {
	t.Parallel()
	o := opened{keys: storagetest.Keys(t), db: storagetest.Open(t, storage.SQLite)}
	app := newClient{id: demoClient, Metadata: identity.Metadata{Name: "Notes", RedirectURIs: []string{"http://localhost/callback"}}}
	if err := o.seedClient(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := o.seed(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	c, err := o.db.ClientByID(t.Context(), demoClient)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"http://localhost/"}, c.PostLogoutRedirectURIs); diff != "" {
		t.Error(diff)
	}
	if c.SelfRegistered || len(c.RegistrationHash) > 0 {
		t.Errorf("it became someone else's: %+v", c)
	}
}
