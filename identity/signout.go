package identity

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	signOutPrefix = "sj_so_"
	// maxSignOut bounds an asked sign-out in bytes: a redirect URI, a state, and what else an app says, fit well.
	maxSignOut = 4 * 1024
)

// AskedSignOut is a sign-out that an app asked for (OpenID Connect RP-Initiated Logout 1.0 §2), on its way to the page
// that decides about it. It says what was asked; who is signed in is in the SignIn behind the cookie (DESIGN law 6). What
// the app proved counts for an hour, and it holds no ID token: that stays out of addresses.
type AskedSignOut struct {
	ClientID  string `json:"c,omitempty"` // the app, by its ID token or by its own word; empty: it didn't say
	Sub       string `json:"u,omitempty"` // whom the ID token names; empty: none came that is ours
	SessionID ID     `json:"s"`           // of the app's Session, by the ID token; zero: unknown
	LoginHint string `json:"h,omitempty"` // logout_hint
	Back      string `json:"b,omitempty"` // post_logout_redirect_uri, not yet compared with anything
	State     string `json:"t,omitempty"`
	At        int64  `json:"i,omitempty"` // when it was asked, in seconds since 1970
}

// Within returns what a request still says at now: after an hour (AskedFor) no more whom its ID token named, so that the
// person is asked, and an address that somebody kept signs nobody out.
func (a AskedSignOut) Within(now time.Time) AskedSignOut {
	if now.Sub(time.Unix(a.At, 0)) >= AskedFor {
		a.Sub, a.SessionID = "", ID{}
	}
	return a
}

// SignOutText seals a sign-out for the page's address. It refuses one of more than 4,096 bytes.
func (k *Keyring) SignOutText(a AskedSignOut) (string, error) {
	body, err := json.Marshal(a)
	if err != nil {
		return "", err
	}
	if len(body) > maxSignOut {
		return "", Refuse(Invalid, "The request is too long: its parameters may have 4,096 bytes together.")
	}
	return toText(signOutPrefix, k.Seal(ForSignOut, body, nil)), nil
}

// ReadSignOut returns what SignOutText sealed, or ErrForged.
func (k *Keyring) ReadSignOut(text string) (a AskedSignOut, err error) {
	raw, err := fromText(signOutPrefix, text)
	if err != nil {
		return a, err
	}
	body, err := k.Open(ForSignOut, raw, nil)
	if err != nil || json.Unmarshal(body, &a) != nil {
		return AskedSignOut{}, ErrForged
	}
	return a, nil
}

// Names reports whether the app's ID token names this person, whom the app knows as sub, and nothing that it says names another.
func (a AskedSignOut) Names(u User, sub string) bool {
	hint, err := KnownEmail(a.LoginHint)
	other := err == nil && hint != u.Email // anything but an address is a hint that means nothing here
	return a.Sub != "" && a.Sub == sub && !other
}

// BackTo returns where the browser goes afterwards: the address that the app asked for, if the client registered it, with
// the app's state (RP-Initiated Logout 1.0 §3); else nothing.
func (a AskedSignOut) BackTo(c Client) string {
	switch {
	case a.Back == "" || !c.MatchSignedOut(a.Back):
		return ""
	case a.State == "":
		return a.Back
	}
	return AddQuery(a.Back, url.Values{"state": {a.State}})
}

// SignOut signs a browser out as an app asked: with its SignIn also the app's own Session ends, offline or not, if it is
// one of the same person. Where nobody is signed in any more, the app's own Session is all that ends. It returns the
// Sessions that ended.
func (s SignIns) SignOut(ctx context.Context, standing Standing, a AskedSignOut, seen Seen) ([]Ended, error) {
	own, err := s.ownSession(ctx, a)
	if err != nil {
		return nil, err
	}
	if standing.SignedIn() {
		if own.UserID != standing.User.ID {
			own = Session{}
		}
		struck, err := s.Store.End(ctx, Ending{
			SignIn: standing.SignIn.ID, With: own.ID, Cause: EndSignedOut, Address: seen.Address,
		})
		return struck.Sessions, err
	}
	if own.ID == (ID{}) {
		return nil, nil
	}
	struck, err := s.Store.End(ctx, Ending{Session: own.ID, Cause: EndSignedOut, Address: seen.Address})
	return struck.Sessions, err
}

