package storage_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// tidyAll tidies until nothing waits, and returns how many batches that took.
func tidyAll(t *testing.T, db *storage.DB) (batches int) {
	t.Helper()
	for more := true; more; batches++ {
		var err error
		if more, err = db.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		if batches > 100 {
			t.Fatal("it never ends")
		}
	}
	return batches
}

// large are endings of more than fits into one transaction, of a person and of a client.
var large = map[string]func(p person) identity.Ending{
	"a person": func(p person) identity.Ending { return identity.Ending{User: p.user.ID, Cause: identity.EndLocked} },
	"all but one browser": func(p person) identity.Ending {
		return identity.Ending{User: p.user.ID, Cause: identity.EndPassword, Keep: p.signIn.ID}
	},
	"a client": func(person) identity.Ending { return identity.Ending{Client: "app", Cause: identity.EndClientOff} },
}

// What an ending strikes is over from its commit on, however much it is; rows, Events and notices follow.
func TestEnd_ofMuchIsRefusedAtOnceAndWrittenLater(t *testing.T) {
	t.Parallel()
	const many = storage.StrikeAtOnce + storage.TidyBatch + 3
	for name, ending := range large {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storagetest.Run(t, func(t *testing.T, db *storage.DB) {
				p := someone(t, db)
				s := p.begin(t, db, "offline_access")
				beginMany(t, db, p, many-1)
				e := ending(p)
				struck, err := db.End(identity.WithActor(t.Context(), "cli:ada"), e)
				if err != nil || !struck.More || len(struck.Sessions) != 0 {
					t.Fatalf("%+v, %v", struck, err)
				}
				wantOver(t, db, s, e.Cause)
				if left := p.living(t, db); left != many {
					t.Errorf("%d rows were written in the ending's own transaction", many-left)
				}
				after := p.startAgain(t, db, e)
				tidyAll(t, db)
				if told := p.told(t, db, identity.SessionEnded, e.Cause); told != many {
					t.Errorf("%d of %d were told", told, many)
				}
				for _, told := range must[[]identity.Event](t)(db.Events(t.Context(), identity.EventQuery{UserID: p.user.ID, Limit: many})) {
					if told.Actor != "cli:ada" && told.Kind == identity.SessionEnded {
						t.Fatalf("it does not say who did it: %+v", told)
					}
				}
				if got := must[identity.Session](t)(db.SessionByID(t.Context(), after.ID)); !got.Alive(db.Now()) {
					t.Errorf("what began after it ended too: %s", got.EndCause)
				}
				if left := p.living(t, db); left != 1 {
					t.Errorf("%d rows live", left)
				}
			})
		})
	}
}

// wantOver checks that a Session is refused by every door, with the cause of the ending that struck it.
func wantOver(t *testing.T, db *storage.DB, s identity.Session, cause identity.EndCause) {
	t.Helper()
	if got := must[identity.Session](t)(db.SessionByID(t.Context(), s.ID)); got.Alive(db.Now()) || got.EndCause != cause {
		t.Errorf("it is over by %q, want %q", got.EndCause, cause)
	}
	if got := must[identity.Live](t)(db.LiveSession(t.Context(), s.ID, "jti")); got.Session.Alive(db.Now()) {
		t.Error("an access token of it is good")
	}
	asked := turn(s, db.Now())
	asked.ClientEpoch = must[identity.Client](t)(db.RegisteredClient(t.Context(), s.ClientID)).Epoch // as the app's request brings it
	if _, done, err := db.Advance(t.Context(), asked); err != nil || done {
		t.Errorf("it was refreshed: %v", err)
	}
	if all := must[[]identity.Live](t)(db.FindSessions(t.Context(), identity.SessionQuery{UserID: s.UserID, Limit: 10})); len(all) != 0 {
		t.Errorf("%d are listed", len(all))
	}
}

// startAgain begins a Session after an ending, as the person does who signs in again.
func (p person) startAgain(t *testing.T, db *storage.DB, e identity.Ending) identity.Session {
	t.Helper()
	if e.User != (identity.ID{}) {
		user := must[identity.User](t)(db.UserByID(t.Context(), p.user.ID))
		p.signIn = fresh(p.signIn)
		p.signIn.Epoch = user.Epoch
		ok(t, db.StartSignIn(t.Context(), p.signIn))
	}
	return p.begin(t, db, "offline_access")
}

