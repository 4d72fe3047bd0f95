package server

import (
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func TestSweep_clientsThatNobodySignedInWithExpire(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		s := assembled(t, db, map[string]string{"client_idle_expiry": "48h"})
		old := db.Now().Add(-50 * time.Hour)
		for _, c := range []identity.Client{
			{ID: "idle", SelfRegistered: true, CreatedAt: old},
			{ID: "young", SelfRegistered: true, CreatedAt: db.Now()},
			{ID: "ours", CreatedAt: old},
		} {
			if err := db.CreateClient(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		s.sweepOnce(t.Context())
		for id, lives := range map[string]bool{"idle": false, "young": true, "ours": true} {
			if _, err := db.ClientByID(t.Context(), id); (err == nil) != lives {
				t.Errorf("%s: %v", id, err)
			}
		}
	})
}
