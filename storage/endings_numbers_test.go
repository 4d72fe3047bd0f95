package storage_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// statements are what a database was asked, without values.
type statements struct {
	mu  sync.Mutex
	all []string
}

func (s *statements) note(statement string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, strings.TrimSpace(statement))
}

// count returns how many statements since the last count hold a text, and how many there were.
func (s *statements) count(text string) (matching, all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, statement := range s.all {
		if strings.Contains(statement, text) {
			matching++
		}
	}
	all = len(s.all)
	s.all = nil
	return matching, all
}

// Ending a thousand Sessions asks as often for their rows as ending one does.
func TestNumbers_whatAnEndingAsksTheDatabase(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			var asked statements
			db, err := storage.Open(t.Context(), storagetest.DSN(t, kind), storage.Options{
				Keys: storagetest.Keys(t), MaxConns: 4, Trace: asked.note,
			})
			ok(t, err)
			t.Cleanup(func() { ok(t, db.Close()) })
			p := someone(t, db)
			s := p.begin(t, db, "offline_access")
			beginMany(t, db, p, 999)

			asked.count("")
			must[identity.Struck](t)(db.End(t.Context(), identity.Ending{Session: s.ID, Cause: identity.EndDevice}))
			if rows, all := asked.count("UPDATE sessions"); rows != 1 || all > 4 {
				t.Errorf("ending one takes %d statements, %d of them for its row; want 4 with 1", all, rows)
			}
			must[identity.Struck](t)(db.End(t.Context(), identity.Ending{User: p.user.ID, Cause: identity.EndOperator}))
			if rows, all := asked.count("UPDATE sessions"); rows != 1 || all > 10 {
				t.Errorf("ending 999 takes %d statements, %d of them for their rows; want 10 with 1", all, rows)
			}
		})
	}
}
