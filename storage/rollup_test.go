package storage_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

var farOff = storage.FromTime(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))

// The row keeps the days by an expression, the domain by a function: they are one rule.
func TestAdvance_marksTheDaysAsTheDomainDoes(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
			db, err := storage.Open(t.Context(), storagetest.DSN(t, kind), storage.Options{
				Keys: storagetest.Keys(t), MaxConns: 2, Now: func() time.Time { return now },
			})
			ok(t, err)
			t.Cleanup(func() { ok(t, db.Close()) })
			s := someone(t, db).begin(t, db, "openid", "offline_access")
			ok(t, db.Q(t.Context()).Exec("UPDATE sessions SET idle_ends_at = ?, ends_at = ?", farOff, farOff).Error)
			want := identity.ActiveOn(db.Calendar().DayOf(now))
			for _, days := range []int{0, 0, 1, 1, 2, 7, -1, 30, 61, 62, 63, 64, 1000, 1, -3, 3} {
				before := now
				now = now.AddDate(0, 0, days)
				next, done, err := db.Advance(t.Context(), turn(s, now.AddDate(10, 0, 0)))
				if err != nil || !done {
					t.Fatalf("after %d days: done %v, %v", days, done, err)
				}
				want = want.Used(db.Calendar().DayOf(now))
				row := must[identity.Session](t)(db.SessionByID(t.Context(), s.ID))
				if diff := cmp.Diff(want, row.Active); diff != "" {
					t.Errorf("after %d days (-want +row):\n%s", days, diff)
				}
				if !row.UsedBeforeAt.Equal(before) || !next.UsedBeforeAt.Equal(before) {
					t.Errorf("used before at %v and %v, want %v", row.UsedBeforeAt, next.UsedBeforeAt, before)
				}
				s = next
			}
		})
	}
}