// Sixteen phones refresh without a rest while a person of many Sessions is ended and tidied: whoever asks after the answer is
// refused, no row is left, and each is told of once.
func TestEnd_ofMuchBesideSixteenWhoRefresh(t *testing.T) {
	t.Parallel()
	const phones, many = 16, storage.StrikeAtOnce + storage.TidyBatch + 3
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		var answered atomic.Bool
		var served atomic.Int64
		var all sync.WaitGroup
		for range phones {
			s := p.begin(t, db, "offline_access")
			all.Go(func() {
				for done := true; done; {
					late, err := answered.Load(), error(nil)
					if s, done, err = db.Advance(t.Context(), turn(s, db.Now())); err != nil || done && late {
						t.Errorf("after the answer: %v, with the error %v", late, err)
						return
					}
					served.Add(1)
				}
			})
		}
		beginMany(t, db, p, many-phones)
		eventually(t, "all have refreshed", func() bool { return served.Load() > 4*phones })
		must[identity.Struck](t)(db.End(t.Context(), identity.Ending{User: p.user.ID, Cause: identity.EndNotMe}))
		answered.Store(true)
		tidyAll(t, db)
		all.Wait()
		if left, told := p.living(t, db), p.told(t, db, identity.SessionEnded, identity.EndNotMe); left != 0 || told != many {
			t.Errorf("%d are left and %d were told of %d", left, told, many)
		}
	})
}

// A process that dies between two batches leaves them to the next one; two at once write each row once.
func TestTidy_ofSeveralProcessesWritesEachRowOnce(t *testing.T) {
	t.Parallel()
	const many = storage.StrikeAtOnce + 2*storage.TidyBatch
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		beginMany(t, db, p, many)
		if struck := must[identity.Struck](t)(db.End(t.Context(), identity.Ending{User: p.user.ID, Cause: identity.EndNotMe})); !struck.More {
			t.Fatal("it was written at once")
		}
		killed, kill := context.WithCancel(t.Context())
		kill()
		if _, err := db.Tidy(killed); err == nil {
			t.Error("a process that was killed went on")
		}
		race(func(int) bool {
			for {
				more, err := db.Tidy(t.Context())
				if err != nil {
					t.Error(err)
				}
				if err != nil || !more {
					return true
				}
			}
		})
		tidyAll(t, db)
		if left, told := p.living(t, db), p.told(t, db, identity.SessionEnded, identity.EndNotMe); left != 0 || told != many {
			t.Errorf("%d are left and %d were told of %d", left, told, many)
		}
	})
}

// One row that cannot be written keeps no other from being told of, and stays refused.
func TestTidy_aRowThatFailsIsPassedOver(t *testing.T) {
	t.Parallel()
	const many = storage.StrikeAtOnce + 10
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		broken := p.begin(t, db, "offline_access")
		beginMany(t, db, p, many-1)
		breakRow(t, db, broken.ID)
		e := identity.Ending{User: p.user.ID, Cause: identity.EndLocked}
		must[identity.Struck](t)(db.End(t.Context(), e))
		tidyAll(t, db)
		if left, told := p.living(t, db), p.told(t, db, identity.SessionEnded, e.Cause); left != 1 || told != many-1 {
			t.Errorf("%d are left and %d were told of %d", left, told, many)
		}
		wantOver(t, db, broken, e.Cause)
	})
}

// A database that is so slow that a batch takes longer than a statement may gets smaller ones: each Session is told of once all the same.
func TestTidy_ofASlowDatabaseComesToAnEnd(t *testing.T) {
	t.Parallel()
	const many = storage.StrikeAtOnce + 10
	dsn := storagetest.DSN(t, storage.Postgres)
	db := must[*storage.DB](t)(storage.Open(t.Context(), dsn, storage.Options{Keys: storagetest.Keys(t), MaxConns: 2}))
	t.Cleanup(func() { _ = db.Close() })
	p := someone(t, db)
	beginMany(t, db, p, many)
	exec(t, db, "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.003); RETURN NEW; END $$")
	exec(t, db, "CREATE TRIGGER slow BEFORE UPDATE OF ended_at ON sessions FOR EACH ROW EXECUTE FUNCTION slow()")
	must[identity.Struck](t)(db.End(t.Context(), identity.Ending{User: p.user.ID, Cause: identity.EndLocked}))
	hasty := must[*storage.DB](t)(storage.Open(t.Context(), dsn, storage.Options{
		Keys: storagetest.Keys(t), MaxConns: 2, StatementTimeout: time.Second,
	}))
	t.Cleanup(func() { _ = hasty.Close() })
	for began, more := time.Now(), true; more; {
		left, err := hasty.Tidy(t.Context())
		if err != nil && !storage.Away(err) || time.Since(began) > patience {
			t.Fatalf("%d are left: %v", p.living(t, db), err)
		}
		more = left || err != nil
	}
	if left, told := p.living(t, db), p.told(t, db, identity.SessionEnded, identity.EndLocked); left != 0 || told != many {
		t.Errorf("%d are left and %d were told of %d", left, told, many)
	}
}

