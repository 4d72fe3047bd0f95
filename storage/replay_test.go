package storage_test

import (
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

func TestReplay_endsWhatLivesAgainAndNothingYounger(t *testing.T) {
	t.Parallel()
	type stage struct{ one, online, offline, younger identity.Session }
	for name, c := range map[string]struct {
		ending func(p person, s stage) storage.Ending
		ended  func(s stage) []identity.Session
		want   storage.Replayed
	}{
		"a session": {
			func(_ person, s stage) storage.Ending { return storage.Ending{Session: s.one.ID} },
			func(s stage) []identity.Session { return []identity.Session{s.one} },
			storage.Replayed{Sessions: 1},
		},
		"a sign-in": {
			func(p person, _ stage) storage.Ending { return storage.Ending{SignIn: p.signIn.ID} },
			func(s stage) []identity.Session { return []identity.Session{s.online} },
			storage.Replayed{Sessions: 1, SignIns: 1},
		},
		"a user": {
			func(p person, _ stage) storage.Ending { return storage.Ending{User: p.user.ID} },
			func(s stage) []identity.Session { return []identity.Session{s.one, s.online, s.offline} },
			storage.Replayed{Sessions: 3, SignIns: 1},
		},
		"a sign-in with all that began from it": {
			func(p person, _ stage) storage.Ending { return storage.Ending{SignIn: p.signIn.ID, Offline: true} },
			func(s stage) []identity.Session { // a sign-in that had ended can't have begun the younger one
				return []identity.Session{s.one, s.online, s.offline, s.younger}
			},
			storage.Replayed{Sessions: 4, SignIns: 1},
		},
		"a user but for one sign-in": {
			func(p person, _ stage) storage.Ending { return storage.Ending{User: p.user.ID, Keep: p.signIn.ID} },
			func(s stage) []identity.Session { return []identity.Session{s.one, s.online, s.offline} },
			storage.Replayed{Sessions: 3},
		},
		"a user but for one device": {
			func(p person, _ stage) storage.Ending {
				return storage.Ending{User: p.user.ID, Keep: p.signIn.ID, KeepSessions: true}
			},
			func(stage) []identity.Session { return nil },
			storage.Replayed{},
		},
		"a user's sessions of a client": {
			func(p person, _ stage) storage.Ending { return storage.Ending{User: p.user.ID, Of: "app"} },
			func(s stage) []identity.Session { return []identity.Session{s.one, s.online, s.offline} },
			storage.Replayed{Sessions: 3},
		},
		"a user's sessions of another client": {
			func(p person, _ stage) storage.Ending { return storage.Ending{User: p.user.ID, Of: "other"} },
			func(stage) []identity.Session { return nil },
			storage.Replayed{},
		},
		"a client": {
			func(person, stage) storage.Ending { return storage.Ending{Client: "app"} },
			func(s stage) []identity.Session { return []identity.Session{s.one, s.online, s.offline} },
			storage.Replayed{Sessions: 3},
		},
		"what was never there": {
			func(person, stage) storage.Ending { return storage.Ending{User: identity.NewID()} },
			func(stage) []identity.Session { return nil },
			storage.Replayed{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
				p := someone(t, db)
				s := stage{
					one: p.begin(t, db, "offline_access"), online: p.begin(t, db, "openid"), offline: p.begin(t, db, "offline_access"),
				}
				e := c.ending(p, s)
				e.At, e.Cause = w.Now(), identity.EndLocked
				w.pass(time.Second)
				s.younger = p.begin(t, db, "offline_access")
				for _, want := range []storage.Replayed{c.want, {}} {
					same(t, want, must[storage.Replayed](t)(db.Replay(t.Context(), e)))
				}
				ended := c.ended(s)
				if left := p.living(t, db); left != int64(4-len(ended)) {
					t.Errorf("%d live on", left)
				}
				for _, gone := range ended {
					if got := must[identity.Session](t)(db.SessionByID(t.Context(), gone.ID)); got.EndCause != identity.EndLocked {
						t.Errorf("ended by %q", got.EndCause)
					}
				}
				if told := p.told(t, db, identity.SessionEnded, identity.EndLocked); told != len(ended) {
					t.Errorf("%d events", told)
				}
			})
		})
	}
}

func TestReplay_addsNothingToTheJournal(t *testing.T) {
	t.Parallel()
	journalled(t, func(t *testing.T, db *storage.DB, path string) {
		s := someone(t, db).begin(t, db, "offline_access")
		_, err := db.Replay(t.Context(), storage.Ending{At: db.Now(), Session: s.ID, Cause: identity.EndRevoked})
		ok(t, err)
		if told := endings(t, path); len(told) > 0 {
			t.Errorf("a replay would read for ever: %v", told)
		}
	})
}

func TestSessions_listsWhatLives(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		p, other := someone(t, db), someone(t, db)
		p.begin(t, db, "openid") // until tomorrow
		w.pass(25 * time.Hour)
		other.signIn.ID = identity.NewID()
		other.signIn.EndsAt = w.Now().Add(time.Hour)
		ok(t, db.StartSignIn(t.Context(), other.signIn))
		p.signIn.ID, p.signIn.EndsAt = identity.NewID(), other.signIn.EndsAt
		ok(t, db.StartSignIn(t.Context(), p.signIn))
		first, foreign, gone, last := p.begin(t, db, "openid"), other.begin(t, db, "offline_access"), p.begin(t, db, "openid"), p.begin(t, db, "openid")
		must[bool](t)(db.EndSession(t.Context(), gone.ID, identity.EndOperator))
		live := func(s identity.Session, p person) identity.Live { return identity.Live{Session: s, User: p.user} }
		same(t, []identity.Live{live(last, p), live(first, p)}, must[[]identity.Live](t)(db.FindSessions(t.Context(), identity.SessionQuery{UserID: p.user.ID, Limit: 10})))
		same(t, []identity.Live{live(last, p), live(foreign, other)},
			must[[]identity.Live](t)(db.FindSessions(t.Context(), identity.SessionQuery{Limit: 2})))
	})
}
