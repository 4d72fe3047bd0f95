package identity

import (
	"context"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Device is what an app says of where it runs, so that people find it in their list. All of it is untrusted.
type Device struct {
	Name       string `json:"device_name,omitempty"`  // as its owner calls it: Ada's phone
	Model      string `json:"device_model,omitempty"` // Pixel 9
	AppVersion string `json:"app_version,omitempty"`
	InstallID  string `json:"install_id,omitempty"` // the same as long as the app stays installed
}

// MaxDevice is how many bytes are kept of each part of a Device.
const MaxDevice = 64

// DeviceFrom reads the parameters device_name, device_model, app_version and install_id. What is too long is cut, and
// what cannot be shown is left out: a device that describes itself badly may still sign in.
func DeviceFrom(get func(name string) string) Device {
	return Device{
		Name: cleanFact(get("device_name")), Model: cleanFact(get("device_model")),
		AppVersion: cleanFact(get("app_version")), InstallID: cleanFact(get("install_id")),
	}
}

// Clean returns the Device with every part cut and cleaned as DeviceFrom does.
func (d Device) Clean() Device {
	return Device{cleanFact(d.Name), cleanFact(d.Model), cleanFact(d.AppVersion), cleanFact(d.InstallID)}
}

// Or returns the Device with what it does not say taken from other.
func (d Device) Or(other Device) Device {
	for _, part := range []struct{ own, other *string }{
		{&d.Name, &other.Name}, {&d.Model, &other.Model}, {&d.AppVersion, &other.AppVersion}, {&d.InstallID, &other.InstallID},
	} {
		if *part.own == "" {
			*part.own = *part.other
		}
	}
	return d
}

func cleanFact(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) { // direction marks too: a name must not reorder the page
			return -1
		}
		return r
	}, s)
	if len(s) > MaxDevice {
		s = s[:MaxDevice]
		for !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	return strings.TrimSpace(s)
}

type deviceStore interface {
	ledger
	readers
	ender
	// DeleteGrant forgets what a user allows a client, and voids the codes that rest on it.
	DeleteGrant(ctx context.Context, userID ID, clientID string) error
}

// Devices lets people end what they are signed in with (docs/termination.md).
type Devices struct {
	Store deviceStore
	Now   func() time.Time
}

// From is where a person acts from, and what they spare by it.
type From struct {
	UserID   ID
	SignInID ID // of the browser, or of the app's own Session
	Address  string
}

// From returns where a browser's person acts from.
func (s Standing) From(seen Seen) From { return From{s.User.ID, s.SignIn.ID, seen.Address} }

var errNoDevice = Refuse(NotFound, "There is no such device among yours, or it is signed out already.")

// End ends one of the person's Sessions. The browser sign-in that it began from ends with it, or one tap in the app
// would open the account again without a password; only the one that the person acts from stays. NotFound when the
// Session is over or somebody else's.
func (d Devices) End(ctx context.Context, from From, sessionID ID) error {
	s, err := d.Store.SessionByID(ctx, sessionID)
	if err != nil && KindOf(err) != NotFound {
		return err
	}
	if err != nil || s.UserID != from.UserID || !s.Alive(d.Now()) {
		return errNoDevice
	}
	e := Ending{SignIn: s.SignInID, With: s.ID, Cause: EndDevice, Address: from.Address}
	if s.SignInID == from.SignInID {
		e.SignIn, e.With, e.Session = ID{}, ID{}, s.ID
	}
	_, err = d.Store.End(ctx, e)
	return err
}

// EndOthers ends everything of the person but the sign-in that they act from and the Sessions that began from it.
func (d Devices) EndOthers(ctx context.Context, from From) error {
	_, err := d.Store.End(ctx, Ending{
		User: from.UserID, Cause: EndDevice, Keep: from.SignInID, KeepSessions: true, Address: from.Address,
	})
	return err
}

// NotMe ends everything at once: the person says that somebody else acts in their name. Nothing is spared.
func (d Devices) NotMe(ctx context.Context, userID ID, seen Seen) error {
	_, err := d.Store.End(ctx, Ending{User: userID, Cause: EndNotMe, Address: seen.Address})
	return err
}

// Withdraw takes back what the person allowed a client, and ends its Sessions.
func (d Devices) Withdraw(ctx context.Context, from From, clientID string) error {
	return d.Store.InTx(ctx, func(ctx context.Context) error {
		if err := d.Store.DeleteGrant(ctx, from.UserID, clientID); err != nil {
			return err
		}
		_, err := d.Store.End(ctx, Ending{User: from.UserID, Of: clientID, Cause: EndConsent, Address: from.Address})
		if err != nil {
			return err
		}
		return d.Store.AddRepeat(ctx, Event{
			ID: NewID(), At: d.Now(), Kind: ConsentWithdrawn, UserID: from.UserID, ClientID: clientID, Address: from.Address,
		})
	})
}

var errNoBrowser = Refuse(NotFound, "There is no such browser among yours, or it is signed out already.")

// EndBrowser signs a browser of the person's out, with the Sessions that live only as long as its SignIn. NotFound when
// it is signed out already or somebody else's.
func (d Devices) EndBrowser(ctx context.Context, from From, signInID ID) error {
	s, err := d.Store.StandingOf(ctx, signInID)
	if err != nil {
		return err
	}
	if s.User.ID != from.UserID || s.ending(d.Now()) != "" {
		return errNoBrowser
	}
	_, err = d.Store.End(ctx, Ending{SignIn: signInID, Cause: EndDevice, Address: from.Address})
	return err
}
