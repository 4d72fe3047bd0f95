package storage

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// listeners are a person's apps that count how often they are woken.
func listeners(t *testing.T, d *DB, feeds ...identity.Feed) (woken []int) {
	t.Helper()
	woken = make([]int, len(feeds))
	for i, f := range feeds {
		bell, cancel := d.Subscribe(f)
		t.Cleanup(cancel)
		go func() {
			for {
				select {
				case <-bell:
					woken[i]++
				case <-t.Context().Done():
					return
				}
			}
		}()
	}
	return woken
}

// A loop of writes wakes the person's apps now and then, the last write among what they are woken for.
func TestHub_aLoopOfWritesWakesOnceInAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, user, other := &DB{}, identity.NewID(), identity.NewID()
		woken := listeners(t, d, identity.Feed{UserID: user, ClientID: "app"}, identity.Feed{UserID: other, ClientID: "app"})
		const writes = 1000
		for range writes { // within a second
			d.hub.ring(user, news{"app", true})
			time.Sleep(time.Millisecond)
		}
		time.Sleep(wakePause)
		synctest.Wait()
		if most := int(writes*time.Millisecond/wakePause) + 1; woken[0] > most || woken[0] < 2 || woken[1] != 0 {
			t.Errorf("%d writes woke %d times, want at most %d; somebody else was woken %d times", writes, woken[0], most, woken[1])
		}
		before := woken[0]
		d.hub.ring(user, news{})
		synctest.Wait()
		if time.Sleep(time.Minute); woken[0] != before+1 {
			t.Errorf("a single change wakes %d times", woken[0]-before)
		}
	})
}

func TestHub_wakesOnlyWhomAChangeConcerns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, user := &DB{}, identity.NewID()
		woken := listeners(t, d, identity.Feed{UserID: user, ClientID: "app"}, identity.Feed{UserID: user, ClientID: "all"},
			identity.Feed{UserID: user, ClientID: "own", Own: true})
		for _, one := range []struct {
			n    news
			want [3]int
		}{
			{news{"app", true}, [3]int{1, 0, 0}},
			{news{"own", true}, [3]int{1, 0, 1}},
			{news{client: "app"}, [3]int{2, 1, 1}},
			{news{client: "own"}, [3]int{3, 2, 2}},
			{news{}, [3]int{4, 3, 3}},
		} {
			d.hub.ring(user, one.n)
			time.Sleep(time.Second)
			synctest.Wait()
			if got := [3]int(woken); got != one.want {
				t.Errorf("%+v: woken %v, want %v", one.n, got, one.want)
			}
		}
		synctest.Wait()
	})
}
