package storage_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

var claim = identity.DeliveryClaim{Kind: identity.LogoutDelivery, Lease: 30 * time.Second}

// listener is a client with a back channel at a host.
func listener(t *testing.T, db *storage.DB, host string) string {
	t.Helper()
	id := "rp-" + identity.RandomText(6)
	ok(t, db.CreateClient(t.Context(), identity.Client{ID: id, CreatedAt: db.Now(), Metadata: identity.Metadata{
		BackchannelLogoutURI: "https://" + host + "/logout?key=hidden",
	}}))
	return id
}

// endOne begins a Session of a client and ends it.
func (p person) endOne(t *testing.T, db *storage.DB, clientID string) identity.Session {
	t.Helper()
	promise := p.promise("offline_access")
	plan := planned(db, promise)
	plan.ClientID = clientID
	s, won, err := db.RedeemCode(t.Context(), promise, plan)
	if err != nil || !won || struck(t, db, identity.Ending{Session: s.ID, Cause: identity.EndRevoked}) == 0 {
		t.Fatalf("the session did not begin and end: %v", err)
	}
	return s
}

// claimed is the delivery that is due for longest.
func claimed(t *testing.T, db *storage.DB, busy ...string) identity.Delivery {
	t.Helper()
	c := claim
	c.Busy = busy
	d, found, err := db.ClaimDelivery(t.Context(), c)
	if err != nil || !found {
		t.Fatalf("nothing to claim: %v", err)
	}
	return d
}

func wantNone(t *testing.T, db *storage.DB, busy ...string) {
	t.Helper()
	c := claim
	c.Busy = busy
	if d, found, err := db.ClaimDelivery(t.Context(), c); found || err != nil {
		t.Errorf("claimed %+v, %v; want nothing", d, err)
	}
}

func TestDeliveries_carryWhatTheClientMustKnow(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		p := someone(t, db)
		rp := listener(t, db, "rp.example:444")
		s := p.endOne(t, db, rp)
		p.endOne(t, db, "app") // has no back channel
		d := claimed(t, db)
		var n identity.LogoutNotice
		ok(t, json.Unmarshal(d.Body, &n))
		same(t, identity.LogoutNotice{
			SessionID: s.ID, Sub: p.user.Sub, ClientID: rp, URI: "https://rp.example:444/logout?key=hidden",
		}, n)
		if d.Host != "rp.example:444" || d.Tries != 0 || !d.CreatedAt.Equal(w.Now()) || !d.DeadAt.IsZero() {
			t.Errorf("claimed %+v", d)
		}
		wantNone(t, db)
		ok(t, db.DeliveryDone(t.Context(), d.ID))
		w.pass(time.Hour)
		wantNone(t, db)
	})
}

func TestDeliveries_areSealedAtRest(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		p.endOne(t, db, listener(t, db, "rp.example"))
		var body []byte
		ok(t, db.Q(t.Context()).Raw("SELECT body FROM deliveries").Row().Scan(&body))
		if strings.Contains(string(body), p.user.Sub) || strings.Contains(string(body), "hidden") {
			t.Errorf("the database tells %q", body)
		}
	})
}

func TestClaimDelivery_eachIsClaimedOnce(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		rp := listener(t, db, "rp.example")
		const all = 48
		for range all {
			p.endOne(t, db, rp)
		}
		var mu sync.Mutex
		claims := map[identity.ID]int{}
		race(func(int) bool {
			for {
				d, found, err := db.ClaimDelivery(t.Context(), claim)
				if err != nil {
					t.Error(err)
				}
				if !found {
					return true
				}
				mu.Lock()
				claims[d.ID]++
				mu.Unlock()
			}
		})
		for id, n := range claims {
			if n != 1 {
				t.Errorf("%s was claimed %d times", id, n)
			}
		}
		if len(claims) != all {
			t.Errorf("%d of %d were claimed", len(claims), all)
		}
	})
}

func TestClaimDelivery_clientsTakeTurnsAndABusyOneGetsNone(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		p := someone(t, db)
		many, few := listener(t, db, "many.example"), listener(t, db, "few.example")
		first := p.endOne(t, db, many)
		for range 9 {
			w.pass(time.Second)
			p.endOne(t, db, many)
		}
		p.endOne(t, db, few)
		wantNone(t, db, many, few)
		one := claimed(t, db, few)
		var told identity.LogoutNotice
		ok(t, json.Unmarshal(one.Body, &told))
		if one.ClientID != many || told.SessionID != first.ID {
			t.Errorf("claimed %+v of %s, want the oldest", told, one.ClientID)
		}
		next := claim
		next.After = many
		if d, _, err := db.ClaimDelivery(t.Context(), next); err != nil || d.ClientID != few {
			t.Errorf("the next turn is %s's (%v)", d.ClientID, err)
		}
		if next.After = few; must[bool](t)(finds(db.ClaimDelivery(t.Context(), next))) != true {
			t.Error("there is no next round")
		}
		next.Only = []string{few}
		if must[bool](t)(finds(db.ClaimDelivery(t.Context(), next))) {
			t.Error("somebody else got a turn")
		}
		ok(t, db.PutBack(t.Context(), one))
		if again := claimed(t, db); again.ID != one.ID || again.Tries != 0 {
			t.Errorf("what was put back is not the next: %+v", again)
		}
	})
}

func finds(_ identity.Delivery, found bool, err error) (bool, error) { return found, err }

