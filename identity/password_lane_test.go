package identity_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// flood fills the strangers' queue with work that waits for the release that it returns; done counts what was worked on.
func flood(t *testing.T, p *identity.Passwords) (release func(), done *atomic.Int64) {
	t.Helper()
	gate, done := make(chan struct{}), &atomic.Int64{}
	for range 16 {
		go func() {
			err := p.Slot(context.Background(), func() error {
				<-gate
				done.Add(1)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}()
	}
	return func() { close(gate) }, done
}

func TestPasswords_aFloodIsTurnedAwayAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := identity.NewPasswords(storagetest.CheapHash)
		release, done := flood(t, p)
		synctest.Wait()
		for range 400 {
			_, err := p.Hash(t.Context(), "correct horse battery")
			if refusal, ok := errors.AsType[*identity.Error](err); !ok || refusal.Kind != identity.Busy || refusal.Wait <= 0 {
				t.Fatalf("%v, want Busy with a wait", err)
			}
		}
		release()
		synctest.Wait()
		if done.Load() != 16 {
			t.Errorf("%d of those that were let in were served", done.Load())
		}
		if _, err := p.Hash(t.Context(), "correct horse battery"); err != nil {
			t.Errorf("after the flood: %v", err)
		}
	})
}

// Who is known to the browser waits for the hash under way and for the one stranger whose turn it is, not for the queue.
func TestPasswords_whoIsKnownDoesNotWaitBehindStrangers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := identity.NewPasswords(storagetest.CheapHash)
		var strangers atomic.Int64
		gate := make(chan struct{})
		for range 16 {
			go func() {
				_ = p.Slot(context.Background(), func() error {
					<-gate
					strangers.Add(1)
					return nil
				})
			}()
		}
		synctest.Wait()
		before := int64(-1)
		go func() {
			_ = p.For(true).Slot(context.Background(), func() error {
				before = strangers.Load()
				return nil
			})
		}()
		synctest.Wait()
		for range 16 {
			select {
			case gate <- struct{}{}:
			default: // nobody hashes any more
			}
			synctest.Wait()
		}
		if before < 0 || before > 2 {
			t.Errorf("%d strangers went first", before)
		}
		if strangers.Load() != 16 {
			t.Errorf("%d of 16 strangers were served in the end", strangers.Load())
		}
	})
}

func TestPasswords_strangersLeaveMostOfTheMachineToOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := identity.NewPasswords(storagetest.CheapHash)
		const took, strangers = 30 * time.Millisecond, 16
		began := time.Now()
		var wg sync.WaitGroup
		for range strangers {
			wg.Go(func() {
				if err := p.Slot(t.Context(), func() error { time.Sleep(took); return nil }); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		cores := time.Duration(runtime.GOMAXPROCS(0))
		// The last one leaves before it rests.
		if machine, hashed := (time.Since(began)+3*took)*cores, strangers*took; hashed > machine/4 {
			t.Errorf("strangers hashed for %v of the machine's %v, want a quarter at most", hashed, machine)
		}
	})
}

func TestPasswords_aWaitLongerThanTheRequestIsNoFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := identity.NewPasswords(storagetest.CheapHash)
		occupied := make(chan struct{})
		defer close(occupied)
		for range 64 { // more than there are slots
			go func() { _ = p.For(true).Slot(context.Background(), func() error { <-occupied; return nil }) }()
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := p.For(true).Hash(ctx, "correct horse battery"); identity.KindOf(err) != identity.Busy {
			t.Errorf("%v, want Busy", err)
		}
	})
}

