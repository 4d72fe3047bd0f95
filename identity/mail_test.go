package identity_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
	"github.com/sojourn-auth/sojourn/storage"
	"github.com/sojourn-auth/sojourn/storage/storagetest"
)

func (w *world) mailLinks() identity.MailLinks {
	return identity.MailLinks{Store: w.db, Keys: w.keys, Now: w.clock.now}
}

func (w *world) mailed(kind identity.LinkKind, detail string) string {
	w.Helper()
	text, err := w.mailLinks().Make(w.Context(), identity.LinkFor{UserID: w.user.ID, Kind: kind, Detail: detail})
	if err != nil {
		w.Fatal(err)
	}
	return text
}

// wantOver checks that a link is refused, by the one sentence that all such links get.
func (w *world) wantOver(text string, kind identity.LinkKind, why string) {
	w.Helper()
	_, read := w.mailLinks().Read(w.Context(), text, kind)
	_, spent := w.mailLinks().Spend(w.Context(), text, kind)
	for _, err := range []error{read, spent} {
		if identity.KindOf(err) != identity.NotFound || !strings.HasPrefix(err.Error(), "This link was used, is too old") {
			w.Errorf("%s: %v", why, err)
		}
	}
}

func TestMailLinks_sayForWhomAndWhatAndWorkOnce(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		text := w.mailed(identity.LinkVerify, w.user.Email)
		want := identity.LinkFor{UserID: w.user.ID, Kind: identity.LinkVerify, Detail: w.user.Email}
		for range 3 { // a mail scanner looks first
			if got, err := w.mailLinks().Read(w.Context(), text, identity.LinkVerify); err != nil || got != want {
				w.Fatalf("read %+v, %v", got, err)
			}
		}
		if strings.Contains(text, "ada") || !strings.HasPrefix(text, "sj_ml_") {
			w.Errorf("the link says %q", text)
		}
		won := 0
		for _, err := range race(16, func(int) error {
			_, err := w.mailLinks().Spend(w.Context(), text, identity.LinkVerify)
			return err
		}) {
			if err == nil {
				won++
			}
		}
		if won != 1 {
			w.Errorf("spent %d times, want once", won)
		}
		w.wantOver(text, identity.LinkVerify, "used")
	})
}

func TestMailLinks_allThatDoNotWorkGetOneAnswer(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		old := w.mailed(identity.LinkReset, "")
		text := w.mailed(identity.LinkReset, "")
		w.wantOver(old, identity.LinkReset, "replaced")
		w.wantOver(text, identity.LinkVerify, "of another kind")
		w.wantOver("", identity.LinkReset, "none")
		w.wantOver(text[:len(text)-1], identity.LinkReset, "cut short")
		w.wantOver(text+"\n", identity.LinkReset, "with a line break")
		w.wantOver(strings.Repeat("x", 100_000), identity.LinkReset, "garbage")
		stranger := identity.MailLinks{Store: w.db, Keys: keyring(w.T, 9), Now: w.clock.now}
		forged, err := stranger.Make(w.Context(), identity.LinkFor{UserID: w.user.ID, Kind: identity.LinkEmail})
		if err != nil {
			w.Fatal(err)
		}
		w.wantOver(forged, identity.LinkEmail, "made with the database alone")
		w.clock.advance(30 * time.Minute)
		w.wantOver(text, identity.LinkReset, "too old")
	})
}

// Whoever acts in a person's name could cause mail after mail: the first one must still stop them.
func TestMailLinks_aLaterMailDoesNotVoidTheWayToStopAThief(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		first, second := w.mailed(identity.LinkNotMe, ""), w.mailed(identity.LinkNotMe, "")
		for _, text := range []string{first, second} {
			if _, err := w.mailLinks().Read(w.Context(), text, identity.LinkNotMe); err != nil {
				w.Error(err)
			}
		}
		w.clock.advance(7 * 24 * time.Hour)
		w.wantOver(first, identity.LinkNotMe, "a week old")
	})
}

func FuzzMailLinks_takeNothingButWhatWasMade(f *testing.F) {
	db := storagetest.Open(f, storage.SQLite)
	links := identity.MailLinks{Store: db, Keys: storagetest.Keys(f), Now: db.Now}
	user, err := identity.Users{Store: db, Passwords: identity.NewPasswords(storagetest.CheapHash), Now: db.Now}.
		Add(f.Context(), identity.NewUser{Email: "ada@example.com", Password: password})
	if err != nil {
		f.Fatal(err)
	}
	made, err := links.Make(f.Context(), identity.LinkFor{UserID: user.ID, Kind: identity.LinkVerify})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{made, made + "A", "sj_ml_", "sj_ml_AQAA", "", "sj_rt_" + made[6:], strings.ToUpper(made)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, err := links.Read(t.Context(), text, identity.LinkVerify)
		if (err == nil) != (text == made) || err != nil && identity.KindOf(err) != identity.NotFound {
			t.Errorf("%q: %v", text, err)
		}
	})
}
