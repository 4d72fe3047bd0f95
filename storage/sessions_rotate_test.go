package storage_test

import (
	"context"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

// turn is the ordinary refresh of s.
func turn(s identity.Session, now time.Time) identity.Turn {
	return identity.Turn{
		SessionID: s.ID, ClientID: s.ClientID, SecretHash: s.SecretHash, Generation: s.Line.Generation,
		IdleEndsAt: now.Add(30 * 24 * time.Hour), Address: "192.0.2.3",
	}
}

func TestAdvance_beginsTheNextGeneration(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		want := someone(t, db).begin(t, db, "openid", "offline_access")
		for range 3 {
			w.pass(time.Minute)
			got, done, err := db.Advance(t.Context(), turn(want, w.Now()))
			if err != nil || !done {
				t.Fatalf("done %v, %v", done, err)
			}
			want.Line.Generation++
			want.LastUsedAt, want.IdleEndsAt, want.Address = w.Now(), w.Now().Add(30*24*time.Hour), "192.0.2.3"
			same(t, want, got)
			same(t, want, must[identity.Session](t)(db.SessionByID(t.Context(), want.ID)))
		}
	})
}

func TestAdvance_neverSlidesPastTheAbsoluteEnd(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		s := someone(t, db).begin(t, db, "openid") // its sign-in ends tomorrow
		got, done, err := db.Advance(t.Context(), turn(s, db.Now()))
		if err != nil || !done || got.IdleEndsAt != s.EndsAt {
			t.Errorf("done %v, idle until %v, want %v (%v)", done, got.IdleEndsAt, s.EndsAt, err)
		}
	})
}

func TestAdvance_leavesWhatIsNotOrdinaryAlone(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*identity.Turn, *identity.Session, *watch){
		"an older generation": func(_ *identity.Turn, s *identity.Session, _ *watch) { s.Line.Generation = 1 },
		"ahead of the row":    func(turn *identity.Turn, _ *identity.Session, _ *watch) { turn.Generation = 1 },
		"a second branch":     func(_ *identity.Turn, s *identity.Session, _ *watch) { s.Line.Branch = 1 },
		"another client":      func(turn *identity.Turn, _ *identity.Session, _ *watch) { turn.ClientID = "other" },
		"another secret":      func(turn *identity.Turn, _ *identity.Session, _ *watch) { turn.SecretHash = []byte("other") },
		"another session":     func(turn *identity.Turn, _ *identity.Session, _ *watch) { turn.SessionID = identity.NewID() },
		"no second factor":    func(turn *identity.Turn, _ *identity.Session, _ *watch) { turn.NeedMFA = true },
		"idle":                func(_ *identity.Turn, s *identity.Session, w *watch) { s.IdleEndsAt = w.Now() },
		"absolute":            func(_ *identity.Turn, _ *identity.Session, w *watch) { w.pass(181 * 24 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
				s := someone(t, db).begin(t, db, "openid", "offline_access")
				asked := turn(s, w.Now())
				spoil(&asked, &s, w)
				ok(t, db.WriteLine(t.Context(), s))
				if _, done, err := db.Advance(t.Context(), asked); err != nil || done {
					t.Errorf("done %v, %v", done, err)
				}
				same(t, s, must[identity.Session](t)(db.SessionByID(t.Context(), s.ID)))
			})
		})
	}
}

func TestAdvance_takesASecondFactorWhereOneIsNeeded(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		promise := someone(t, db).promise("offline_access")
		promise.AMR = identity.PWD | identity.OTP | identity.MFA
		s, _, err := db.RedeemCode(t.Context(), promise, planned(db, promise))
		ok(t, err)
		asked := turn(s, db.Now())
		asked.NeedMFA = true
		if got, done, err := db.Advance(t.Context(), asked); err != nil || !done || got.AMR != promise.AMR {
			t.Errorf("done %v, amr %v, %v", done, got.AMR.Names(), err)
		}
	})
}

func TestAdvance_notOnceItEnded(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		s := someone(t, db).begin(t, db, "offline_access")
		must[bool](t)(db.EndSession(t.Context(), s.ID, identity.EndRevoked))
		if _, done, err := db.Advance(t.Context(), turn(s, db.Now())); err != nil || done {
			t.Errorf("done %v, %v", done, err)
		}
		wantKind(t, db.WriteLine(t.Context(), s), identity.SignInAgain)
	})
}

func TestAdvance_oneOfManyRotates(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		s := someone(t, db).begin(t, db, "offline_access")
		done := race(func(int) bool {
			_, done, err := db.Advance(t.Context(), turn(s, db.Now()))
			if err != nil {
				t.Error(err)
			}
			return done
		})
		if done != 1 {
			t.Errorf("one token rotated %d times", done)
		}
	})
}

func TestLockSession_keepsOthersOut(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		s := someone(t, db).begin(t, db, "offline_access")
		race(func(int) bool {
			err := db.InTx(t.Context(), func(ctx context.Context) error {
				s, err := db.LockSession(ctx, s.ID)
				if err != nil {
					return err
				}
				s.Line.Generation++
				s.Line.Branch, s.Line.Previous = s.Line.Branch+1, s.Line.Previous+1
				return db.WriteLine(ctx, s)
			})
			if err != nil {
				t.Error(err)
			}
			return err == nil
		})
		want := identity.Line{Generation: 16, Branch: 16, Previous: 16}
		same(t, want, must[identity.Session](t)(db.SessionByID(t.Context(), s.ID)).Line)
		_, err := db.LockSession(t.Context(), identity.NewID())
		wantKind(t, err, identity.NotFound)
	})
}
