package storage_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// twoProcesses are two that have the same database open. The second one remembers.
func twoProcesses(t *testing.T, f func(t *testing.T, here, there *storage.DB)) {
	t.Helper()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dsn := storagetest.DSN(t, kind)
			open := func() *storage.DB {
				db, err := storage.Open(t.Context(), dsn, storage.Options{Keys: storagetest.Keys(t), MaxConns: 12})
				ok(t, err)
				t.Cleanup(func() { ok(t, db.Close()) })
				return db
			}
			here, there := open(), open()
			ctx, stop := context.WithCancel(context.Background())
			var watching sync.WaitGroup
			watching.Go(func() { there.WatchMarks(ctx) })
			t.Cleanup(func() { stop(); watching.Wait() })
			f(t, here, there)
		})
	}
}

// recall asks until a process answers from memory.
func recall(t *testing.T, db *storage.DB, s identity.Session, jti string) identity.Live {
	t.Helper()
	for before := db.Recall().Hits; ; {
		live := must[identity.Live](t)(db.RecentSession(t.Context(), s.ID, jti))
		if db.Recall().Hits > before {
			return live
		}
		patiently(t)
	}
}

// patiently waits a little, within the test's time.
func patiently(t *testing.T) {
	t.Helper()
	if t.Context().Err() != nil {
		t.Fatal("it took too long")
	}
	time.Sleep(5 * time.Millisecond)
}

func recalled(t *testing.T, db *storage.DB, s identity.Session, jti string) bool {
	t.Helper()
	live, err := db.RecentSession(t.Context(), s.ID, jti)
	if identity.KindOf(err) == identity.NotFound {
		return false
	}
	ok(t, err)
	return live.Session.Alive(db.Now()) && !live.Denied
}

func TestRecentSession_noEndingElsewhereIsMissedForASecond(t *testing.T) {
	t.Parallel()
	twoProcesses(t, func(t *testing.T, here, there *storage.DB) {
		p := someone(t, here)
		for _, e := range []func(s identity.Session) identity.Ending{
			func(s identity.Session) identity.Ending {
				return identity.Ending{Session: s.ID, Cause: identity.EndDevice}
			},
			func(identity.Session) identity.Ending {
				return identity.Ending{User: p.user.ID, Cause: identity.EndOperator}
			},
			func(identity.Session) identity.Ending {
				return identity.Ending{Client: "app", Cause: identity.EndClientOff}
			},
		} {
			q := someone(t, here)
			s, other := p.begin(t, here, "offline_access"), q.begin(t, here, "offline_access")
			same(t, must[identity.Live](t)(here.LiveSession(t.Context(), s.ID, "jti")), recall(t, there, s, "jti"))
			must[identity.Struck](t)(here.End(t.Context(), e(s)))
			time.Sleep(time.Second) // the promise itself
			if recalled(t, there, s, "jti") {
				t.Error("a second later it still lives elsewhere")
			}
			if e := e(s); e.Client == "" && !recalled(t, there, other, "jti") {
				t.Error("another person's ended with it")
			}
			p = someone(t, here)
		}
	})
}

func TestRecentSession_aRevokedTokenAndAProfileAreKnownElsewhereWithinASecond(t *testing.T) {
	t.Parallel()
	twoProcesses(t, func(t *testing.T, here, there *storage.DB) {
		p := someone(t, here)
		s := p.begin(t, here, "offline_access")
		recall(t, there, s, "one")
		recall(t, there, s, "two")
		ok(t, here.DenyToken(t.Context(), "one", here.Now().Add(time.Hour)))
		ok(t, here.SetName(t.Context(), p.user.ID, "Ada"))
		time.Sleep(time.Second) // the promise itself
		if recalled(t, there, s, "one") || !recalled(t, there, s, "two") {
			t.Error("not just the revoked token is refused")
		}
		if got := must[identity.Live](t)(there.RecentSession(t.Context(), s.ID, "two")); got.User.Name != "Ada" {
			t.Errorf("a second later it is still %q", got.User.Name)
		}
	})
}

func TestRecentSession_whatThisProcessCommittedIsKnownAtOnce(t *testing.T) {
	t.Parallel()
	twoProcesses(t, func(t *testing.T, _, db *storage.DB) {
		p := someone(t, db)
		s := p.begin(t, db, "offline_access")
		recall(t, db, s, "jti")
		ok(t, db.SetName(t.Context(), p.user.ID, "Ada"))
		if got := must[identity.Live](t)(db.RecentSession(t.Context(), s.ID, "jti")); got.User.Name != "Ada" {
			t.Errorf("it is still %q", got.User.Name)
		}
		recall(t, db, s, "jti")
		undone := errors.New("undone")
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			_, err := db.End(ctx, identity.Ending{Session: s.ID, Cause: identity.EndDevice})
			ok(t, err)
			if live := must[identity.Live](t)(db.RecentSession(ctx, s.ID, "jti")); live.Session.Alive(db.Now()) {
				t.Error("a transaction does not see what it wrote")
			}
			return undone
		})
		if !errors.Is(err, undone) || !recalled(t, db, s, "jti") {
			t.Error("an ending that was undone ended it", err)
		}
		must[identity.Struck](t)(db.End(t.Context(), identity.Ending{Session: s.ID, Cause: identity.EndDevice}))
		if recalled(t, db, s, "jti") {
			t.Error("it still lives where it was ended")
		}
	})
}

