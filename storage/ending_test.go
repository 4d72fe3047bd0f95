package storage_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func TestEndSession_isToldOnce(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		s, other := p.begin(t, db, "offline_access"), p.begin(t, db, "offline_access")
		ended := race(func(int) bool {
			ended, err := db.End(t.Context(), identity.Ending{Session: s.ID, Cause: identity.EndReuse})
			if err != nil {
				t.Error(err)
			}
			return len(ended.Sessions) > 0
		})
		if told := p.told(t, db, identity.SessionEnded, identity.EndReuse); ended != 1 || told != 1 {
			t.Errorf("it ended %d times and was told %d times", ended, told)
		}
		got := must[identity.Session](t)(db.SessionByID(t.Context(), s.ID))
		if got.EndCause != identity.EndReuse || got.EndedAt.IsZero() || got.Alive(db.Now()) {
			t.Errorf("it became %+v", got)
		}
		events := must[[]identity.Event](t)(db.Events(t.Context(), identity.EventQuery{UserID: p.user.ID, Limit: 1}))
		want := identity.Event{
			ID: events[0].ID, At: got.EndedAt, Kind: identity.SessionEnded, UserID: p.user.ID, SessionID: s.ID, ClientID: "app",
			Detail: "reuse",
		}
		same(t, []identity.Event{want}, events)
		same(t, other, must[identity.Session](t)(db.SessionByID(t.Context(), other.ID)))
		if struck(t, db, identity.Ending{Session: identity.NewID(), Cause: identity.EndReuse}) != 0 {
			t.Error("a session that never was ended")
		}
	})
}

// What expired keeps saying so: a password that changes a month later is not why it ended.
func TestEndSession_leavesWhatExpiredAlone(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		p := someone(t, db)
		s := p.begin(t, db, "offline_access")
		w.pass(30*24*time.Hour + time.Second)
		if struck(t, db, identity.Ending{Session: s.ID, Cause: identity.EndRevoked}) == 0 {
			t.Error("a second after its idle end another server may still take it for alive")
		}
		s = someone(t, db).begin(t, db, "offline_access")
		w.pass(31 * 24 * time.Hour)
		if struck(t, db, identity.Ending{Session: s.ID, Cause: identity.EndRevoked}) != 0 {
			t.Error("it was over already")
		}
	})
}

// household is one person with two browsers, and Sessions of two clients that began from them.
type household struct {
	person
	other person // the same one, in the other browser

	online, offline, elsewhere, foreign identity.Session // foreign is of another client
}

func newHousehold(t *testing.T, db *storage.DB) household {
	t.Helper()
	h := household{person: someone(t, db)}
	h.other = h.person
	h.other.signIn = fresh(h.signIn)
	ok(t, db.StartSignIn(t.Context(), h.other.signIn))
	if err := db.CreateClient(t.Context(), identity.Client{ID: "other", CreatedAt: db.Now()}); err != nil {
		wantConflict(t, err)
	}
	h.online, h.offline = h.begin(t, db, "openid"), h.begin(t, db, "offline_access")
	h.elsewhere = h.other.begin(t, db, "offline_access")
	promise := h.other.promise("offline_access")
	s := planned(db, promise)
	s.ClientID = "other"
	row, won, err := db.RedeemCode(t.Context(), promise, s)
	if err != nil || !won {
		t.Fatal("the code was not redeemed:", err)
	}
	h.foreign = row
	return h
}

// alive tells which of the household's Sessions and SignIns live.
func (h household) alive(t *testing.T, db *storage.DB) (all []string) {
	t.Helper()
	for _, s := range []struct {
		name string
		id   identity.ID
	}{{"online", h.online.ID}, {"offline", h.offline.ID}, {"elsewhere", h.elsewhere.ID}, {"foreign", h.foreign.ID}} {
		if must[identity.Session](t)(db.SessionByID(t.Context(), s.id)).EndedAt.IsZero() {
			all = append(all, s.name)
		}
	}
	for _, s := range []struct {
		name string
		id   identity.ID
	}{{"this browser", h.signIn.ID}, {"other browser", h.other.signIn.ID}} {
		if must[identity.Standing](t)(db.StandingOf(t.Context(), s.id)).SignIn.EndedAt.IsZero() {
			all = append(all, s.name)
		}
	}
	return all
}

