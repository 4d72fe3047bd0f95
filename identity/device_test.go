package identity_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sojourn-auth/sojourn/identity"
)

func (w *world) devices() identity.Devices { return identity.Devices{Store: w.db, Now: w.clock.now} }

// begin starts a Session in the browser behind a cookie.
func (w *world) begin(cookie string, scopes ...string) identity.RefreshToken {
	w.Helper()
	_, token, err := w.sessions.Start(w.Context(), w.promise(cookie, scopes...), identity.Holder{Client: w.client})
	if err != nil {
		w.Fatal(err)
	}
	return token
}

func (w *world) wantKind(err error, want identity.Kind) {
	w.Helper()
	if identity.KindOf(err) != want {
		w.Errorf("the refusal is %v, want kind %d", err, want)
	}
}

func TestDevices_endingOneEndsTheBrowserItBeganFrom(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		here, lost := w.signIn(), w.signIn()
		mine, stolen, sibling := w.begin(here, "offline_access"), w.begin(lost, "offline_access"), w.begin(lost, "openid")
		from := w.standing(here).From(identity.Seen{})
		if err := w.devices().End(w.Context(), from, stolen.SessionID); err != nil {
			w.Fatal(err)
		}
		if w.row(stolen.SessionID).EndCause != identity.EndDevice || w.row(sibling.SessionID).EndedAt.IsZero() {
			w.Error("the device goes on")
		}
		if w.standing(lost).SignedIn() || !w.standing(here).SignedIn() {
			w.Error("the lost phone's browser must be signed out, and this one not")
		}
		w.wantKind(w.devices().End(w.Context(), from, stolen.SessionID), identity.NotFound)
		if err := w.devices().End(w.Context(), from, mine.SessionID); err != nil || !w.standing(here).SignedIn() {
			w.Error("ending an app of this browser must leave the browser signed in:", err)
		}
	})
}

func TestDevices_nobodyEndsWhatIsSomebodyElses(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		token := w.start()
		stranger := identity.From{UserID: identity.NewID(), SignInID: w.row(token.SessionID).SignInID}
		for _, id := range []identity.ID{token.SessionID, identity.NewID()} {
			w.wantKind(w.devices().End(w.Context(), stranger, id), identity.NotFound)
		}
		w.mustRefresh(token)
	})
}

func TestDevices_endingAllOthersSparesThisOne(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		here, there := w.signIn(), w.signIn()
		mine, theirs := w.begin(here, "offline_access"), w.begin(there, "offline_access")
		err := w.devices().EndOthers(w.Context(), w.standing(here).From(identity.Seen{}))
		if ended := w.events(identity.SessionEnded); err != nil || ended != 1 || w.standing(there).SignedIn() || !w.standing(here).SignedIn() {
			w.Errorf("ended %d: %v", ended, err)
		}
		w.mustRefresh(mine)
		_, err = w.refresh(theirs)
		w.wantRefused(err, "another device")
		if err := w.devices().NotMe(w.Context(), w.user.ID, identity.Seen{}); err != nil || w.standing(here).SignedIn() {
			w.Error("it wasn't me spares nobody:", err)
		}
	})
}

func TestDevices_withdrawnConsentEndsTheApp(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		cookie := w.signIn()
		token := w.begin(cookie, "offline_access")
		grants := identity.Grants{Store: w.db, Now: w.clock.now}
		if err := grants.Allow(w.Context(), w.standing(cookie), identity.Demand{Client: w.client, Scopes: []string{"openid"}}); err != nil {
			w.Fatal(err)
		}
		if err := w.devices().Withdraw(w.Context(), w.standing(cookie).From(identity.Seen{}), w.client.ID); err != nil {
			w.Fatal(err)
		}
		if w.row(token.SessionID).EndCause != identity.EndConsent || !w.standing(cookie).SignedIn() {
			w.Error("the app's session must end, and the browser stay signed in")
		}
		if w.events(identity.ConsentWithdrawn) != 1 {
			w.Error("nothing tells of it")
		}
	})
}

func TestCredentials_aChangeKeepsThisBrowserAndEndsTheRest(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		here, there := w.signIn(), w.signIn()
		mine, theirs := w.begin(here, "offline_access"), w.begin(there, "openid")
		credentials := identity.Credentials{Store: w.db, Keys: w.keys, Passwords: w.users.Passwords, Now: w.clock.now}
		change := identity.NewPassword{Current: "wrong " + password, New: "another horse battery"}
		_, err := credentials.ChangePassword(w.Context(), w.standing(here), change)
		w.wantKind(err, identity.BadLogin)
		change.Current = password
		next, err := credentials.ChangePassword(w.Context(), w.standing(here), change)
		if err != nil {
			w.Fatal(err)
		}
		if w.standing(here).SignedIn() || w.standing(there).SignedIn() || !w.standing(next).SignedIn() {
			w.Error("this browser goes on under a new cookie, and nothing else does")
		}
		for _, token := range []identity.RefreshToken{mine, theirs} {
			_, err := w.refresh(token)
			w.wantRefused(err, "a session from before the change")
		}
		w.begin(next, "offline_access")
		if w.events(identity.PasswordChanged) != 1 {
			w.Error("nothing tells of it")
		}
		_, err = credentials.ChangePassword(w.Context(), w.standing(next), identity.NewPassword{Current: password, New: "short"})
		w.wantKind(err, identity.Invalid)
	})
}

