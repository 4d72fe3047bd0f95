package server

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// failing answers 500 to the first n tries.
func failing(n int64) func(http.ResponseWriter, int64) {
	return func(w http.ResponseWriter, try int64) {
		if try <= n {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}
}

func TestBackChannel_whatFailedIsTriedAgainWithANewToken(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		c := w.channel(t, failing(4))
		s := c.row(t, w.person(t))
		c.end(t, s)
		seen := map[any]bool{}
		for try, wait := range []time.Duration{0, 2 * time.Second, 6 * time.Second, 34 * time.Second, 3 * time.Minute} {
			if try > 0 {
				c.delivery(t, func(d identity.ListedDelivery) bool { return d.Tries == try })
			}
			w.pass(wait)
			select {
			case token := <-c.tokens:
				if sid := c.verified(t, token); sid != s.ID {
					t.Errorf("told of %s, want %s", sid, s.ID)
				}
				seen[claimsOf(t, token)["jti"]] = true
			case <-time.After(patience):
				t.Fatalf("try %d did not come", try+1)
			}
		}
		c.settled(t)
		if len(seen) != 5 {
			t.Errorf("five tries brought %d tokens", len(seen))
		}
	})
}

func TestBackChannel_givenUpAfterADayAndRetriedByTheOperator(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		w.journal.expectFaults() // it is said
		c := w.channel(t, failing(14))
		c.end(t, c.row(t, w.person(t)))
		var d identity.ListedDelivery
		for try := 1; d.DeadAt.IsZero(); try++ {
			d = c.delivery(t, func(d identity.ListedDelivery) bool { return d.Tries == try })
			w.pass(4 * time.Hour)
		}
		if n := c.tries.Load(); n != 14 {
			t.Errorf("given up after %d tries", n)
		}
		c.toldTheOperator(t, d)
		if n, err := w.db.RetryDead(t.Context()); err != nil || n != 1 {
			t.Errorf("%d retried, %v", n, err)
		}
		c.settled(t)
		if n := c.tries.Load(); n != 15 {
			t.Errorf("%d tries, want 15", n)
		}
	})
}

func (c *channel) toldTheOperator(t *testing.T, d identity.ListedDelivery) {
	t.Helper()
	metrics := c.w.get(t, c.w.admin+"/metrics").body
	for _, line := range []string{
		`sojourn_deliveries{kind="logout",state="dead"} 1`, `sojourn_deliveries{kind="logout",state="waiting"} 0`,
		`sojourn_deliveries{kind="mail",state="dead"} 0`,
		`sojourn_deliveries_total{kind="logout",outcome="failed"} 13`, `sojourn_deliveries_total{kind="logout",outcome="dead"} 1`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("/metrics does not say %s", line)
		}
	}
	c.w.journal.mu.Lock()
	defer c.w.journal.mu.Unlock()
	log := c.w.journal.lines.String()
	for _, part := range []string{
		`"level":"ERROR","msg":"a delivery was given up"`, `"client":"` + c.client.ID + `","host":"` + d.Host + `"`,
	} {
		if !strings.Contains(log, part) {
			t.Errorf("the log does not say %s", part)
		}
	}
}

func TestBackChannel_replicasTellOnce(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		w.replica(t)
		c, p := w.channel(t, nil), w.person(t)
		want := map[identity.ID]bool{}
		var all sync.WaitGroup
		for range 16 {
			s := c.row(t, p)
			want[s.ID] = true
			all.Go(func() { c.end(t, s) })
		}
		all.Wait()
		c.settled(t)
		if n := c.tries.Load(); n != 16 {
			t.Errorf("told %d times", n)
		}
		for range 16 {
			delete(want, c.verified(t, c.heard(t)))
		}
		if len(want) > 0 {
			t.Errorf("not told of %v", want)
		}
	})
}

func TestBackChannel_aClientThatIsGoneIsNotLookedFor(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T, w *world) {
		gone, deaf, p := w.channel(t, failing(1)), w.channel(t, failing(1)), w.person(t)
		for _, c := range []*channel{gone, deaf} {
			c.end(t, c.row(t, p))
			c.delivery(t, func(d identity.ListedDelivery) bool { return d.Tries == 1 })
		}
		if err := w.db.DeleteClient(t.Context(), gone.client.ID); err != nil {
			t.Fatal(err)
		}
		deaf.client.BackchannelLogoutURI = ""
		if err := w.db.UpdateClient(t.Context(), deaf.client); err != nil {
			t.Fatal(err)
		}
		w.pass(5 * time.Second)
		gone.settled(t)
		deaf.settled(t)
		if n := gone.tries.Load() + deaf.tries.Load(); n != 2 {
			t.Errorf("%d requests", n)
		}
	})
}
