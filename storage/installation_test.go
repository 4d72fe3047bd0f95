package storage_test

import (
	"fmt"
	"testing"

	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

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
