package storage_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func notesResource() identity.Resource {
	return identity.Resource{
		URI: "https://api.example.com/mcp", CreatedAt: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Longest: time.Minute,
		ResourceSettings: identity.ResourceSettings{
			Name: "Your notes", NameIn: map[string]string{"de": "Deine Notizen"}, Open: true, AccessTTL: 300, RequireMFA: true, TokenType: "JWT",
			Scopes: []identity.ResourceScope{{Name: "notes.read", Words: "Read", WordsIn: map[string]string{"de": "Lesen"}}},
		},
	}
}

// A resource comes back as it was written; deleted, it stays, and is another one when it is added anew.
func TestResources_areKeptAndRemembered(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		want := notesResource()
		epoch, err := db.CreateResource(t.Context(), want)
		if err != nil || epoch != 0 {
			t.Fatal(epoch, err)
		}
		all, err := db.Resources(t.Context())
		if diff := cmp.Diff(identity.Resources{want}, all); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
		again := want
		again.URI = "HTTPS://api.example.com/mcp/"
		if _, err := db.CreateResource(t.Context(), again); identity.KindOf(err) != identity.Conflict {
			t.Errorf("another spelling was added beside it: %v", err)
		}
		want.DeletedAt = want.CreatedAt.Add(time.Hour)
		ok(t, db.UpdateResource(t.Context(), want))
		if _, err := db.ResourceByURI(t.Context(), want.URI); identity.KindOf(err) != identity.NotFound {
			t.Errorf("deleted, it is found: %v", err)
		}
		if epoch, err := db.CreateResource(t.Context(), again); err != nil || epoch != 1 {
			t.Errorf("added anew, its epoch is %d (%v)", epoch, err)
		}
		got, err := db.ResourceByURI(t.Context(), want.URI)
		if err != nil || got.URI != again.URI || got.Epoch != 1 || !got.DeletedAt.IsZero() || got.Longest != identity.MaxResourceTTL {
			t.Errorf("added anew, it is %+v (%v)", got, err)
		}
	})
}

// What another process changes counts here within a second; many who ask at once read once.
func TestResources_areReadOnceASecond(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			db, w, asked := traced(t, kind)
			w.pass(2 * time.Second)
			asked.count("")
			read := func() int {
				all, err := db.Resources(t.Context())
				ok(t, err)
				return len(all)
			}
			for range 3 {
				if n := read(); n != 0 {
					t.Errorf("there are %d", n)
				}
			}
			if reads, _ := asked.count("resources"); reads != 1 {
				t.Errorf("they were read %d times", reads)
			}
			_, err := db.CreateResource(t.Context(), notesResource())
			ok(t, err)
			if n := read(); n != 1 {
				t.Errorf("what this process wrote is not told: %d", n)
			}
			w.pass(2 * time.Second)
			read()
			ok(t, db.Q(t.Context()).Exec("DELETE FROM resources").Error) // as another process would
			w.pass(time.Second)
			if n := read(); n != 0 {
				t.Errorf("a second later there are %d", n)
			}
		})
	}
}
