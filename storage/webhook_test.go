package storage_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
)

func tellOf(t *testing.T, d *storage.DB, kind identity.EventKind) {
	t.Helper()
	ok(t, d.AddEvent(t.Context(), identity.Event{ID: identity.NewID(), At: d.Now(), Kind: kind}))
}

func TestWebhooks_areToldOfWhatTheyAskedForAlone(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, _ *watch) {
		hooks := identity.Webhooks{Store: db, Now: db.Now}
		_, err := hooks.Add(t.Context(), &identity.Webhook{Name: "some", URL: "https://a.example/in", Kinds: []identity.EventKind{identity.UserLocked}})
		ok(t, err)
		_, err = hooks.Add(t.Context(), &identity.Webhook{Name: "all", URL: "https://b.example/in"})
		ok(t, err)
		ok(t, db.LoadWebhooks(t.Context()))
		tellOf(t, db, identity.UserLocked)
		tellOf(t, db, identity.UserUnlocked)
		tellOf(t, db, identity.SessionForked) // bad networks do that all day
		same(t, 1, must[int](t)(db.CountWebhookWaiting(t.Context(), "some")))
		same(t, 2, must[int](t)(db.CountWebhookWaiting(t.Context(), "all")))

		ok(t, hooks.Remove(t.Context(), "all"))
		same(t, 0, must[int](t)(db.CountWebhookWaiting(t.Context(), "all")))
		wantKind(t, hooks.Remove(t.Context(), "all"), identity.NotFound)
	})
}

func TestWebhooks_areTenAndHaveAName(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, _ *watch) {
		hooks := identity.Webhooks{Store: db, Now: db.Now}
		add := func(name, url string, kinds ...identity.EventKind) error {
			_, err := hooks.Add(t.Context(), &identity.Webhook{Name: name, URL: url, Kinds: kinds})
			return err
		}
		for _, wrong := range []string{
			"", "a b", strings.Repeat("a", 65), "ä",
		} {
			wantKind(t, add(wrong, "https://a.example/"), identity.Invalid)
		}
		for _, wrong := range []string{
			"", "http://a.example/", "https://", "https://u:p@a.example/", "https://a.example/#x", "ftp://a.example/", "http://127.0.0.1/",
			"https://a.example/" + strings.Repeat("a", 512),
		} {
			wantKind(t, add("a", wrong), identity.Invalid)
		}
		wantKind(t, add("a", "https://a.example/", "no.such"), identity.Invalid)
		for i := range identity.MaxWebhooks {
			ok(t, add(string(rune('a'+i)), "https://a.example/"))
		}
		wantKind(t, add("a", "https://a.example/"), identity.Conflict)
		wantKind(t, add("z", "https://a.example/"), identity.Conflict)
	})
}

// A program that is away for days costs the database a bounded number of rows; what it missed is known, and told by a replay.
func TestWebhooks_whatIsTooMuchIsMissedAndReplayed(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		hooks := identity.Webhooks{Store: db, Now: db.Now}
		_, err := hooks.Add(t.Context(), &identity.Webhook{Name: "away", URL: "https://a.example/in", Kinds: []identity.EventKind{identity.UserLocked}})
		ok(t, err)
		began := db.Now()
		ok(t, db.LoadWebhooks(t.Context()))
		db.FillWebhooks()
		missed := db.Now()
		tellOf(t, db, identity.UserLocked)
		w.pass(time.Minute)
		tellOf(t, db, identity.UserLocked)
		all := must[[]identity.Webhook](t)(hooks.All(t.Context()))
		same(t, missed, all[0].MissedSince)
		same(t, 0, must[int](t)(db.CountWebhookWaiting(t.Context(), "away")))

		done := must[identity.Replayed](t)(hooks.Replay(t.Context(), "away", began))
		same(t, identity.Replayed{Events: 2}, done)
		same(t, 2, must[int](t)(db.CountWebhookWaiting(t.Context(), "away")))
		all = must[[]identity.Webhook](t)(hooks.All(t.Context()))
		same(t, time.Time{}, all[0].MissedSince)
		_, err = hooks.Replay(t.Context(), "nobody", began)
		wantKind(t, err, identity.NotFound)
	})
}

// A replay looks through so much at once and says where the next one goes on; what was missed is forgotten as far as they got. What is kept
// no longer is not told again, and neither is it an error.
func TestWebhooks_aReplayGoesOnWhereItStoppedAndBeginsWhereEventsDo(t *testing.T) {
	t.Parallel()
	onWatch(t, func(t *testing.T, db *storage.DB, w *watch) {
		hooks := identity.Webhooks{Store: db, Now: db.Now, Reads: 1}
		began := db.Now()
		happened(t, db, w, 3, identity.Event{Kind: identity.SessionForked})
		w.pass(9 * day)
		_, err := hooks.Add(t.Context(), &identity.Webhook{Name: "late", URL: "https://a.example/in", Kinds: []identity.EventKind{identity.SessionForked}})
		ok(t, err)
		edge := db.Now()
		happened(t, db, w, storage.Batch+2, identity.Event{Kind: identity.SessionForked})
		must[int](t)(db.SealEvents(t.Context()))
		same(t, 3, must[storage.SweptRows](t)(db.Sweep(t.Context())).Events) // forks of nine days ago are kept no longer
		ok(t, db.SetWebhookMissed(t.Context(), "late", edge))

		told, since, rounds := 0, began, 0
		for !since.IsZero() {
			done := must[identity.Replayed](t)(hooks.Replay(t.Context(), "late", since))
			if told, rounds = told+done.Events, rounds+1; rounds > 9 {
				t.Fatalf("a replay never ends: %+v", done)
			}
			since = done.Until
			left := must[[]identity.Webhook](t)(hooks.All(t.Context()))[0].MissedSince
			same(t, since, left)
		}
		if least := storage.Batch + 2; rounds < 2 || told < least || told > least+rounds { // where one goes on it may tell the last one twice
			t.Errorf("%d in %d rounds", told, rounds)
		}
	})
}