// A stranger keeps nobody out: not from a browser that knows them, nor from one that they are signed in with.
func TestSignIn_guessesOfStrangersCostTheOwnerNothing(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		cookie := w.signIn()
		for i := range 40 {
			_, err := w.signIns.Begin(w.Context(), identity.Attempt{
				Email: w.user.Email, Password: "a stranger's guess", Seen: identity.Seen{Address: "192.0.2.7"},
			})
			if kind := identity.KindOf(err); kind != identity.BadLogin && kind != identity.Throttled {
				w.Fatalf("guess %d: %v", i, err)
			}
			w.clock.advance(20 * time.Second)
		}
		own := identity.Attempt{Email: w.user.Email, Password: password, Browser: identity.Browser{}.With(w.user)}
		if _, err := w.signIns.Begin(w.Context(), own); err != nil {
			w.Errorf("in a browser that knows them: %v", err)
		}
		if _, err := w.signIns.Begin(w.Context(), identity.Attempt{Email: w.user.Email, Password: password}); identity.KindOf(err) != identity.Throttled {
			w.Errorf("a browser that knows nobody: %v, want a wait", err)
		}
		standing := w.standing(cookie)
		credentials := identity.Credentials{Store: w.db, Keys: w.keys, Passwords: w.signIns.Passwords, Now: w.clock.now}
		if _, err := credentials.ChangePassword(w.Context(), standing, identity.NewPassword{Current: password, New: "a longer one than before"}); err != nil {
			w.Errorf("a password change by whoever is signed in: %v", err)
		}
		// What was remembered under the credentials before is worth nothing; the browser that is kept is marked anew.
		own.Password = "a longer one than before"
		if _, err := w.signIns.Begin(w.Context(), own); identity.KindOf(err) != identity.Throttled {
			w.Errorf("a browser that knew them before the password changed: %v, want a wait", err)
		}
		changed, err := w.db.UserByID(w.Context(), w.user.ID)
		if err != nil {
			w.Fatal(err)
		}
		own.Browser = own.Browser.With(changed)
		if _, err := w.signIns.Begin(w.Context(), own); err != nil {
			w.Errorf("in the browser that the password was changed in: %v", err)
		}
	})
}

// A browser that knows the person is no licence to guess.
func TestSignIn_guessesInAKnownBrowserCostAWaitToo(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		guess := identity.Attempt{Email: w.user.Email, Password: "wrong", Browser: identity.Browser{}.With(w.user)}
		for i := range identity.PasswordThrottle.Free {
			if _, err := w.signIns.Begin(w.Context(), guess); identity.KindOf(err) != identity.BadLogin {
				w.Fatalf("guess %d: %v", i, err)
			}
		}
		guess.Password = password
		if _, err := w.signIns.Begin(w.Context(), guess); identity.KindOf(err) != identity.Throttled {
			w.Errorf("%v, want a wait", err)
		}
	})
}

// What was turned away was not judged, so it counts as no miss.
func TestSignIn_whatWasTurnedAwayIsNoMiss(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		release, _ := flood(w.T, w.signIns.Passwords)
		for w.signIns.Passwords.Queued() < 16 {
			time.Sleep(time.Millisecond)
		}
		for i := range 2 * identity.PasswordThrottle.Free {
			_, err := w.signIns.Begin(w.Context(), identity.Attempt{Email: w.user.Email, Password: "wrong"})
			if identity.KindOf(err) != identity.Busy {
				w.Fatalf("try %d: %v, want Busy", i, err)
			}
		}
		release()
	})
}

// A flood that is turned away costs the others no write either.
func TestSignIn_whatIsTurnedAwayWritesNothing(t *testing.T) {
	t.Parallel()
	for _, kind := range storagetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			var watched atomic.Bool
			db, err := storage.Open(t.Context(), storagetest.DSN(t, kind), storage.Options{
				Keys: storagetest.Keys(t), Trace: func(statement string) {
					if watched.Load() && !strings.HasPrefix(statement, "SELECT") {
						t.Errorf("it writes: %s", statement)
					}
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			signIns := identity.SignIns{
				Store: db, Keys: storagetest.Keys(t), Passwords: identity.NewPasswords(storagetest.CheapHash), Now: db.Now,
			}
			release, _ := flood(t, signIns.Passwords)
			defer release()
			for signIns.Passwords.Queued() < 16 {
				time.Sleep(time.Millisecond)
			}
			watched.Store(true)
			_, err = signIns.Begin(t.Context(), identity.Attempt{Email: "ada@example.com", Password: "wrong"})
			if identity.KindOf(err) != identity.Busy {
				t.Errorf("%v, want Busy", err)
			}
		})
	}
}
