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
				promise := someone(t, db).promise("offline_access")
				redeemed := make(chan bool, 1)
				ok(t, db.InTx(t.Context(), func(ctx context.Context) error {
					err := db.Q(ctx).Exec(end).Error
					go func() {
						_, won, err := db.RedeemCode(t.Context(), promise, planned(db, promise))
						redeemed <- won || err != nil
					}()
					select {
					case won := <-redeemed:
						t.Error("it did not wait")
						redeemed <- won
					case <-time.After(200 * time.Millisecond):
					}
					return err
				}))
				if <-redeemed {
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