func TestEndUser_endsAllButWhatItIsToldToKeep(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ending func(h household) identity.Ending
		ended  int
		left   []string
	}{
		"everything": {func(household) identity.Ending { return identity.Ending{} }, 4, nil},
		"all but one sign-in": {
			func(h household) identity.Ending { return identity.Ending{Keep: h.signIn.ID} }, 4, []string{"this browser"},
		},
		"all but one device": {
			func(h household) identity.Ending {
				return identity.Ending{Keep: h.signIn.ID, KeepSessions: true}
			},
			2,
			[]string{"online", "offline", "this browser"},
		},
		"one client": {
			func(household) identity.Ending { return identity.Ending{Of: "other"} },
			1,
			[]string{"online", "offline", "elsewhere", "this browser", "other browser"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storagetest.Run(t, func(t *testing.T, db *storage.DB) {
				h, bystander := newHousehold(t, db), newHousehold(t, db)
				e := c.ending(h)
				e.User, e.Cause = h.user.ID, identity.EndDevice
				for _, want := range []int{c.ended, 0} {
					same(t, want, struck(t, db, e))
				}
				same(t, c.left, h.alive(t, db))
				if told := h.told(t, db, identity.SessionEnded, identity.EndDevice); told != c.ended {
					t.Errorf("%d endings were told", told)
				}
				if left := bystander.alive(t, db); len(left) != 6 {
					t.Errorf("of somebody else, only %v lives on", left)
				}
			})
		})
	}
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		_, err := db.End(t.Context(), identity.Ending{User: identity.NewID(), Cause: identity.EndOperator})
		wantKind(t, err, identity.NotFound)
	})
}

func TestEndSignIn_endsWhatRestsOnItAndWhatItNames(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ending func(h household) identity.Ending
		ended  int
		left   []string
	}{
		"alone": {
			func(household) identity.Ending { return identity.Ending{} },
			1,
			[]string{"offline", "elsewhere", "foreign", "other browser"},
		},
		"with the app that asked": {
			func(h household) identity.Ending { return identity.Ending{With: h.offline.ID} },
			2,
			[]string{"elsewhere", "foreign", "other browser"},
		},
		"with all that began from it": {
			func(household) identity.Ending { return identity.Ending{Offline: true} },
			2,
			[]string{"elsewhere", "foreign", "other browser"},
		},
		"with a session of another sign-in": {
			func(h household) identity.Ending { return identity.Ending{With: h.elsewhere.ID} },
			2,
			[]string{"offline", "foreign", "other browser"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storagetest.Run(t, func(t *testing.T, db *storage.DB) {
				h := newHousehold(t, db)
				e := c.ending(h)
				e.SignIn, e.Cause = h.signIn.ID, identity.EndSignedOut
				if ended := struck(t, db, e); ended != c.ended {
					t.Errorf("it says that it ended %v", ended)
				}
				same(t, c.left, h.alive(t, db))
			})
		})
	}
}

// A code that is redeemed while everything of its user ends either loses, or starts a Session that the ending ends.
func TestEndUser_leavesNoSessionOfACodeBesideIt(t *testing.T) {
	t.Parallel()
	endings := map[string]func(ctx context.Context, db *storage.DB, p person) error{
		"everything": func(ctx context.Context, db *storage.DB, p person) error {
			_, err := db.End(ctx, identity.Ending{User: p.user.ID, Cause: identity.EndNotMe})
			return err
		},
		"consent": func(ctx context.Context, db *storage.DB, p person) error {
			return identity.Devices{Store: db, Now: db.Now}.Withdraw(ctx, identity.From{UserID: p.user.ID}, "app")
		},
		"lock": func(ctx context.Context, db *storage.DB, p person) error {
			_, err := identity.Operators{Store: db, Now: db.Now}.Lock(ctx, p.user.ID)
			return err
		},
	}
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storagetest.Run(t, func(t *testing.T, db *storage.DB) {
				for range 8 {
					p := someone(t, db)
					race(func(i int) bool {
						if i == 7 {
							ok(t, end(t.Context(), db, p))
							return true
						}
						promise := p.promise("offline_access")
						_, won, err := db.RedeemCode(t.Context(), promise, planned(db, promise))
						if err != nil {
							t.Error(err)
						}
						return won
					})
					if left := p.living(t, db); left != 0 {
						t.Fatalf("%d sessions outlived the ending", left)
					}
				}
			})
		})
	}
}

// beginnings are what a person begins, in a transaction that is still open when everything of theirs ends.
var beginnings = map[string]func(ctx context.Context, db *storage.DB, p person) error{
	"a sign-in": func(ctx context.Context, db *storage.DB, p person) error { return db.StartSignIn(ctx, fresh(p.signIn)) },
	"an exchange": func(ctx context.Context, db *storage.DB, p person) error {
		promise := p.promise("offline_access")
		_, _, err := db.RedeemCode(ctx, promise, planned(db, promise))
		return err
	},
}

