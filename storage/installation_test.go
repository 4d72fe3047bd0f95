package storage_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// The salt of pairwise subjects is made once, however many servers start together.
func TestSubjects_ofManyServersThatStartTogetherOneMakesTheSalt(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, _ *watch) {
		salts := make([]string, 16)
		var all sync.WaitGroup
		for i := range salts {
			all.Go(func() {
				s, err := db.Subjects(t.Context())
				if err != nil || len(s.Salt) != 32 {
					t.Errorf("%d bytes (%v)", len(s.Salt), err)
				}
				salts[i] = string(s.Salt)
			})
		}
		all.Wait()
		slices.Sort(salts)
		if len(slices.Compact(salts)) != 1 {
			t.Error("there is more than one")
		}
	})
}

func TestHoldIssuer_ofManyServersThatStartTogetherOneWins(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		const n = 16
		held := make(chan string, n)
		for i := range n {
			go func() {
				issuer, err := db.HoldIssuer(t.Context(), fmt.Sprintf("https://%d.example.com", i))
				if err != nil {
					issuer = err.Error()
				}
				held <- issuer
			}()
		}
		first := <-held
		for range n - 1 {
			if other := <-held; other != first {
				t.Errorf("one server is held to %s, another to %s", first, other)
			}
		}
		ok(t, db.ChangeIssuer(t.Context(), "https://new.example.com"))
		if got := must[string](t)(db.HoldIssuer(t.Context(), first)); got != "https://new.example.com" {
			t.Errorf("after the change servers are held to %s", got)
		}
	})
}
