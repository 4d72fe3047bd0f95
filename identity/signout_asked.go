package identity

import (
	"context"
	"encoding/json"
	"net/url"
)

const (
	signOutPrefix = "sj_so_"
	// maxSignOut bounds an asked sign-out in bytes: a redirect URI, a state, and what else an app says, fit well.
	maxSignOut = 4 * 1024
)

// AskedSignOut is a sign-out that an app asked for (OpenID Connect RP-Initiated Logout 1.0 §2), on its way to the page
// that decides about it. It says what was asked; who is signed in is in the SignIn behind the cookie (DESIGN law 6). It
// never expires, and it holds no ID token: that stays out of addresses.
type AskedSignOut struct {
	ClientID  string `json:"c,omitempty"` // the app, by its ID token or by its own word; empty: it didn't say
	Sub       string `json:"u,omitempty"` // whom the ID token names; empty: none came that is ours
	SessionID ID     `json:"s"`           // of the app's Session, by the ID token; zero: unknown
	LoginHint string `json:"h,omitempty"` // logout_hint
	Back      string `json:"b,omitempty"` // post_logout_redirect_uri, not yet compared with anything
	State     string `json:"t,omitempty"`
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

// Names reports whether the app's ID token names this person, and nothing that it says names another.
func (a AskedSignOut) Names(u User) bool {
	hint, err := CleanEmail(a.LoginHint)
	other := err == nil && hint != u.Email // anything but an address is a hint that means nothing here
	return a.Sub != "" && a.Sub == u.Sub && !other
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
	return withQuery(a.Back, url.Values{"state": {a.State}})
}

// SignOut signs a browser out as an app asked: with its SignIn also the app's own Session ends, offline or not, if it is
// one of the same person. Where nobody is signed in any more, the app's own Session is all that ends. It returns the
// Sessions that ended.
func (s SignIns) SignOut(ctx context.Context, standing Standing, a AskedSignOut) ([]Ended, error) {
	own, err := s.ownSession(ctx, a)
	if err != nil {
		return nil, err
	}
	if standing.SignedIn() {
		if own.UserID != standing.User.ID {
			own = Session{}
		}
		return s.End(ctx, standing, own.ID)
	}
	if own.ID == (ID{}) {
		return nil, nil
	}
	done, err := s.Store.EndSession(ctx, own.ID, EndSignedOut)
	if err != nil || !done {
		return nil, err
	}
	return []Ended{{SessionID: own.ID, UserID: own.UserID, ClientID: own.ClientID}}, nil
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