// Each change is mailed to the owner, and such mails are never dropped: so the changes are bounded, not the mails.
func TestCredentials_elevenChangesInADayAreOneTooMany(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		cookie, credentials := w.signIn(), w.byMail().Credentials
		change := identity.NewPassword{Current: password, New: password}
		for range identity.ChangeThrottle.Free {
			next, err := credentials.ChangePassword(w.Context(), w.standing(cookie), change)
			if err != nil {
				w.Fatal(err)
			}
			cookie = next
		}
		_, err := credentials.ChangePassword(w.Context(), w.standing(cookie), change)
		w.wantKind(err, identity.Throttled)
		if told := w.events(identity.PasswordChanged); told != identity.ChangeThrottle.Free || !w.standing(cookie).SignedIn() {
			w.Errorf("%d changes are told of; the browser stays signed in: %v", told, w.standing(cookie).SignedIn())
		}
		user := w.standing(cookie).User
		if err := credentials.ResetPassword(w.Context(), user.ID, user.PasswordHash, identity.Seen{}); err != nil { // the owner's, by mail
			w.Fatal(err)
		}
		if _, err := credentials.ChangePassword(w.Context(), w.standing(w.signIn()), change); err != nil {
			w.Errorf("the owner waits for what a thief did: %v", err)
		}
	})
}

func TestCredentials_oneOfSixteenChangesWins(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		standing := w.standing(w.signIn())
		credentials := identity.Credentials{Store: w.db, Keys: w.keys, Passwords: w.users.Passwords, Now: w.clock.now}
		change := identity.CredentialChange{Cause: identity.EndFactor, Event: identity.FactorRemoved}
		var done int
		for _, err := range race(16, func(int) error {
			_, err := credentials.Change(w.Context(), standing, change, func(context.Context) error { return nil })
			return err
		}) {
			if err == nil {
				done++
				continue
			}
			w.wantKind(err, identity.SignInAgain)
		}
		if done != 1 || w.events(identity.FactorRemoved) != 1 {
			w.Errorf("%d changes were made from one cookie, %d told", done, w.events(identity.FactorRemoved))
		}
	})
}

func TestDeviceFrom_takesAnythingAndKeepsWhatCanBeShown(t *testing.T) {
	t.Parallel()
	got := identity.DeviceFrom(func(name string) string {
		return map[string]string{
			"device_name": " Zoë’s\u202e\nphone\x00 ", "device_model": strings.Repeat("ü", 100), "install_id": "\xff\xfe",
		}[name]
	})
	if got.Name != "Zoë’sphone" || got.InstallID != "" || got.AppVersion != "" {
		t.Errorf("%+q", got)
	}
	if len(got.Model) > identity.MaxDevice || !utf8.ValidString(got.Model) || got != got.Clean() {
		t.Errorf("%q", got.Model)
	}
}

func TestCode_carriesTheDeviceWhereItFits(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		cookie := w.signIn()
		p := w.promise(cookie, "openid", "custom")
		p.Device, p.Resources = identity.Device{Name: "Ada's phone", AppVersion: "2.0"}, []string{"https://api.example"}
		text, err := w.keys.CodeText(p)
		if err != nil {
			w.Fatal(err)
		}
		got, err := w.keys.ReadCode(text)
		if err != nil || got.Device != p.Device || !slices.Equal(got.Resources, p.Resources) || !slices.Equal(got.Scopes, p.Scopes) {
			w.Errorf("%+v, %v", got, err)
		}
		long := strings.Repeat("x", identity.MaxDevice)
		p.Device = identity.Device{Name: long, Model: long, AppVersion: long, InstallID: long}
		p.Nonce = strings.Repeat("n", 400)
		if text, err = w.keys.CodeText(p); err != nil {
			w.Fatal("a long description must not keep anyone from signing in:", err)
		}
		if got, err = w.keys.ReadCode(text); err != nil || got.Device != (identity.Device{}) || got.Nonce != p.Nonce {
			w.Errorf("%+v, %v", got, err)
		}
	})
}

func TestRefresh_takesANewDescriptionOfTheDevice(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		promise := w.promise(w.signIn(), "offline_access")
		promise.Device = identity.Device{Name: "Ada's phone", AppVersion: "1"}
		_, token, err := w.sessions.Start(w.Context(), promise, identity.Holder{Client: w.client, Device: identity.Device{AppVersion: "1.1"}})
		if err != nil {
			w.Fatal(err)
		}
		if got := w.row(token.SessionID).Device; got != (identity.Device{Name: "Ada's phone", AppVersion: "1.1"}) {
			w.Errorf("%+v", got)
		}
		_, _, err = w.sessions.Refresh(w.Context(), token, identity.Holder{Client: w.client, Device: identity.Device{AppVersion: "2"}})
		if err != nil {
			w.Fatal(err)
		}
		if got := w.row(token.SessionID).Device; got != (identity.Device{Name: "Ada's phone", AppVersion: "2"}) {
			w.Errorf("%+v", got)
		}
	})
}
