package storage_test

import (
	"context"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func TestSetEmail_ofManyWhoWantOneAddressOneGetsItAndTheOthersAreRefused(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		people := make([]person, 16)
		for i := range people {
			people[i] = someone(t, db)
		}
		won := race(func(i int) bool {
			err := db.InTx(t.Context(), func(ctx context.Context) error {
				return db.SetEmail(ctx, people[i].user.ID, "one@example.com")
			})
			if err != nil {
				wantKind(t, err, identity.Conflict)
			}
			return err == nil
		})
		if won != 1 {
			t.Errorf("%d people have one address", won)
		}
	})
}