// Of a server that is gone in the midst of a batch, or between two, another one takes over: nothing is told twice, nothing left out.
func TestTidy_goesOnWhereAnotherServerIsGone(t *testing.T) {
	t.Parallel()
	const many = storage.StrikeAtOnce + 2*storage.TidyBatch
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dsn := storagetest.DSN(t, kind)
			process := func() *storage.DB {
				db := must[*storage.DB](t)(storage.Open(t.Context(), dsn, storage.Options{Keys: storagetest.Keys(t), MaxConns: 2}))
				t.Cleanup(func() { _ = db.Close() })
				return db
			}
			db := process()
			p := someone(t, db)
			beginMany(t, db, p, many)
			must[identity.Struck](t)(db.End(t.Context(), identity.Ending{User: p.user.ID, Cause: identity.EndLocked}))
			must[bool](t)(db.Tidy(t.Context()))
			ctx, leave := context.WithCancel(t.Context())
			db.Hear(func(statement string) {
				if strings.Contains(statement, "UPDATE sessions SET ended_at") {
					leave()
				}
			})
			if _, err := db.Tidy(ctx); err == nil {
				t.Error("it was not gone in the midst")
			}
			ok(t, db.Close())
			if left := p.living(t, process()); left != many-storage.TidyBatch {
				t.Errorf("%d are left of %d", left, many)
			}
			next := process()
			tidyAll(t, next)
			if left, told := p.living(t, next), p.told(t, next, identity.SessionEnded, identity.EndLocked); left != 0 || told != many {
				t.Errorf("%d are left and %d were told of %d", left, told, many)
			}
		})
	}
}

// breakRow makes the end of one Session impossible to write.
func breakRow(t *testing.T, db *storage.DB, id identity.ID) {
	t.Helper()
	trigger := `CREATE TRIGGER broken BEFORE UPDATE OF ended_at ON sessions WHEN OLD.id = '` + id.String() + `'
		BEGIN SELECT RAISE(ABORT, 'broken'); END`
	if db.Kind() == storage.Postgres {
		ok(t, db.Q(t.Context()).Exec(`CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN RAISE EXCEPTION 'broken'; END $$`).Error)
		trigger = `CREATE TRIGGER broken BEFORE UPDATE OF ended_at ON sessions FOR EACH ROW
			WHEN (OLD.id = '` + id.String() + `') EXECUTE FUNCTION broken()`
	}
	ok(t, db.Q(t.Context()).Exec(trigger).Error)
}

// A client that is deleted and added again under its id is another one: nothing of the former comes back.
func TestDeleteClient_nothingComesBackUnderItsID(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		p := someone(t, db)
		s := p.begin(t, db, "offline_access")
		beginMany(t, db, p, storage.StrikeAtOnce)
		promise := p.promise("offline_access")
		ok(t, db.DeleteClient(t.Context(), "app"))
		w.pass(time.Second)
		again := identity.Client{ID: "app", CreatedAt: db.Now(), Epoch: db.Now().UnixMicro()}
		wantKind(t, db.CreateClient(t.Context(), again), identity.Conflict) // until all of the former is gone
		tidyAll(t, db)
		ok(t, db.CreateClient(t.Context(), again))
		if got := must[identity.Session](t)(db.SessionByID(t.Context(), s.ID)); got.Alive(db.Now()) || got.EndCause != identity.EndClientGone {
			t.Errorf("%+v", got)
		}
		if _, won, err := db.RedeemCode(t.Context(), promise, planned(db, promise)); err != nil || won {
			t.Errorf("a code for the former client was redeemed by the new one: %v, %v", won, err)
		}
	})
}

// Disabling or deleting a client while its codes are exchanged and its Sessions refreshed leaves nothing that works once it
// is enabled again.
func TestEnd_ofAClientBesideItsExchanges(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		operators := identity.Operators{Store: db, Now: db.Now}
		p := someone(t, db)
		for range 8 {
			epoch := must[identity.Client](t)(db.RegisteredClient(t.Context(), "app")).Epoch
			var began [16]identity.Session
			race(func(i int) bool {
				if i == 7 {
					_, err := operators.DisableClient(t.Context(), "app")
					ok(t, err)
					return true
				}
				promise := p.promise("offline_access")
				promise.ClientEpoch = epoch
				s, won, err := db.RedeemCode(t.Context(), promise, planned(db, promise))
				if err != nil {
					t.Error(err)
				}
				if won {
					began[i] = s
				}
				return won
			})
			_, err := operators.EnableClient(t.Context(), "app")
			ok(t, err)
			for _, s := range began {
				if s.ID == (identity.ID{}) {
					continue
				}
				if got := must[identity.Session](t)(db.SessionByID(t.Context(), s.ID)); got.Alive(db.Now()) {
					t.Fatal("a session that began beside the ending outlived it")
				}
			}
		}
	})
}
