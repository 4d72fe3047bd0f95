package bench

import (
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// TestGrowth_aRefreshLeavesNothingBehind refreshes and vacuums, as autovacuum does, and then looks what the table and its
// indexes grew by: 0 rows, and less than 50 bytes a refresh. Whoever else reads the database meanwhile (autovacuum's own
// ANALYZE does) keeps dead versions from being reused for a while, which costs some room once: so a few stretches are
// measured, and only what grows in every one of them is a leak.
func TestGrowth_aRefreshLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	const stretches, rounds, refreshes = 4, 4, 1_000
	dsn := storagetest.DSN(t, storage.Postgres)
	s := newStage(t, dsn)
	sessions := identity.Sessions{
		Store: s.db, Keys: s.keys, Now: s.db.Now, Policy: identity.MFAOptional, Lives: identity.Lifetimes{Idle: 1e12, Absolute: 1e13},
	}
	var held []identity.RefreshToken
	for _, text := range s.tokens {
		token, err := s.keys.ReadRefresh(text)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, token)
	}
	round := func() {
		t.Helper()
		for i := range refreshes {
			phone := i % phones
			_, next, err := sessions.Refresh(t.Context(), held[phone], identity.Holder{Client: s.app})
			if err != nil {
				t.Fatal(err)
			}
			held[phone] = next
		}
		execute(t, dsn, "VACUUM sessions")
	}
	round() // the room that updates need beside the rows is taken once
	for range stretches {
		bytes, rows := size(t, dsn)
		for range rounds {
			round()
		}
		bytesAfter, rowsAfter := size(t, dsn)
		each := float64(bytesAfter-bytes) / (rounds * refreshes)
		t.Logf("%.1f bytes a refresh, %d rows before and %d after", each, rows, rowsAfter)
		if rows != rowsAfter {
			t.Fatalf("%d refreshes brought %d rows", rounds*refreshes, rowsAfter-rows)
		}
		if each < 50 {
			return
		}
	}
	t.Error("the table grows with every refresh")
}

// size is how large the table of Sessions and its indexes are, and how many rows all tables hold that a refresh could touch.
func size(t *testing.T, dsn string) (bytes, rows int64) {
	t.Helper()
	err := beside(t, dsn).QueryRowContext(t.Context(), `SELECT pg_total_relation_size('sessions'),
		(SELECT count(*) FROM sessions) + (SELECT count(*) FROM events) + (SELECT count(*) FROM denied_tokens)`).Scan(&bytes, &rows)
	if err != nil {
		t.Fatal(err)
	}
	return bytes, rows
}
