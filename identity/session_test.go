package identity_test

import (
	"context"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func TestRefresh_rotatesAndGoesOn(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		token := w.start()
		for g := range uint32(5) {
			w.clock.advance(time.Hour)
			next := w.mustRefresh(token)
			if next.Generation != g+1 || next.Branch != 0 {
				w.Fatalf("refresh %d leads to generation %d, branch %d", g, next.Generation, next.Branch)
			}
			token = next
		}
		row := w.row(token.SessionID)
		if want := w.clock.now().Add(w.sessions.Lives.Idle); !row.IdleEndsAt.Equal(want) {
			w.Errorf("idle end %v, want %v", row.IdleEndsAt, want)
		}
	})
}

func TestRefresh_aLostAnswerForksAndTheFirstUseDecides(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		first := w.start()
		lost := w.mustRefresh(first)
		again := w.mustRefresh(first)
		if again.Generation != lost.Generation || again.Branch != 1 {
			w.Fatalf("the retry got generation %d, branch %d", again.Generation, again.Branch)
		}
		w.mustRefresh(lost) // either branch may go on
		if n := w.events(identity.SessionForked); n != 1 {
			w.Errorf("%d fork events, want 1", n)
		}
		_, err := w.refresh(again)
		w.wantRefused(err, "the branch that was not chosen")
		if row := w.row(first.SessionID); row.EndCause != identity.EndReuse {
			w.Errorf("ended by %q, want reuse", row.EndCause)
		}
	})
}

func TestRefresh_reusedTokenEndsTheSession(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		stolen := w.start()
		current := w.mustRefresh(w.mustRefresh(stolen))
		_, err := w.refresh(stolen)
		w.wantRefused(err, "a token two generations old")
		_, err = w.refresh(current)
		w.wantRefused(err, "the current token after the reuse")
		if w.row(stolen.SessionID).EndCause != identity.EndReuse || w.events(identity.SessionEnded) != 1 {
			w.Error("the reuse is not written down, or not once")
		}
	})
}

func TestRefresh_aProvedClientGetsTheSameSuccessorWithoutAWrite(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		token := w.start()
		proved := identity.Holder{Client: w.client, Proved: true}
		_, first, err := w.sessions.Refresh(w.Context(), token, proved)
		if err != nil {
			w.Fatal(err)
		}
		before := w.row(token.SessionID)
		w.clock.advance(100 * time.Hour)
		_, second, err := w.sessions.Refresh(w.Context(), token, proved)
		if err != nil || second != first {
			w.Fatalf("%+v, %v; want the same successor again", second, err)
		}
		if after := w.row(token.SessionID); after.Line != before.Line || !after.LastUsedAt.Equal(before.LastUsedAt) {
			w.Error("the retry wrote")
		}
	})
}

func TestRefresh_aRowThatIsBehindRollsForward(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		token := w.start()
		var told []identity.Session
		w.sessions.RolledForward = func(_ context.Context, s identity.Session) {
			same := w.row(s.ID) // by now it is committed: another connection sees it
			if same.Line != s.Line {
				w.Errorf("told of line %+v, the row is at %+v", s.Line, same.Line)
			}
			told = append(told, s)
		}
		next := w.mustRefresh(w.mustRefresh(token))
		if len(told) > 0 {
			w.Error("an ordinary refresh raised the alarm")
		}
		ahead := next.At(7, 0) // minted by us before the row was lost
		next = w.mustRefresh(ahead)
		if next.Generation != 8 || w.events(identity.SessionRolled) != 1 {
			w.Errorf("generation %d with %d events", next.Generation, w.events(identity.SessionRolled))
		}
		if len(told) != 1 || told[0].ID != token.SessionID || told[0].UserID != w.user.ID || told[0].Line.Generation != 8 {
			w.Errorf("the alarm was told of %+v", told)
		}
	})
}

func TestRefresh_nothingIsTouchedForStrangers(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		token := w.start()
		other := w.client
		other.ID = "another"
		forged := identity.NewRefreshToken(token.SessionID, identity.NewSecret(), w.client.ID)
		for name, refresh := range map[string]func() error{
			"another client": func() error {
				_, _, err := w.sessions.Refresh(w.Context(), token, identity.Holder{Client: other})
				return err
			},
			"the right MAC without the Session's secret": func() error { _, err := w.refresh(forged); return err },
			"a Session that does not exist": func() error {
				_, err := w.refresh(identity.NewRefreshToken(identity.NewID(), identity.NewSecret(), w.client.ID))
				return err
			},
		} {
			w.wantRefused(refresh(), name)
		}
		w.mustRefresh(token)
	})
}

