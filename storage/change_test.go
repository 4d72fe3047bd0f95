package storage_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// changes is the feed of everything of a person for the client "app".
func (p person) changes(t *testing.T, db *storage.DB, after time.Time) []identity.Change {
	t.Helper()
	return must[[]identity.Change](t)(db.ChangesSince(t.Context(),
		identity.Feed{UserID: p.user.ID, ClientID: "app", After: after, Limit: 100}))
}

func TestChangesSince_tellsWhatAppsHear(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		p, began := someone(t, db), w.Now()
		w.pass(time.Minute)
		s := p.begin(t, db, "offline_access")
		w.pass(time.Minute)
		put(t, db, p.stateKey("k"), `{}`)
		put(t, db, identity.StateKey{UserID: p.user.ID, ClientID: "other", Key: "k"}, `{}`)
		w.pass(time.Minute)
		ok(t, db.AddEvent(t.Context(), profileChanged(db, p)))
		w.pass(time.Minute)
		must[bool](t)(db.EndSession(t.Context(), s.ID, identity.EndDevice))
		someone(t, db).begin(t, db, "offline_access")

		all := p.changes(t, db, began)
		if len(all) != 4 {
			t.Fatalf("heard %+v", all)
		}
		kinds := []identity.ChangeKind{identity.ChangeStarted, identity.ChangeState, identity.ChangeProfile, identity.ChangeEnded}
		for i, c := range all {
			if c.Kind != kinds[i] || c.ID == (identity.ID{}) || !c.At.Equal(began.Add(time.Duration(i+1)*time.Minute)) {
				t.Errorf("%d: %+v, want %s", i, c, kinds[i])
			}
		}
		if all[0].SessionID != s.ID || all[3].SessionID != s.ID || all[3].Cause != identity.EndDevice || all[1].State.Key != "k" {
			t.Errorf("heard %+v", all)
		}
		if late := p.changes(t, db, began.Add(4*time.Minute+5*time.Second)); len(late) != 1 {
			t.Errorf("what may have been committed late is not told again: %+v", late)
		}
		if old := p.changes(t, db, began.Add(5*time.Minute)); len(old) != 0 {
			t.Errorf("told again: %+v", old)
		}
		own := must[[]identity.Change](t)(db.ChangesSince(t.Context(),
			identity.Feed{UserID: p.user.ID, ClientID: "other", Own: true, After: began, Limit: 100}))
		if len(own) != 2 || own[0].Kind != identity.ChangeState || own[1].Kind != identity.ChangeProfile {
			t.Errorf("another client hears %+v", own)
		}
	})
}

// rung reports whether a bell rings within the time.
func rung(bell <-chan struct{}, within time.Duration) bool {
	select {
	case <-bell:
		return true
	case <-time.After(within):
		return false
	}
}

// changing is what wakes the apps of a person.
func changing(t *testing.T, db *storage.DB, p person) map[string]func() {
	s := p.begin(t, db, "offline_access")
	return map[string]func(){
		"a session began":     func() { p.begin(t, db, "offline_access") },
		"a session ended":     func() { must[bool](t)(db.EndSession(t.Context(), s.ID, identity.EndDevice)) },
		"a document":          func() { put(t, db, p.stateKey("k"), `{}`) },
		"the profile changed": func() { ok(t, db.AddEvent(t.Context(), profileChanged(db, p))) },
	}
}

func profileChanged(db *storage.DB, p person) identity.Event {
	return identity.Event{ID: identity.NewID(), At: db.Now(), Kind: identity.ProfileChanged, UserID: p.user.ID}
}

func TestSubscribe_ringsOnceItIsCommitted(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		for name, change := range changing(t, db, p) {
			bell, cancel := db.Subscribe(p.user.ID)
			other, cancelOther := db.Subscribe(someone(t, db).user.ID)
			if change(); !rung(bell, time.Second) {
				t.Errorf("%s: nobody was woken", name)
			}
			if rung(other, 0) {
				t.Errorf("%s: somebody else was woken", name)
			}
			cancel()
			cancelOther()
		}
		bell, cancel := db.Subscribe(p.user.ID)
		defer cancel()
		undone := errors.New("undone")
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			ok(t, db.AddEvent(ctx, profileChanged(db, p)))
			if rung(bell, 0) {
				t.Error("woken before the commit")
			}
			return undone
		})
		if !errors.Is(err, undone) || rung(bell, 10*time.Millisecond) {
			t.Errorf("woken for what was rolled back (%v)", err)
		}
		cancel()
		put(t, db, p.stateKey("k"), `{}`)
		if rung(bell, 0) {
			t.Error("woken after the end")
		}
	})
}

func TestWatchChanges_wakesForWhatOthersCommit(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dsn := storagetest.DSN(t, kind)
			here, there := open(t, dsn, 4), open(t, dsn, 4)
			go here.WatchChanges(t.Context())
			p := someone(t, there)
			bell, cancel := here.Subscribe(p.user.ID)
			defer cancel()
			for name, change := range changing(t, there, p) {
				for rung(bell, 1100*time.Millisecond) { // of what was before
				}
				if change(); !rung(bell, time.Second) {
					t.Errorf("%s: nobody was woken within a second", name)
				}
				if rung(bell, 1100*time.Millisecond) {
					t.Errorf("%s: woken twice for it", name)
				}
			}
		})
	}
}
