package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// A server that people reach must not be led into its own network, whatever a client registered.
func TestBackChannel_privateAddressesAreRefused(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := withoutServer(t, kind)
			site := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was reached") }))
			t.Cleanup(site.Close)
			c := w.channel(t, nil, func(a *app) {
				a.client.BackchannelLogoutURI = strings.Replace(site.URL, "127.0.0.1", "localhost", 1) // a name that leads inside
			})
			c.end(t, c.row(t, w.person(t)))
			w.couriers(t, "https://id.example")
			d := c.delivery(t, func(d identity.ListedDelivery) bool { return d.Tries == 1 })
			if !strings.Contains(d.LastError, "refused: not a public address (SOJOURN_FETCH_ALLOW lets it through)") {
				t.Errorf("the operator reads %q", d.LastError)
			}
		})
	}
}

// What is queued is brought at once, not when the courier looks by itself.
func TestCourier_isWokenByWhatIsQueued(t *testing.T) {
	t.Parallel()
	w := withoutServer(t, storage.SQLite)
	heard := make(chan struct{})
	bring := func(context.Context, identity.Delivery) error { close(heard); return nil }
	c := assembled(t, w.db, nil).courier(carrier{kind: identity.LogoutDelivery, bring: bring, timeout: patience, perHost: 1})
	c.poll = time.Hour
	bringing(t, c)
	quick := w.channel(t, nil)
	quick.end(t, quick.row(t, w.person(t)))
	select {
	case <-heard:
	case <-time.After(patience):
		t.Error("nobody brought it")
	}
}

// Whoever registers many clients that never answer holds up nobody else for long.
func TestCourier_manySlowHostsLeaveRoom(t *testing.T) {
	t.Parallel()
	w := withoutServer(t, storage.SQLite)
	p, quick, heard := w.person(t), w.channel(t, nil), make(chan struct{})
	hanging, answer := make(chan struct{}, 100), make(chan struct{})
	var hang atomic.Bool
	bring := func(_ context.Context, d identity.Delivery) error {
		switch {
		case "http://"+d.Host == quick.site.URL:
			close(heard)
			return nil
		case hang.Load():
			hanging <- struct{}{}
			<-answer
		}
		return errors.New("no answer")
	}
	var slow []*channel
	for i := range triesAtOnce {
		nowhere := func(a *app) { a.client.BackchannelLogoutURI = fmt.Sprintf("https://slow%d.example/", i) }
		slow = append(slow, w.channel(t, nil, nowhere))
		for range 3 {
			slow[i].end(t, slow[i].row(t, p))
		}
	}
	bringing(t, assembled(t, w.db, nil).courier(carrier{kind: identity.LogoutDelivery, bring: bring, timeout: patience, perHost: 2}))
	t.Cleanup(func() { close(answer) })
	for _, s := range slow {
		s.delivery(t, func(d identity.ListedDelivery) bool { return d.Tries > 0 })
	}
	hang.Store(true)
	w.pass(time.Hour) // all that failed is due again
	for range triesAtOnce / 2 {
		<-hanging
	}
	quick.end(t, quick.row(t, p))
	select {
	case <-heard:
	case <-time.After(patience):
		t.Error("hosts that never answer hold up one that does")
	}
}

// One app whose endpoint takes its time, and that renames its host before each ending, delays nobody else: it has as many
// tries under way as one client may have, and the others' turns come before its next.
func TestCourier_aTarpitOf160EndingsDelaysNobody(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := withoutServer(t, kind)
			p, honest := w.person(t), w.channel(t, nil)
			tarpit := w.channel(t, nil)
			for i := range 160 {
				tarpit.client.BackchannelLogoutURI = fmt.Sprintf("https://a%d.tarpit.example/", i)
				if err := w.db.UpdateClient(t.Context(), tarpit.client); err != nil {
					t.Fatal(err)
				}
				tarpit.end(t, tarpit.row(t, p))
			}
			honest.end(t, honest.row(t, p))
			heard, answer := make(chan struct{}), make(chan struct{})
			var hang atomic.Int64
			bring := func(_ context.Context, d identity.Delivery) error {
				if d.ClientID == honest.client.ID {
					close(heard)
					return nil
				}
				hang.Add(1)
				<-answer // never before the honest one was told
				return errors.New("no answer")
			}
			bringing(t, assembled(t, w.db, nil).courier(carrier{kind: identity.LogoutDelivery, bring: bring, timeout: patience, perHost: 2}))
			t.Cleanup(func() { close(answer) })
			select {
			case <-heard:
			case <-time.After(patience):
				t.Fatal("the tarpit holds up an honest app")
			}
			if n := hang.Load(); n > 2 {
				t.Errorf("%d tries hang at one client, want at most 2", n)
			}
		})
	}
}