func TestRefresh_expiryIsJudgedWhenRead(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		idle := w.start()
		w.clock.advance(w.sessions.Lives.Idle)
		_, err := w.refresh(idle)
		w.wantRefused(err, "an idle Session")

		absolute := w.start()
		for range 9 {
			w.clock.advance(20 * 24 * time.Hour)
			next, err := w.refresh(absolute)
			if err != nil {
				w.wantRefused(err, "a Session past its absolute end")
				return
			}
			absolute = next
		}
		w.Error("a Session lived beyond 180 days")
	})
}

func TestRefresh_aPolicyThatCameLaterAsksToSignInAgainAndTouchesNothing(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		token := w.start()
		w.sessions.Policy = identity.MFARequired
		_, err := w.refresh(token)
		w.wantRefused(err, "a Session begun without a second factor")
		w.sessions.Policy = identity.MFAOptional
		w.mustRefresh(token)
	})
}

func TestRefresh_hundredAtOnceAreAllServedAndOneGoesOn(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		token := w.start()
		next := make([]identity.RefreshToken, 100)
		for i, err := range race(len(next), func(i int) (err error) { next[i], err = w.refresh(token); return err }) {
			if err != nil {
				w.Fatalf("refresh %d: %v", i, err)
			}
		}
		seen := map[identity.RefreshToken]bool{}
		for _, n := range next {
			seen[n] = true
		}
		if len(seen) != len(next) {
			w.Errorf("%d different tokens for %d answers", len(seen), len(next))
		}
		w.mustRefresh(next[41])
		_, err := w.refresh(next[7])
		w.wantRefused(err, "a second branch")
	})
}

// Rotations, forks, a reuse and an ending at once: whatever the order, nothing deadlocks, nothing is served after the end.
func TestRefresh_racesWithReuseAndEnding(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		old := w.start()
		current := w.mustRefresh(w.mustRefresh(old))
		for i, err := range race(16, func(i int) (err error) {
			switch i % 4 {
			case 0:
				_, err = w.refresh(old) // reuse
			case 1:
				err = w.sessions.Revoke(w.Context(), current, identity.Holder{Client: w.client})
			default:
				_, err = w.refresh(current)
			}
			return err
		}) {
			if err != nil && identity.KindOf(err) != identity.SignInAgain {
				w.Errorf("goroutine %d: %v", i, err)
			}
		}
		_, err := w.refresh(current)
		w.wantRefused(err, "after the end")
		if n := w.events(identity.SessionEnded); n != 1 {
			w.Errorf("ended %d times", n)
		}
	})
}

func TestStart_honestRetryGetsTheSameRefreshToken(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		p := w.promise(w.signIn(), "openid", "offline_access")
		start := func() (identity.RefreshToken, error) {
			_, token, err := w.sessions.Start(w.Context(), p, identity.Holder{Client: w.client})
			return token, err
		}
		first, err := start()
		if err != nil {
			w.Fatal(err)
		}
		w.clock.advance(19 * time.Second)
		if again, err := start(); err != nil || again != first {
			w.Fatalf("%+v, %v; want the same refresh token", again, err)
		}
		w.clock.advance(2 * time.Second)
		_, err = start()
		w.wantRefused(err, "the same code after 21 s")
		_, err = w.refresh(first)
		w.wantRefused(err, "the refresh token of a replayed code")
		if w.row(p.SessionID).EndCause != identity.EndReplay {
			w.Error("the replay is not the cause")
		}
	})
}

func TestStart_anExpiredCodeStartsNothingButAReplayOfItEndsWhatItIssued(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		unused, used := w.promise(w.signIn(), "openid"), w.promise(w.signIn(), "openid", "offline_access")
		start := func(p identity.Promise) (identity.RefreshToken, error) {
			_, token, err := w.sessions.Start(w.Context(), p, identity.Holder{Client: w.client})
			return token, err
		}
		w.clock.advance(identity.CodeTTL - time.Second)
		token, err := start(used)
		if err != nil {
			w.Fatal(err)
		}
		w.clock.advance(2 * time.Second)
		if again, err := start(used); err != nil || again != token {
			w.Errorf("an honest retry just after the code expired: %v", err)
		}
		_, err = start(unused)
		w.wantRefused(err, "a code that was never used in time")
		w.clock.advance(time.Hour)
		_, err = start(used)
		w.wantRefused(err, "a replay an hour later")
		_, err = w.refresh(token)
		w.wantRefused(err, "what the replayed code had issued")
	})
}

func TestStart_aSecondTabsCodeTouchesNothing(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		p := w.promise(w.signIn(), "openid", "offline_access")
		other := p
		other.SessionSecret = identity.NewSecret()
		_, token, err := w.sessions.Start(w.Context(), p, identity.Holder{Client: w.client})
		if err != nil {
			w.Fatal(err)
		}
		_, _, err = w.sessions.Start(w.Context(), other, identity.Holder{Client: w.client})
		w.wantRefused(err, "the second code of one request")
		w.mustRefresh(token)
	})
}

