package identity_test

import (
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

// phone is who presents the world's client's tokens with a key.
func (w *world) phone(key byte) identity.Holder {
	return identity.Holder{Client: w.client, Key: identity.Thumbprint{key}}
}

// startFor signs in and redeems a code as h.
func (w *world) startFor(h identity.Holder) identity.RefreshToken {
	w.Helper()
	_, token, err := w.sessions.Start(w.Context(), w.promise(w.signIn(), "openid", "offline_access"), h)
	if err != nil {
		w.Fatal(err)
	}
	return token
}

// race16 presents one token 16 times at once and returns what was answered.
func (w *world) race16(token identity.RefreshToken, h identity.Holder) ([]identity.RefreshToken, []error) {
	next := make([]identity.RefreshToken, 16)
	return next, race(len(next), func(i int) (err error) {
		_, next[i], err = w.sessions.Refresh(w.Context(), token, h)
		return err
	})
}

func TestBound_sixteenAtOnceHaveOneSuccessor(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		holder := w.phone(1)
		token := w.startFor(holder)
		for range 4 {
			next, errs := w.race16(token, holder)
			for i, err := range errs {
				if err != nil || next[i] != next[0] {
					w.Fatalf("refresh %d: %+v, %v; refresh 0 got %+v", i, next[i], err, next[0])
				}
			}
			if row := w.row(token.SessionID); row.Line != (identity.Line{Generation: token.Generation + 1}) {
				w.Fatalf("the line stands at %+v", row.Line)
			}
			token = next[0]
		}
	})
}

func TestBound_withoutTheKeyNothingIsTouched(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		token := w.startFor(w.phone(1))
		current, errs := w.race16(token, w.phone(1))
		if errs[0] != nil {
			w.Fatal(errs[0])
		}
		before := w.row(token.SessionID)
		for name, holder := range map[string]identity.Holder{"no key": {Client: w.client}, "another key": w.phone(2)} {
			for _, presented := range []identity.RefreshToken{token, current[0], token.At(9, 0)} {
				if _, _, err := w.sessions.Refresh(w.Context(), presented, holder); identity.KindOf(err) != identity.NoProof {
					w.Errorf("%s: %v, want to be asked for a proof", name, err)
				}
			}
		}
		if after := w.row(token.SessionID); after.Line != before.Line || !after.Alive(w.clock.now()) {
			w.Errorf("the line went from %+v to %+v, ended by %q", before.Line, after.Line, after.EndCause)
		}
	})
}

// A thief who copied the token but not the key can't even use it to sign the owner out.
func TestBound_thievesWithoutTheKeyRaceInVain(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		token := w.startFor(w.phone(1))
		next := make([]identity.RefreshToken, 16)
		for i, err := range race(len(next), func(i int) (err error) {
			_, next[i], err = w.sessions.Refresh(w.Context(), token, w.phone(byte(1+i%2)))
			return err
		}) {
			if thief := i%2 == 1; thief != (identity.KindOf(err) == identity.NoProof) || !thief && next[i] != next[0] {
				w.Errorf("goroutine %d: %+v, %v", i, next[i], err)
			}
		}
	})
}

func TestStrict_oneOfSixteenIsServedAndTheSessionEnds(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.client.Rotation = identity.RotateStrict
		token := w.start()
		next, errs := w.race16(token, identity.Holder{Client: w.client})
		served := 0
		for i, err := range errs {
			if err == nil {
				served++
				_, err = w.refresh(next[i])
			}
			w.wantRefused(err, "a loser, or the winner's successor")
		}
		if served != 1 || w.row(token.SessionID).EndCause != identity.EndReuse || w.events(identity.SessionEnded) != 1 {
			w.Errorf("%d served, ended by %q", served, w.row(token.SessionID).EndCause)
		}
	})
}

func TestNone_sixteenAtOnceKeepTheToken(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.client.Rotation = identity.RotateNone
		holder := w.phone(1)
		token := w.startFor(holder)
		w.clock.advance(time.Hour)
		next, errs := w.race16(token, holder)
		for i, err := range errs {
			if err != nil || next[i] != token {
				w.Errorf("refresh %d: %+v, %v", i, next[i], err)
			}
		}
		row := w.row(token.SessionID)
		if want := w.clock.now().Add(w.sessions.Lives.Idle); row.Line != (identity.Line{}) || !row.IdleEndsAt.Equal(want) {
			w.Errorf("the line stands at %+v, idle end %v, want %v", row.Line, row.IdleEndsAt, want)
		}
	})
}

