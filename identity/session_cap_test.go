package identity_test

import (
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// However many begin at once, a person has no more than their share of living Sessions in one client, and those that they
// used last.
func TestStart_ofSessionsBeyondTheCapTheLeastUsedEnd(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		cookie := w.signIn()
		start := func() identity.RefreshToken {
			_, token, err := w.sessions.Start(w.Context(), w.promise(cookie, "openid", "offline_access"), identity.Holder{Client: w.client})
			if err != nil {
				w.Error(err)
			}
			return token
		}
		oldest := start()
		for range identity.MaxSessions - 1 {
			w.clock.advance(time.Millisecond)
			start()
		}
		w.clock.advance(time.Millisecond)
		if n := w.crowd(); n != identity.MaxSessions {
			w.Fatalf("%d live at the cap", n)
		}
		race(16, func(int) error { start(); return nil })
		if n := w.crowd(); n != identity.MaxSessions {
			w.Errorf("%d live, want %d", n, identity.MaxSessions)
		}
		_, err := w.refresh(oldest)
		w.wantRefused(err, "the one that was used longest ago")
		if n := w.events(identity.SessionEnded); n != 16 {
			w.Errorf("%d were told of, want 16", n)
		}
	})
}

// crowd counts the person's living Sessions in the app.
func (w *world) crowd() int {
	w.Helper()
	n := 0
	for _, keep := range []int{0, identity.MaxSessions} { // each answer is bounded
		more, err := w.db.Surplus(w.Context(), w.user.ID, w.client.ID, keep)
		if err != nil {
			w.Fatal(err)
		}
		n += len(more)
	}
	return n
}

// Whoever knows a password and signs in for ever has no more browsers than their share, and the owner's newest goes on.
func TestBegin_ofSignInsBeyondTheCapTheLeastUsedEnd(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		oldest := w.signIn()
		for range identity.MaxSignIns - 1 {
			w.clock.advance(time.Millisecond)
			w.signIn()
		}
		if !w.standing(oldest).SignedIn() {
			w.Fatal("the cap came too early")
		}
		w.clock.advance(time.Millisecond)
		newest := w.signIn()
		if got := w.standing(oldest); got.SignedIn() || got.Over != identity.EndCrowded {
			w.Errorf("the one that was used longest ago: %+v", got)
		}
		if !w.standing(newest).SignedIn() {
			w.Error("the newest is over")
		}
		if n := w.events(identity.SignInEnded); n != 1 {
			w.Errorf("%d were told of, want 1", n)
		}
		race(4, func(int) error { w.signIn(); return nil }) // as many as may try at once
		w.signIn()
		if more, err := w.db.SurplusSignIns(w.Context(), w.user.ID, identity.MaxSignIns); err != nil || len(more) != 0 {
			w.Errorf("%d live beyond the cap: %v", len(more), err)
		}
	})
}