func TestStart_oneOfSixteenCodesOfARequestWins(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		p := w.promise(w.signIn(), "openid", "offline_access")
		won := 0
		for _, err := range race(16, func(int) error {
			mine := p
			mine.SessionSecret = identity.NewSecret()
			_, _, err := w.sessions.Start(w.Context(), mine, identity.Holder{Client: w.client})
			return err
		}) {
			if err == nil {
				won++
				continue
			}
			w.wantRefused(err, "a loser")
		}
		if won != 1 {
			w.Errorf("%d codes won", won)
		}
	})
}

// A code outlives neither a sign-out nor a password change, however close the race.
func TestStart_noSessionOutlivesAnEndingThatRaced(t *testing.T) {
	t.Parallel()
	endings := map[string]func(*world, identity.Standing) error{
		"sign-out": func(w *world, s identity.Standing) error {
			_, err := w.db.End(w.Context(), identity.Ending{SignIn: s.SignIn.ID, Cause: identity.EndSignedOut})
			return err
		},
		"password change": func(w *world, _ identity.Standing) error {
			return storagetest.SetPassword(w.Context(), w.db, w.user.ID, w.user.PasswordHash)
		},
	}
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				cookie := w.signIn()
				standing := w.standing(cookie)
				promises := make([]identity.Promise, 16)
				for i := range promises {
					promises[i] = w.promise(cookie, "openid") // not offline: ends with its SignIn
				}
				tokens := make([]identity.RefreshToken, len(promises))
				errs := race(len(promises), func(i int) (err error) {
					if i == 7 {
						return end(w, standing)
					}
					_, tokens[i], err = w.sessions.Start(w.Context(), promises[i], identity.Holder{Client: w.client})
					return err
				})
				if errs[7] != nil {
					w.Fatal(errs[7])
				}
				for i, err := range errs {
					if i == 7 || err != nil {
						continue
					}
					_, err := w.refresh(tokens[i])
					w.wantRefused(err, "a Session whose exchange raced the ending")
				}
				_, _, err := w.sessions.Start(w.Context(), w.lateCode(standing), identity.Holder{Client: w.client})
				w.wantRefused(err, "a code after the ending")
			})
		})
	}
}

// lateCode is a code made before its SignIn ended.
func (w *world) lateCode(s identity.Standing) identity.Promise {
	return identity.Promise{
		SessionID: identity.NewID(), SessionSecret: identity.NewSecret(), SignInID: s.SignIn.ID, Epoch: s.SignIn.Epoch,
		SignInSecret: s.Pointer.CodeSecret, AuthTime: s.SignIn.ProvedAt, AMR: s.SignIn.AMR, IssuedAt: w.clock.now(),
	}
}

func TestStart_withoutOfflineAccessTheSessionEndsWithItsSignIn(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		cookie := w.signIn()
		bound, boundToken, err := w.sessions.Start(w.Context(), w.promise(cookie, "openid"), identity.Holder{Client: w.client})
		if err != nil {
			w.Fatal(err)
		}
		free, freeToken, err := w.sessions.Start(w.Context(), w.promise(cookie, "offline_access"), identity.Holder{Client: w.client})
		if err != nil {
			w.Fatal(err)
		}
		if want := w.standing(cookie).SignIn.EndsAt; !bound.EndsAt.Equal(want) || !free.EndsAt.After(want) {
			w.Errorf("bound ends %v, free ends %v, the sign-in %v", bound.EndsAt, free.EndsAt, want)
		}
		if _, err := w.db.End(w.Context(), identity.Ending{SignIn: w.standing(cookie).SignIn.ID, Cause: identity.EndSignedOut}); err != nil {
			w.Fatal(err)
		}
		_, err = w.refresh(boundToken)
		w.wantRefused(err, "the bound Session after sign-out")
		w.mustRefresh(freeToken)
	})
}

// A code of the browser that is kept was begun under the old credentials as any other: a thief's copy of its cookie may hold
// it.
func TestStart_aCodeOfTheKeptSignInDiesWithTheOldCredentials(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		cookie := w.signIn()
		code := w.promise(cookie, "offline_access")
		credentials := identity.Credentials{Store: w.db, Keys: w.keys, Passwords: w.signIns.Passwords, Now: w.clock.now}
		next, err := credentials.ChangePassword(w.Context(), w.standing(cookie), identity.NewPassword{Current: password, New: "another long password"})
		if err != nil {
			w.Fatal(err)
		}
		_, _, err = w.sessions.Start(w.Context(), code, identity.Holder{Client: w.client})
		w.wantRefused(err, "a code from before the change")
		if _, _, err = w.sessions.Start(w.Context(), w.promise(next, "offline_access"), identity.Holder{Client: w.client}); err != nil {
			w.Errorf("a code from after it: %v", err)
		}
	})
}