// Many clients with names of their own lead to one network: what counts is the address that is called.
func TestCourier_manyNamesOfOneAddressAreOne(t *testing.T) {
	t.Parallel()
	w := withoutServer(t, storage.SQLite)
	p, quick := w.person(t), w.channel(t, nil)
	const names = 10
	hanging, answer, heard := make(chan struct{}, 100), make(chan struct{}), make(chan struct{})
	for i := range names {
		c := w.channel(t, nil, func(a *app) { a.client.BackchannelLogoutURI = fmt.Sprintf("https://a%d.tarpit.example/", i) })
		c.end(t, c.row(t, p))
	}
	bring := func(_ context.Context, d identity.Delivery) error {
		if d.ClientID == quick.client.ID {
			close(heard)
			return nil
		}
		hanging <- struct{}{}
		<-answer
		return errors.New("no answer")
	}
	s := assembled(t, w.db, nil)
	c := s.courier(carrier{identity.LogoutDelivery, bring, s.protocol.LogoutHost, patience, 2})
	c.resolve = func(_ context.Context, host string) string {
		if strings.HasSuffix(host, ".tarpit.example") {
			return addressMark + "192.0.2.1"
		}
		return ""
	}
	bringing(t, c)
	for range perAddress {
		<-hanging
	}
	quick.end(t, quick.row(t, p))
	select {
	case <-heard:
	case <-time.After(patience):
		t.Fatal("one address holds up another")
	}
	if n := len(hanging); n != 0 {
		t.Errorf("%d more than %d tries hang at one address", n, perAddress)
	}
	close(answer)
	for range names - perAddress { // the others follow, all of them
		select {
		case <-hanging:
		case <-time.After(patience):
			t.Fatal("who waited for the address is forgotten")
		}
	}
}

// withoutServer is a world where nothing runs yet.
func withoutServer(t *testing.T, kind string) *world {
	t.Helper()
	w := &world{keys: storagetest.Keys(t), passwords: identity.NewPasswords(storagetest.CheapHash), journal: &journal{}}
	w.db = storagetest.OpenAt(t, kind, w.now)
	return w
}

// couriers runs nothing else of a server of that issuer, until stop is called or the test ends; over waits for their end.
func (w *world) couriers(t *testing.T, issuer string) (stop, over func()) {
	t.Helper()
	return bringing(t, assembled(t, w.db, map[string]string{"issuer": issuer}).couriers()...)
}

func bringing(t *testing.T, couriers ...*courier) (stop, over func()) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, c := range couriers {
		all.Go(func() { c.run(ctx) })
	}
	t.Cleanup(func() {
		stop()
		all.Wait()
	})
	return stop, all.Wait
}

// A restart loses nothing: tries under way are finished, and what was queued meanwhile is the next server's.
func TestBackChannel_survivesARestart(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w, leaving := withoutServer(t, kind), make(chan struct{})
			c := w.channel(t, func(http.ResponseWriter, int64) { <-leaving })
			p := w.person(t)
			stop, over := w.couriers(t, "http://localhost:8080")
			c.end(t, c.row(t, p))
			<-c.tokens
			stop()
			close(leaving)
			over()
			if own := c.waiting(t); len(own) != 0 {
				t.Errorf("the try under way was not finished: %+v", own)
			}
			c.end(t, c.row(t, p))
			w.couriers(t, "http://localhost:8080")
			c.settled(t)
			if n := c.tries.Load(); n != 2 {
				t.Errorf("told %d times, want 2", n)
			}
		})
	}
}

// Whoever stood still until its claim ran out brings nothing: it is another process's now, or was brought.
func TestCourier_whatItClaimedBeforeItStoodStillIsAnothers(t *testing.T) {
	t.Parallel()
	w := withoutServer(t, storage.SQLite)
	app := w.channel(t, nil)
	claim := identity.DeliveryClaim{Kind: identity.LogoutDelivery, Lease: time.Minute}
	stood := make(chan struct{})
	c := assembled(t, w.db, nil).courier(carrier{
		kind: identity.LogoutDelivery, timeout: patience, perHost: 1,
		bring: func(context.Context, identity.Delivery) error { t.Error("it was brought twice"); return nil },
		host: func(ctx context.Context, _ identity.Delivery) string {
			w.pass(time.Hour)
			d, found, err := w.db.ClaimDelivery(ctx, claim)
			if err != nil || !found {
				t.Errorf("the other one did not get it: %v", err)
			}
			if err := w.db.DeliveryDone(ctx, d.ID); err != nil {
				t.Error(err)
			}
			close(stood)
			return ""
		},
	})
	app.end(t, app.row(t, w.person(t)))
	bringing(t, c)
	select {
	case <-stood:
	case <-time.After(patience):
		t.Fatal("nothing was claimed")
	}
}