// An ending waits for what began before it, and ends that too.
func TestEndUser_waitsForWhatIsBeginning(t *testing.T) {
	t.Parallel()
	for name, ending := range map[string]func(p person) identity.Ending{
		"all":    func(person) identity.Ending { return identity.Ending{Cause: identity.EndOperator} },
		"not me": func(person) identity.Ending { return identity.Ending{Cause: identity.EndNotMe} },
		"others": func(person) identity.Ending {
			return identity.Ending{Cause: identity.EndDevice, Keep: identity.NewID(), KeepSessions: true}
		},
		"credential": func(p person) identity.Ending {
			return identity.Ending{Cause: identity.EndPassword, Keep: p.signIn.ID}
		},
		"client": func(person) identity.Ending {
			return identity.Ending{Cause: identity.EndConsent, Of: "app"}
		},
	} {
		for what, begin := range beginnings {
			t.Run(name+", "+what, func(t *testing.T) {
				t.Parallel()
				storagetest.Run(t, func(t *testing.T, db *storage.DB) {
					p, over := someone(t, db), func() {}
					e := ending(p)
					e.User = p.user.ID
					ok(t, db.InTx(t.Context(), func(ctx context.Context) error {
						err := begin(ctx, db, p)
						over = heldUp(t, db, func() { must[identity.Struck](t)(db.End(t.Context(), e)) })
						return err
					}))
					over()
					if n := p.living(t, db); n != 0 {
						t.Errorf("%d sessions outlived the ending", n)
					}
					if n := p.signedIn(t, db, e.Keep); n != 0 && e.Of == "" {
						t.Errorf("%d sign-ins outlived the ending", n)
					}
				})
			})
		}
	}
}

// The rows of Sessions are locked in the order of their ids, whatever order they lie in: two endings that meet don't wait
// for each other.
func TestEndUser_locksSessionsInTheOrderOfTheirIDs(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t, storage.Postgres)
	p, ids := someone(t, db), make([]identity.ID, 4)
	for i := range ids {
		ids[i] = identity.NewID()
	}
	for _, id := range slices.Backward(ids) {
		promise := p.promise("offline_access")
		promise.SessionID = id
		if _, won, err := db.RedeemCode(t.Context(), promise, planned(db, promise)); err != nil || !won {
			t.Fatal("no session began:", err)
		}
	}
	over := func() {}
	ok(t, db.InTx(t.Context(), func(ctx context.Context) error {
		err := db.Q(ctx).Exec("SELECT id FROM sessions WHERE id = ? FOR UPDATE", ids[0]).Error
		over = heldUp(t, db, func() {
			must[identity.Struck](t)(db.End(t.Context(), identity.Ending{User: p.user.ID, Cause: identity.EndNotMe}))
		})
		return errors.Join(err, db.Q(ctx).Exec("SELECT id FROM sessions WHERE id > ? FOR UPDATE NOWAIT", ids[0]).Error)
	}))
	over()
}

// A refresh that starts after an ending committed gives nothing, whatever raced with it.
func TestEndUser_noRefreshAfterItGivesAnything(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T, db *storage.DB) {
		p := someone(t, db)
		s := p.begin(t, db, "offline_access")
		race(func(i int) bool {
			switch i {
			case 3:
				must[identity.Struck](t)(db.End(t.Context(), identity.Ending{User: p.user.ID, Cause: identity.EndOperator}))
			case 7:
				must[identity.Struck](t)(db.End(t.Context(), identity.Ending{Session: s.ID, Cause: identity.EndDevice}))
			default:
				turn := turn(s, db.Now())
				turn.Keep = true // so that each of them may win
				must[identity.Session](t)(noVerdict(db.Advance(t.Context(), turn)))
				return true
			}
			turn := turn(s, db.Now())
			turn.Keep = true
			_, done, err := db.Advance(t.Context(), turn)
			ok(t, err)
			if done {
				t.Error("a refresh was served after the ending had committed")
			}
			return true
		})
		if told := len(must[[]identity.Event](t)(db.Events(t.Context(), identity.EventQuery{UserID: p.user.ID, Limit: 10}))); told != 2 {
			t.Errorf("%d events, want one for the session and one for the sign-in", told)
		}
	})
}

func noVerdict(s identity.Session, _ bool, err error) (identity.Session, error) { return s, err }

func TestDeleteGrant_voidsTheCodesThatRestOnIt(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		p := someone(t, db)
		before := p.promise("offline_access")
		ok(t, failed(db.SaveGrant(t.Context(), identity.Grant{UserID: p.user.ID, ClientID: "app", UpdatedAt: w.Now()}, identity.MaxGrants)))
		ok(t, db.DeleteGrant(t.Context(), p.user.ID, "app"))
		same(t, identity.Grant{}, must[identity.Grant](t)(db.GrantOf(t.Context(), p.user.ID, "app")))
		if _, won, err := db.RedeemCode(t.Context(), before, planned(db, before)); won || err != nil {
			t.Errorf("a code from before was redeemed: %v, %v", won, err)
		}
		w.pass(time.Second)
		after := p.promise("offline_access")
		after.IssuedAt = w.Now()
		if _, won, err := db.RedeemCode(t.Context(), after, planned(db, after)); !won || err != nil {
			t.Errorf("a code from after was not redeemed: %v, %v", won, err)
		}
		wantKind(t, db.DeleteGrant(t.Context(), identity.NewID(), "app"), identity.NotFound)
	})
}