// Sixteen read at one process what another one ends: from a second after its commit nobody is told that it lives.
func TestRecentSession_readersNeverOutliveAnEndingByASecond(t *testing.T) {
	t.Parallel()
	twoProcesses(t, func(t *testing.T, here, there *storage.DB) {
		p, dice := someone(t, here), rand.New(rand.NewPCG(13, 1))
		for range 4 {
			s := p.begin(t, here, "offline_access")
			recall(t, there, s, "jti")
			var mu sync.Mutex
			var ended time.Time
			var reading sync.WaitGroup
			for range 16 {
				reading.Go(func() {
					for t.Context().Err() == nil {
						mu.Lock()
						over := !ended.IsZero() && time.Since(ended) >= time.Second
						mu.Unlock()
						if lives := recalled(t, there, s, "jti"); over {
							if lives {
								t.Error("it lives a second after its ending")
							}
							return
						}
						time.Sleep(time.Millisecond)
					}
				})
			}
			time.Sleep(time.Duration(dice.IntN(200)) * time.Millisecond)
			must[identity.Struck](t)(here.End(t.Context(), identity.Ending{Session: s.ID, Cause: identity.EndDevice}))
			mu.Lock()
			ended = time.Now()
			mu.Unlock()
			reading.Wait()
		}
	})
}

func TestRecentSession_ofADatabaseThatWasPutBackNothingIsRemembered(t *testing.T) {
	t.Parallel()
	twoProcesses(t, func(t *testing.T, here, there *storage.DB) {
		p := someone(t, here)
		s := p.begin(t, here, "offline_access")
		ok(t, here.DenyToken(t.Context(), "before", here.Now().Add(time.Hour)))
		recall(t, there, s, "jti")
		// The backup was made before the mark, and has another one in its place; the row of the Session reads otherwise.
		ok(t, here.InTx(t.Context(), func(ctx context.Context) error {
			q := here.Q(ctx)
			return errors.Join(
				q.Exec("UPDATE sessions SET ended_at = 1, end_cause = 'device'").Error,
				q.Exec("DELETE FROM marks").Error,
				q.Exec("UPDATE mark_log SET position = 0").Error,
				here.DenyToken(ctx, "after", here.Now().Add(time.Hour)),
			)
		}))
		time.Sleep(time.Second) // the promise itself
		if recalled(t, there, s, "jti") {
			t.Error("it is remembered from a database that is gone")
		}
	})
}

func TestRecentSession_whileNobodyLooksEveryRowIsAsked(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		s := someone(t, db).begin(t, db, "offline_access")
		for range 5 {
			recalled(t, db, s, "jti")
		}
		if got := db.Recall(); got.Hits != 0 || got.Misses != 5 {
			t.Errorf("%+v", got)
		}
		ctx, stop := context.WithCancel(t.Context())
		over := make(chan struct{})
		go func() { db.WatchMarks(ctx); close(over) }()
		recall(t, db, s, "jti")
		stop()
		<-over
		time.Sleep(time.Second) // the look is old now
		before := db.Recall()
		if !recalled(t, db, s, "jti") {
			t.Error("the row says that it lives")
		}
		if got := db.Recall(); got.Hits != before.Hits || got.Age < time.Second {
			t.Errorf("%+v after %+v", got, before)
		}
	})
}

func TestRecentSession_asksTheRowOfWhatIsOverByTime(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var ahead time.Duration
			db := storagetest.OpenAt(t, kind, func() time.Time {
				mu.Lock()
				defer mu.Unlock()
				return time.Now().Add(ahead).UTC().Truncate(time.Microsecond)
			})
			s := someone(t, db).begin(t, db, "offline_access")
			go db.WatchMarks(t.Context())
			recall(t, db, s, "jti")
			mu.Lock()
			ahead = s.IdleEndsAt.Sub(s.CreatedAt) + time.Second
			mu.Unlock()
			if recalled(t, db, s, "jti") {
				t.Error("it lives beyond its idle end")
			}
		})
	}
}

func TestRecent_isBoundedAndForgetsWhatWasAskedForLongestAgo(t *testing.T) {
	t.Parallel()
	kept, first, last := storage.FillRecent(storage.MaxRecent + 100)
	if kept != storage.MaxRecent || first || !last {
		t.Errorf("%d are kept, the first of them: %v, the last: %v", kept, first, last)
	}
	if left, floor := storage.StrikeRecent(storage.MaxStruck + 1); left > 1 || !floor {
		t.Errorf("%d marks are kept, and everything else was forgotten: %v", left, floor)
	}
}

func TestRecent_eitherClockMakesALookOld(t *testing.T) {
	t.Parallel()
	looked := time.Now()
	for _, c := range []struct {
		name  string
		now   time.Time
		fresh bool
	}{
		{"at once", looked, true},
		{"in the same second", looked.Add(storage.TrustFor - time.Millisecond), true},
		{"a second later", looked.Add(storage.TrustFor), false},
		{"the machine slept", looked.Round(0).Add(time.Hour), false},
		{"the wall's clock was set back", looked.Round(0).Add(-time.Hour), false},
	} {
		if storage.Within(c.now, looked, storage.TrustFor) != c.fresh {
			t.Errorf("%s: fresh is %v", c.name, !c.fresh)
		}
	}
}