// MayEndAll reports whether an app that asked may sign the browser out without asking the person: that ends other apps too.
func (s SignIns) MayEndAll(ctx context.Context, c Client, a AskedSignOut) (bool, error) {
	own, err := s.ownSession(ctx, a)
	if err != nil || !own.Alive(s.Now()) { // what a Session was allowed ends with it
		own.Scopes = nil
	}
	return err == nil && c.ManagesDevices(own.Scopes), err
}

// ownSession returns the Session that the app's ID token was issued in; zero when none came, or it is long gone.
func (s SignIns) ownSession(ctx context.Context, a AskedSignOut) (Session, error) {
	if a.Sub == "" {
		return Session{}, nil
	}
	row, err := s.Store.SessionByID(ctx, a.SessionID)
	if KindOf(err) == NotFound {
		return Session{}, nil
	}
	if row.Sub != a.Sub || row.ClientID != a.ClientID {
		return Session{}, err
	}
	return row, err
}

// AppSignOut is an app that signs out without a browser, by any authentic refresh token of it.
type AppSignOut struct {
	Token  RefreshToken
	Holder Holder
	Device bool // not the app alone: the sign-in that its Session began from, and all that began from it
}

// errDevice keeps an app that nobody trusted with more from signing people out of others.
var errDevice = Refuse(Forbidden, "This app can end its own session only: it needs the scope devices for more. Leave device out.")

// SignOut ends the Session of an authentic refresh token, however old, and with Device the sign-in that it began from.
// It returns whether the Session ended now; false when it was over, or never was. A token of another client touches
// nothing. Refusals: Forbidden (Device, by a client that may not), NoProof (a bound Session without its key).
func (s Sessions) SignOut(ctx context.Context, a AppSignOut) (ended bool, err error) {
	row, err := s.Store.SessionByID(ctx, a.Token.SessionID)
	switch {
	case KindOf(err) == NotFound:
		return false, nil
	case err != nil:
		return false, err
	case !a.Token.Secret.Matches(row.SecretHash) || row.ClientID != a.Holder.Client.ID:
		return false, nil
	case !a.Holder.mayEnd(row):
		return false, errKey
	case a.Device && !a.Holder.Client.ManagesDevices(row.Scopes):
		return false, errDevice
	case !row.Alive(s.Now()):
		return false, nil
	}
	e := Ending{Session: row.ID, Cause: EndSignedOut, Address: a.Holder.Seen.Address}
	if a.Device {
		e.Session, e.SignIn, e.With, e.Offline = ID{}, row.SignInID, row.ID, true
	}
	struck, err := s.Store.End(ctx, e)
	return slices.ContainsFunc(struck.Sessions, func(e Ended) bool { return e.SessionID == row.ID }), err
}

// StateCookie is the name of the cookie that scripts of ours may read: who is signed in changed, if it did (OpenID
// Connect Session Management 1.0 §3). It opens nothing.
const StateCookie = "sojourn_state"

// BrowserState is what the cookie holds: another value after every sign-in, second factor and change of credentials. It
// is made from the secret's hash, so it says nothing of either.
func (s Standing) BrowserState() string {
	sum := sha256.Sum256(append([]byte("sojourn browser state "), s.SignIn.SecretHash...))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// SessionState is session_state: what an app gives to our frame in its page, which compares it with the browser's state
// (Session Management 1.0 §3.2). The origin is the app's; the salt keeps two apps from comparing theirs.
func (s Standing) SessionState(clientID, origin, salt string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{clientID, origin, s.BrowserState(), salt}, " ")))
	return hex.EncodeToString(sum[:]) + "." + salt
}