// A client may have become one that does not rotate after its Sessions began. Whoever has nothing but the token gets the
// next one each time: a copy of it is found out as ever, and a key that merely came along holds nothing.
func TestNone_aBearersSessionRotatesAsEver(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		token := w.startFor(identity.Holder{Client: w.client})
		w.client.Rotation, w.client.DPoPBound = identity.RotateNone, true
		tokens := []identity.RefreshToken{token}
		for i, holder := range []identity.Holder{{Client: w.client}, w.phone(1), w.phone(2), w.phone(1)} {
			_, next, err := w.sessions.Refresh(w.Context(), token, holder)
			if err != nil || next.Generation != token.Generation+1 {
				w.Errorf("refresh %d: %+v after %+v, %v", i, next, token, err)
			}
			token = next
			tokens = append(tokens, next)
		}
		_, _, err := w.sessions.Refresh(w.Context(), tokens[1], w.phone(2))
		w.wantRefused(err, "a copy")
		if row := w.row(token.SessionID); row.EndCause != identity.EndReuse {
			w.Errorf("ended by %q", row.EndCause)
		}
	})
}

// TestRace_anEndingWins ends a Session among refreshes of every kind of client: what is served after the end is nothing.
func TestRace_anEndingWins(t *testing.T) {
	t.Parallel()
	for _, rotation := range []identity.Rotation{identity.RotateForking, identity.RotateStrict, identity.RotateNone} {
		t.Run(string(rotation), func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				w.client.Rotation = rotation
				holder := w.phone(1)
				token := w.startFor(holder)
				next := make([]identity.RefreshToken, 16)
				for i, err := range race(len(next), func(i int) (err error) {
					if i == 11 {
						return w.sessions.Revoke(w.Context(), token, holder)
					}
					_, next[i], err = w.sessions.Refresh(w.Context(), token, holder)
					return err
				}) {
					if err != nil && identity.KindOf(err) != identity.SignInAgain {
						w.Errorf("goroutine %d: %v", i, err)
					}
				}
				for _, t := range append(next, token) {
					if t != (identity.RefreshToken{}) {
						_, _, err := w.sessions.Refresh(w.Context(), t, holder)
						w.wantRefused(err, "after the end")
					}
				}
				if n := w.events(identity.SessionEnded); n != 1 {
					w.Errorf("ended %d times", n)
				}
			})
		})
	}
}

// TestRace_forksAndOneRotation lets 16 requests race with the token of a lost answer and with the answer itself. Once the
// answer was used the older token is reuse; the two can't both go on, whoever was first.
func TestRace_forksAndOneRotation(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		first := w.start()
		second := w.mustRefresh(first)
		next := make([]identity.RefreshToken, 16)
		errs := race(len(next), func(i int) (err error) {
			next[i], err = w.refresh([]identity.RefreshToken{first, second}[i%2])
			return err
		})
		seen, refused := map[identity.RefreshToken]bool{}, false
		for i, err := range errs {
			switch {
			case err != nil:
				w.wantRefused(err, "a token whose successor was used")
				refused = true
			case seen[next[i]]:
				w.Errorf("two answers with %+v", next[i])
			}
			seen[next[i]] = true
		}
		if over := w.row(first.SessionID).EndCause == identity.EndReuse; over != refused {
			w.Errorf("refused: %v, ended: %v", refused, over)
		}
		used := map[uint16]bool{}
		for t := range seen {
			if t.Generation == second.Generation {
				if _, err := w.refresh(t); err == nil {
					used[t.Branch] = true
				}
			}
		}
		if len(used) > 0 {
			w.Errorf("the branches %v of the generation that was used went on", used)
		}
	})
}

// TestStart_sixteenRetriesOfOneCodeGetTheSameRefreshToken, from the phone whose key won; without the key a code in a log
// is no lever.
func TestStart_sixteenRetriesOfOneCodeGetTheSameRefreshToken(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		p := w.promise(w.signIn(), "openid", "offline_access")
		start := func(h identity.Holder) (identity.RefreshToken, error) {
			_, token, err := w.sessions.Start(w.Context(), p, h)
			return token, err
		}
		tokens := make([]identity.RefreshToken, 16)
		for i, err := range race(len(tokens), func(i int) (err error) {
			tokens[i], err = start(w.phone(1))
			return err
		}) {
			if err != nil || tokens[i] != tokens[0] {
				w.Errorf("exchange %d: %+v, %v", i, tokens[i], err)
			}
		}
		if _, err := start(w.phone(2)); identity.KindOf(err) != identity.NoProof {
			w.Errorf("with another key: %v", err)
		}
		if _, _, err := w.sessions.Refresh(w.Context(), tokens[0], w.phone(1)); err != nil {
			w.Error(err)
		}
	})
}
