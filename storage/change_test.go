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
		put(t, db, p.documentKey("k"), `{}`)
		put(t, db, identity.DocumentKey{UserID: p.user.ID, ClientID: "other", Key: "k"}, `{}`)
		w.pass(time.Minute)
		ok(t, db.AddEvent(t.Context(), profileChanged(db, p)))
		w.pass(time.Minute)
		must[identity.Struck](t)(db.End(t.Context(), identity.Ending{Session: s.ID, Cause: identity.EndDevice}))
		someone(t, db).begin(t, db, "offline_access")

		all := p.changes(t, db, began)
		if len(all) != 4 {
			t.Fatalf("heard %+v", all)
		}
		kinds := []identity.ChangeKind{identity.ChangeStarted, identity.ChangeDocument, identity.ChangeProfile, identity.ChangeEnded}
		for i, c := range all {
			if c.Kind != kinds[i] || c.ID == (identity.ID{}) || !c.At.Equal(began.Add(time.Duration(i+1)*time.Minute)) {
				t.Errorf("%d: %+v, want %s", i, c, kinds[i])
			}
		}
		if all[0].SessionID != s.ID || all[3].SessionID != s.ID || all[3].Cause != identity.EndDevice || all[1].Document.Key != "k" {
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
		if len(own) != 2 || own[0].Kind != identity.ChangeDocument || own[1].Kind != identity.ChangeProfile {
			t.Errorf("another client hears %+v", own)
		}
	})
}

// feed is what an app of the person's listens to.
func (p person) feed() identity.Feed { return identity.Feed{UserID: p.user.ID, ClientID: "app"} }

// rings waits until a bell rings.
func rings(t *testing.T, bell <-chan struct{}, why string) {
	t.Helper()
	select {
	case <-bell:
	case <-time.After(patience):
		t.Fatalf("%s: nobody was woken", why)
	}
}

// rang reports whether a bell rang since it was heard last.
func rang(bell <-chan struct{}) bool {
	select {
	case <-bell:
		return true
	default:
		return false
	}
}

// changing is what wakes the apps of a person.
func changing(t *testing.T, db *storage.DB, p person) map[string]func() {
	s := p.begin(t, db, "offline_access")
	return map[string]func(){
		"a session began": func() { p.begin(t, db, "offline_access") },
		"a session ended": func() {
			must[identity.Struck](t)(db.End(t.Context(), identity.Ending{Session: s.ID, Cause: identity.EndDevice}))
		},
		"a document":          func() { put(t, db, p.documentKey("k"), `{}`) },
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
			bell, cancel := db.Subscribe(p.feed())
			other, cancelOther := db.Subscribe(someone(t, db).feed())
			if change(); !rang(bell) {
				t.Errorf("%s: nobody was woken", name)
			}
			if rang(other) {
				t.Errorf("%s: somebody else was woken", name)
			}
			cancel()
			cancelOther()
		}
		bell, cancel := db.Subscribe(p.feed())
		defer cancel()
		undone := errors.New("undone")
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			ok(t, db.AddEvent(ctx, profileChanged(db, p)))
			if rang(bell) {
				t.Error("woken before the commit")
			}
			return undone
		})
		if !errors.Is(err, undone) || rang(bell) {
			t.Errorf("woken for what was rolled back (%v)", err)
		}
		cancel()
		put(t, db, p.documentKey("k"), `{}`)
		if rang(bell) {
			t.Error("woken after the end")
		}
	})
}

// lookout watches a database as another process than the one that writes.
type lookout struct {
	here, there *storage.DB
	marked      person
	mark        <-chan struct{} // rings when a look saw what was marked
}

func newLookout(t *testing.T, kind string, now func() time.Time) lookout {
	t.Helper()
	dsn := storagetest.DSN(t, kind)
	opened := func() *storage.DB {
		db, err := storage.Open(t.Context(), dsn, storage.Options{Keys: storagetest.Keys(t), MaxConns: 4, Now: now})
		ok(t, err)
		t.Cleanup(func() { ok(t, db.Close()) })
		return db
	}
	l := lookout{here: opened(), there: opened()}
	l.marked = someone(t, l.there)
	mark, cancel := l.here.Subscribe(l.marked.feed())
	t.Cleanup(cancel)
	l.mark = mark
	go l.here.WatchChanges(t.Context())
	return l
}

// looked returns once all that was committed so far was seen, and told to those who listen.
func (l lookout) looked(t *testing.T) {
	t.Helper()
	for range 2 { // the first look that sees a mark may be about to tell of others
		put(t, l.there, l.marked.documentKey("mark"), `{}`)
		rings(t, l.mark, "a mark")
	}
}

func TestWatchChanges_wakesOnceForWhatOthersCommit(t *testing.T) {
	t.Parallel()
	if storage.WatchEvery > time.Second/2 {
		t.Errorf("others are asked only every %v", storage.WatchEvery)
	}
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l := newLookout(t, kind, nil)
			p := someone(t, l.there)
			bell, cancel := l.here.Subscribe(p.feed())
			defer cancel()
			for name, change := range changing(t, l.there, p) {
				l.looked(t)
				rang(bell) // of what was before
				change()
				rings(t, bell, name)
				if l.looked(t); rang(bell) {
					t.Errorf("%s: woken twice for it", name)
				}
			}
		})
	}
}

// A transaction may commit after a look at what carries a later time: what it wrote is heard all the same.
func TestWatchChanges_hearsWhatIsCommittedLate(t *testing.T) {
	t.Parallel()
	w := &watch{}
	w.micros.Store(time.Now().UnixMicro())
	l := newLookout(t, storage.Postgres, w.Now) // SQLite has one writer: nobody commits meanwhile
	p := someone(t, l.there)
	bell, cancel := l.here.Subscribe(p.feed())
	defer cancel()
	s := p.begin(t, l.there, "offline_access")
	for name, write := range map[string]func(ctx context.Context) error{
		"a session began": func(ctx context.Context) error {
			promise := p.promise("offline_access")
			_, _, err := l.there.RedeemCode(ctx, promise, planned(l.there, promise))
			return err
		},
		"a session ended": func(ctx context.Context) error {
			_, err := l.there.End(ctx, identity.Ending{Session: s.ID, Cause: identity.EndDevice})
			return err
		},
		"a document": func(ctx context.Context) error {
			_, _, err := identity.Documents{Store: l.there}.Put(ctx, p.documentKey("k"), `{}`, identity.Condition{})
			return err
		},
	} {
		ok(t, l.there.InTx(t.Context(), func(ctx context.Context) error {
			err := write(ctx)
			w.pass(10 * time.Second) // as long as a request may run
			l.looked(t)
			rang(bell)
			return err
		}))
		rings(t, bell, name)
	}
}