// A process that died holding a claim loses it: another one tries again.
func TestClaimDelivery_aLeaseRunsOut(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		someone(t, db).endOne(t, db, listener(t, db, "rp.example"))
		first := claimed(t, db)
		w.pass(claim.Lease - time.Microsecond)
		wantNone(t, db)
		w.pass(time.Microsecond)
		if again := claimed(t, db); again.ID != first.ID || again.Tries != 0 {
			t.Errorf("claimed %+v, want %s again", again, first.ID)
		}
	})
}

func TestDeliveryFailed_waitsAndIsCountedOnce(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		someone(t, db).endOne(t, db, listener(t, db, "rp.example"))
		failed := claimed(t, db).Failed(identity.FailedTry{At: w.Now(), Cause: errors.New("it answered 500")})
		for range 2 { // the second one is of a process whose lease ran out
			ok(t, db.DeliveryFailed(t.Context(), failed))
		}
		wantNone(t, db)
		w.pass(time.Second)
		if d := claimed(t, db); d.Tries != 1 || d.LastError != "it answered 500" {
			t.Errorf("claimed %+v", d)
		}
	})
}

// dead gives up the delivery that is due for longest.
func dead(t *testing.T, db *storage.DB) identity.Delivery {
	t.Helper()
	d := claimed(t, db).Failed(identity.FailedTry{At: db.Now(), Cause: identity.Permanent(errors.New("no such mailbox"))})
	ok(t, db.DeliveryFailed(t.Context(), d))
	return d
}

func TestDeliveries_deadOnesStayUntilRetriedOrSwept(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		p, rp := someone(t, db), listener(t, db, "rp.example")
		s := p.endOne(t, db, rp)
		d := dead(t, db)
		w.pass(29 * 24 * time.Hour)
		wantNone(t, db)
		list := must[[]identity.ListedDelivery](t)(db.Deliveries(t.Context(), identity.DeliveryFilter{Dead: true, Limit: 9}))
		same(t, []identity.ListedDelivery{{Delivery: withoutBody(d), SessionID: s.ID}}, list)
		same(t, []identity.DeliveryCount{{Kind: identity.LogoutDelivery, Dead: 1}},
			must[[]identity.DeliveryCount](t)(db.CountDeliveries(t.Context())))
		ok(t, db.RetryDelivery(t.Context(), d.ID))
		if again := claimed(t, db); again.Tries != 0 || !again.DeadAt.IsZero() {
			t.Errorf("claimed %+v", again)
		}
		w.pass(claim.Lease)
		dead(t, db)
		if n := must[int](t)(db.RetryDead(t.Context())); n != 1 {
			t.Errorf("retried %d", n)
		}
		dead(t, db)
		w.pass(30*24*time.Hour + time.Microsecond)
		if swept := must[storage.SweptRows](t)(db.Sweep(t.Context())); swept.Deliveries != 1 {
			t.Errorf("swept %+v", swept)
		}
		wantKind(t, db.RetryDelivery(t.Context(), d.ID), identity.NotFound)
	})
}

// Mail that nobody sends, since no server has a mail server any more, does not stay for ever.
func TestDeliveries_thoseThatNobodyTriesAreSwept(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		someone(t, db).endOne(t, db, listener(t, db, "rp.example"))
		w.pass(30 * 24 * time.Hour)
		for _, want := range []int{0, 1} {
			if swept := must[storage.SweptRows](t)(db.Sweep(t.Context())); swept.Deliveries != want {
				t.Errorf("swept %+v, want %d", swept, want)
			}
			w.pass(time.Microsecond)
		}
	})
}

func withoutBody(d identity.Delivery) identity.Delivery {
	d.Body = nil
	return d
}

func TestClaimDelivery_whatCantBeOpenedIsDeadAndSaysWhy(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		rp := listener(t, db, "rp.example")
		someone(t, db).endOne(t, db, rp)
		ok(t, db.Q(t.Context()).Exec("UPDATE deliveries SET body = ?", []byte("sealed elsewhere")).Error)
		if d := claimed(t, db); d.DeadAt.IsZero() || d.Body != nil || !strings.Contains(d.LastError, "SOJOURN_SECRET") {
			t.Errorf("claimed %+v", d)
		}
		list := must[[]identity.ListedDelivery](t)(db.Deliveries(t.Context(), identity.DeliveryFilter{Dead: true, Limit: 9}))
		if len(list) != 1 || list[0].ClientID != rp || list[0].SessionID != (identity.ID{}) || !strings.Contains(list[0].LastError, "root secret") {
			t.Errorf("listed %+v", list)
		}
	})
}

func TestQueued_ringsOnceItIsCommitted(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p, rp := someone(t, db), listener(t, db, "rp.example")
		s := p.begin(t, db, "offline_access")
		ok(t, db.Q(t.Context()).Exec("UPDATE sessions SET client_id = ? WHERE id = ?", rp, s.ID).Error)
		one, other := db.Queued(), db.Queued()
		ok(t, db.InTx(t.Context(), func(ctx context.Context) error {
			_, err := db.End(ctx, identity.Ending{Session: s.ID, Cause: identity.EndRevoked})
			select {
			case <-one:
				t.Error("it rang before the commit")
			default:
			}
			return err
		}))
		for _, heard := range []<-chan struct{}{one, other} {
			select {
			case <-heard:
			default:
				t.Error("it did not ring")
			}
		}
	})
}
