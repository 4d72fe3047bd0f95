package storage_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/storage"
)

func TestLease_isOnesAtATime(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		lease := func(int) bool { return must[bool](t)(db.Lease(t.Context(), "sweep", time.Minute)) }
		same(t, 1, race(lease))
		w.pass(time.Minute)
		same(t, 1, race(lease))
		same(t, true, must[bool](t)(db.Lease(t.Context(), "other", time.Minute)))
	})
}

var chore = storage.Task{Name: "chore", Hold: 3 * time.Second, Every: time.Hour}

func nothing(context.Context) error { return nil }

// Of many one does it, and nobody again until its time has come.
func TestTurn_isOnesAtATimeAndNotDoneAgainAtOnce(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		turn := func(int) bool { return must[bool](t)(db.Turn(t.Context(), chore, nothing)) }
		same(t, 1, race(turn))
		w.pass(chore.Every - time.Microsecond)
		same(t, 0, race(turn))
		w.pass(time.Microsecond)
		same(t, 1, race(turn))
	})
}

// However long it takes, it stays one's: the lease is renewed. Who is told to stop leaves it to the others at once.
func TestTurn_isHeldAsLongAsItTakes(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		ctx, stop := context.WithCancel(t.Context())
		begun, over := make(chan struct{}), make(chan error, 1)
		go func() {
			_, err := db.Turn(ctx, chore, func(ctx context.Context) error {
				close(begun)
				<-ctx.Done()
				return ctx.Err()
			})
			over <- err
		}()
		<-begun
		for range 3 { // each time nearly to its end, and nobody else may
			w.pass(chore.Hold - time.Second)
			want := w.Now().Add(chore.Hold)
			for began := time.Now(); until(t, db) != storage.FromTime(want); time.Sleep(10 * time.Millisecond) {
				if time.Since(began) > patience {
					t.Fatal("the lease was not renewed")
				}
			}
			same(t, false, must[bool](t)(db.Turn(t.Context(), chore, nothing)))
		}
		stop()
		if err := <-over; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		same(t, true, must[bool](t)(db.Turn(t.Context(), chore, nothing)))
	})
}

// Whoever was killed, and whoever was away for too long, has lost it: another one goes on, and the first one stops.
func TestTurn_goesToAnotherOneWhereTheFirstIsGone(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		_, mine, err := db.HoldLease(t.Context(), chore.Name, time.Time{}, chore.Hold) // and was killed
		ok(t, err)
		same(t, true, mine)
		same(t, false, must[bool](t)(db.Turn(t.Context(), chore, nothing)))
		w.pass(chore.Hold)
		mine, err = db.Turn(t.Context(), chore, func(ctx context.Context) error {
			w.pass(chore.Hold) // asleep
			same(t, true, must[bool](t)(db.Turn(t.Context(), chore, nothing)))
			<-ctx.Done()
			return ctx.Err()
		})
		if !mine || !errors.Is(err, context.Canceled) {
			t.Errorf("mine %v, %v", mine, err)
		}
		same(t, false, must[bool](t)(db.Turn(t.Context(), chore, nothing)))
	})
}

func until(t *testing.T, db *storage.DB) (at storage.Micros) {
	t.Helper()
	ok(t, db.Q(t.Context()).Raw("SELECT until FROM leases WHERE name = ?", chore.Name).Scan(&at).Error)
	return at
}
