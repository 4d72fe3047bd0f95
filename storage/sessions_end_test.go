package storage_test

import (
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
			ended, err := db.EndSession(t.Context(), s.ID, identity.EndReuse)
			if err != nil {
				t.Error(err)
			}
			return ended
		})
		if told := p.told(t, db, identity.SessionEnded, identity.EndReuse); ended != 1 || told != 1 {
			t.Errorf("it ended %d times and was told %d times", ended, told)
		}
		got := must[identity.Session](t)(db.SessionByID(t.Context(), s.ID))
		if got.EndCause != identity.EndReuse || got.EndedAt.IsZero() || got.Alive(db.Now()) {
			t.Errorf("it became %+v", got)
		}
		events := must[[]identity.Event](t)(db.EventsOf(t.Context(), p.user.ID, 1))
		want := identity.Event{
			ID: events[0].ID, At: got.EndedAt, Kind: identity.SessionEnded, UserID: p.user.ID, SessionID: s.ID, ClientID: "app",
			Detail: "reuse",
		}
		same(t, []identity.Event{want}, events)
		same(t, other, must[identity.Session](t)(db.SessionByID(t.Context(), other.ID)))
		if must[bool](t)(db.EndSession(t.Context(), identity.NewID(), identity.EndReuse)) {
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
		if !must[bool](t)(db.EndSession(t.Context(), s.ID, identity.EndRevoked)) {
			t.Error("a second after its idle end another server may still take it for alive")
		}
		s = someone(t, db).begin(t, db, "offline_access")
		w.pass(31 * 24 * time.Hour)
		if must[bool](t)(db.EndSession(t.Context(), s.ID, identity.EndRevoked)) {
			t.Error("it was over already")
		}
	})
}
