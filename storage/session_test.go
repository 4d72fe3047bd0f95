package storage_test

import (
	"context"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func TestRedeemCode_writesTheSessionThatItReturns(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		promise := p.promise("openid", "offline_access")
		want := planned(db, promise)
		got, won, err := db.RedeemCode(t.Context(), promise, want)
		if err != nil || !won {
			t.Fatalf("won %v, %v", won, err)
		}
		want.UserID, want.Sub = p.user.ID, p.user.Sub
		want.Active = identity.ActiveOn(db.Calendar().DayOf(want.CreatedAt))
		same(t, want, got)
		same(t, want, must[identity.Session](t)(db.SessionByID(t.Context(), want.ID)))
		_, err = db.SessionByID(t.Context(), identity.NewID())
		wantKind(t, err, identity.NotFound)
	})
}

func TestRedeemCode_onlyOfflineSessionsOutliveTheirSignIn(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		s := p.begin(t, db, "openid")
		if s.EndsAt != p.signIn.EndsAt || s.IdleEndsAt != p.signIn.EndsAt {
			t.Errorf("it ends %v, idle %v; its sign-in ends %v", s.EndsAt, s.IdleEndsAt, p.signIn.EndsAt)
		}
		same(t, s, must[identity.Session](t)(db.SessionByID(t.Context(), s.ID)))

		promise := p.promise("openid")
		short := planned(db, promise)
		short.IdleEndsAt, short.EndsAt = db.Now().Add(time.Minute), db.Now().Add(time.Hour)
		got, _, err := db.RedeemCode(t.Context(), promise, short)
		if err != nil || got.EndsAt != short.EndsAt || got.IdleEndsAt != short.IdleEndsAt {
			t.Errorf("a shorter life became %v, %v (%v)", got.IdleEndsAt, got.EndsAt, err)
		}
	})
}

func TestRedeemCode_needsAllThatItRestsOnAlive(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*testing.T, *storage.DB, person, *identity.Promise){
		"another sign-in's secret": func(_ *testing.T, _ *storage.DB, _ person, p *identity.Promise) {
			p.SignInSecret = identity.NewSecret()
		},
		"no sign-in": func(_ *testing.T, _ *storage.DB, _ person, p *identity.Promise) { p.SignInID = identity.NewID() },
		"sign-in ended": func(t *testing.T, db *storage.DB, p person, _ *identity.Promise) {
			ok(t, storagetest.EndSignIn(t.Context(), db, p.signIn.ID, identity.EndSignedOut))
		},
		"sign-in expired": func(t *testing.T, db *storage.DB, p person, _ *identity.Promise) {
			exec(t, db, "UPDATE sign_ins SET ends_at = ? WHERE id = ?", storage.FromTime(db.Now()), p.signIn.ID)
		},
		"user locked": func(t *testing.T, db *storage.DB, p person, _ *identity.Promise) {
			exec(t, db, "UPDATE users SET disabled_at = 1 WHERE id = ?", p.user.ID)
		},
		"credential changed": func(t *testing.T, db *storage.DB, p person, _ *identity.Promise) {
			exec(t, db, "UPDATE users SET epoch = epoch + 1 WHERE id = ?", p.user.ID)
		},
		"client deleted": func(t *testing.T, db *storage.DB, _ person, _ *identity.Promise) {
			ok(t, db.DeleteClient(t.Context(), "app"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storagetest.Run(t, func(t *testing.T, db *storage.DB) {
				p := someone(t, db)
				promise := p.promise("offline_access")
				spoil(t, db, p, &promise)
				s, won, err := db.RedeemCode(t.Context(), promise, planned(db, promise))
				if err != nil || won {
					t.Errorf("won %v, %v", won, err)
				}
				same(t, identity.Session{}, s)
				_, err = db.SessionByID(t.Context(), promise.SessionID)
				wantKind(t, err, identity.NotFound)
			})
		})
	}
}

// An ending that is under way is waited for: whoever commits first wins (DESIGN §2).
func TestRedeemCode_waitsForAnEndingUnderWay(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]string{
		"user":    "UPDATE users SET disabled_at = 1",
		"sign-in": "UPDATE sign_ins SET ended_at = 1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storagetest.Run(t, func(t *testing.T, db *storage.DB) {
				promise, redeemed, over := someone(t, db).promise("offline_access"), false, func() {}
				ok(t, db.InTx(t.Context(), func(ctx context.Context) error {
					err := db.Q(ctx).Exec(end).Error
					over = heldUp(t, db, func() {
						_, won, err := db.RedeemCode(t.Context(), promise, planned(db, promise))
						redeemed = won || err != nil
					})
					return err
				}))
				if over(); redeemed {
					t.Error("a code outlived the end of what it rests on")
				}
			})
		})
	}
}

func TestRedeemCode_oneOfManyWins(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		promise := someone(t, db).promise("openid")
		won := race(func(int) bool {
			_, won, err := db.RedeemCode(t.Context(), promise, planned(db, promise))
			if err != nil {
				t.Error(err)
			}
			if s, err := db.SessionByID(t.Context(), promise.SessionID); err != nil || !promise.SessionSecret.Matches(s.SecretHash) {
				t.Errorf("who lost does not see who won: %v", err)
			}
			return won
		})
		if won != 1 {
			t.Errorf("one code was redeemed %d times", won)
		}
	})
}

func TestLiveSession_saysAllInOneRead(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		s := p.begin(t, db, "openid")
		want := identity.Live{Session: s, User: p.user}
		// What no caller asks for is not read.
		want.Session.CreatedAt, want.Session.LastUsedAt, want.Session.Address, want.Session.UserAgent = time.Time{}, time.Time{}, "", ""
		want.Session.Device, want.Session.Resources, want.Session.Active = identity.Device{}, nil, identity.Active{}
		want.User.PasswordHash, want.User.Epoch, want.User.CreatedAt, want.User.PasswordSetAt = "", 0, time.Time{}, time.Time{}
		same(t, want, must[identity.Live](t)(db.LiveSession(t.Context(), s.ID, "jti")))

		ok(t, db.DenyToken(t.Context(), "jti", db.Now().Add(time.Minute)))
		same(t, want, must[identity.Live](t)(db.LiveSession(t.Context(), s.ID, "another")))
		want.Denied = true
		same(t, want, must[identity.Live](t)(db.LiveSession(t.Context(), s.ID, "jti")))

		_, err := db.LiveSession(t.Context(), identity.NewID(), "jti")
		wantKind(t, err, identity.NotFound)
		_, err = db.LiveSession(t.Context(), s.ID, "j\x00ti")
		wantKind(t, err, identity.NotFound)
	})
}

// turn is the ordinary refresh of s.
func turn(s identity.Session, now time.Time) identity.Turn {
	return identity.Turn{
		SessionID: s.ID, ClientID: s.ClientID, SecretHash: s.SecretHash, Generation: s.Line.Generation,
		IdleEndsAt: now.Add(30 * 24 * time.Hour), Address: "192.0.2.3", ClientEpoch: s.ClientEpoch,
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
			want.UsedBeforeAt, want.Active = want.LastUsedAt, want.Active.Used(db.Calendar().DayOf(w.Now()))
			want.LastUsedAt, want.IdleEndsAt, want.Address = w.Now(), w.Now().Add(30*24*time.Hour), "192.0.2.3"
			same(t, want, must[identity.Session](t)(db.SessionByID(t.Context(), want.ID)))
			got.Active = want.Active // no answer tells it
			same(t, want, got)
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
		must[identity.Struck](t)(db.End(t.Context(), identity.Ending{Session: s.ID, Cause: identity.EndRevoked}))
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
