package storage_test

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

var errNo = errors.New("no")

func TestInTx_allOrNothing(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		scores(t, db)
		for _, verdict := range []error{nil, errNo} {
			err := db.InTx(t.Context(), func(ctx context.Context) error {
				return errors.Join(add(ctx, db, "a"), add(ctx, db, "b"), verdict)
			})
			if !errors.Is(err, verdict) {
				t.Errorf("got %v, want %v", err, verdict)
			}
		}
		if a, b := count(t, db, "a"), count(t, db, "b"); a != 1 || b != 1 {
			t.Errorf("counted %d and %d, want 1 and 1", a, b)
		}
	})
}

func TestInTx_returnsTheErrorAsItIs(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		refusal := identity.Refuse(identity.Conflict, "taken")
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			return db.InTx(ctx, func(context.Context) error { return refusal })
		})
		if identity.KindOf(err) != identity.Conflict || err.Error() != "taken" {
			t.Errorf("got %v, want the refusal itself", err)
		}
	})
}

func TestInTx_othersSeeItOnlyAfterCommit(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		scores(t, db)
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			if err := add(ctx, db, "a"); err != nil {
				return err
			}
			var inside int64
			if err := db.Q(ctx).Raw("SELECT n FROM scores WHERE name = 'a'").Scan(&inside).Error; err != nil {
				return err
			}
			if outside := count(t, db, "a"); inside != 1 || outside != 0 {
				t.Errorf("inside %d, outside %d; want 1 and 0", inside, outside)
			}
			return nil
		})
		if got := count(t, db, "a"); err != nil || got != 1 {
			t.Errorf("after commit: %d, %v", got, err)
		}
	})
}

func TestInTx_joinsTheOneThatCtxCarries(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		scores(t, db)
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			err := db.InTx(ctx, func(ctx context.Context) error { return add(ctx, db, "a") })
			return errors.Join(err, errNo)
		})
		if got := count(t, db, "a"); !errors.Is(err, errNo) || got != 0 {
			t.Errorf("the inner part stayed (%d) though the outer failed (%v)", got, err)
		}
	})
}

func TestInTx_joinedFailureDoomsTheWhole(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		scores(t, db)
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			if err := add(ctx, db, "a"); err != nil {
				return err
			}
			_ = db.InTx(ctx, func(context.Context) error { return errNo }) // swallowed
			return db.InTx(ctx, func(ctx context.Context) error { return add(ctx, db, "b") })
		})
		if !errors.Is(err, errNo) || !strings.Contains(err.Error(), "rolled back") {
			t.Errorf("got %v, want the swallowed failure", err)
		}
		if a, b := count(t, db, "a"), count(t, db, "b"); a != 0 || b != 0 {
			t.Errorf("counted %d and %d, want nothing", a, b)
		}
	})
}

func TestInTx_rememberedRefusalCommits(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		scores(t, db)
		var refusal error
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			refusal = identity.Refuse(identity.BadLogin, "wrong code")
			return add(ctx, db, "a")
		})
		if got := count(t, db, "a"); err != nil || refusal == nil || got != 1 {
			t.Errorf("the miss was not counted: %d, %v", got, err)
		}
	})
}

func TestInTx_rollsBackOnPanic(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		scores(t, db)
		for range 10 { // more often than there are connections: each one comes back
			func() {
				defer func() {
					if recover() != "boom" {
						t.Error("the panic did not go on")
					}
				}()
				_ = db.InTx(t.Context(), func(ctx context.Context) error {
					_ = add(ctx, db, "a")
					panic("boom")
				})
			}()
		}
		if got := count(t, db, "a"); got != 0 {
			t.Errorf("counted %d, want 0", got)
		}
		if err := add(t.Context(), db, "a"); err != nil {
			t.Error(err)
		}
	})
}

func TestInTx_recoveredPanicOfAPartDoomsTheWhole(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		scores(t, db)
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			defer func() { _ = recover() }()
			return db.InTx(ctx, func(ctx context.Context) error {
				_ = add(ctx, db, "a")
				panic("boom")
			})
		})
		if got := count(t, db, "a"); err == nil || got != 0 {
			t.Errorf("committed %d with error %v", got, err)
		}
	})
}

func TestInTx_deadlineRollsBackAndIsUnavailable(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		scores(t, db)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		err := db.InTx(ctx, func(ctx context.Context) error {
			if err := add(ctx, db, "a"); err != nil {
				return err
			}
			<-ctx.Done()
			for !errors.Is(db.Q(context.WithoutCancel(ctx)).Exec("SELECT 1").Error, sql.ErrTxDone) {
				runtime.Gosched() // database/sql rolls back by itself
			}
			return nil
		})
		if got := count(t, db, "a"); !errors.Is(err, identity.ErrUnavailable) || got != 0 {
			t.Errorf("counted %d with error %v", got, err)
		}
	})
}

func TestInTx_isOfOneDatabaseOnly(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		other := storagetest.Open(t, storage.SQLite)
		scores(t, other)
		_ = db.InTx(t.Context(), func(ctx context.Context) error { return errors.Join(add(ctx, other, "a"), errNo) })
		if got := count(t, other, "a"); got != 1 {
			t.Errorf("the other database took part: counted %d, want 1", got)
		}
	})
}

func TestQ_conditionsDoNotStick(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		scores(t, db)
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			for range 2 {
				var n int64
				if err := db.Q(ctx).Table("scores").Where("name = ?", "a").Count(&n).Error; err != nil || n != 1 {
					t.Errorf("counted %d, %v", n, err)
				}
				if err := db.Q(ctx).Table("scores").Where("name = ?", "b").Count(&n).Error; err != nil || n != 1 {
					t.Errorf("counted %d, %v: an earlier condition stayed", n, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestInTx_decideByWritingHasOneWinner(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		scores(t, db)
		var won atomic.Int64
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				err := db.InTx(t.Context(), func(ctx context.Context) error {
					res := db.Q(ctx).Exec("UPDATE scores SET n = 1 WHERE name = 'a' AND n = 0")
					won.Add(res.RowsAffected)
					return res.Error
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Errorf("%d winners, want 1", won.Load())
		}
	})
}
