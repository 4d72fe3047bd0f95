package storage_test

import (
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func TestCount_knowsEveryTableAndItsRows(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		c := identity.Client{ID: "notes", CreatedAt: time.UnixMicro(1).UTC(), Metadata: identity.Metadata{AuthMethod: "none"}}
		if err := db.CreateClient(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		rows, err := db.Count(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if rows["clients"] != 1 || rows["users"] != 0 {
			t.Errorf("counted %v, want one client and no user", rows)
		}
		for table := range migrated(t, db) {
			if _, counted := rows[table]; !counted {
				t.Errorf("the table %s was not counted", table)
			}
		}
	})
}

func TestOpen_aVolatileDatabaseWaitsForNoDisk(t *testing.T) {
	t.Parallel()
	for volatile, want := range map[bool]int{true: 0, false: 2} { // PRAGMA synchronous: OFF and FULL
		db, err := storage.Open(t.Context(), "sqlite:"+t.TempDir()+"/a.db", storage.Options{Volatile: volatile})
		if err != nil {
			t.Fatal(err)
		}
		var got int
		if err := db.Q(t.Context()).Raw("PRAGMA synchronous").Scan(&got).Error; err != nil || got != want {
			t.Errorf("volatile %t: synchronous is %d, want %d (%v)", volatile, got, want, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}
