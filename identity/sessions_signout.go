package identity

import (
	"context"
	"slices"
)

// AppSignOut is an app that signs out without a browser, by any authentic refresh token of it.
type AppSignOut struct {
	Token  RefreshToken
	Holder Holder
	Device bool // not the app alone: the sign-in that its Session began from, and all that began from it
}

// errDevice keeps an app that anyone may have written from signing people out of the operator's.
var errDevice = Refuse(Forbidden, "An app that registered itself can end its own session only. Leave device out.")

// SignOut ends the Session of an authentic refresh token, however old, and with Device the sign-in that it began from.
// It returns whether the Session ended now; false when it was over, or never was. A token of another client touches
// nothing. Refusals: Forbidden (Device, by a client that registered itself), NoProof (a bound Session without its key).
func (s Sessions) SignOut(ctx context.Context, a AppSignOut) (ended bool, err error) {
	if a.Device && a.Holder.Client.SelfRegistered {
		return false, errDevice
	}
	row, err := s.Store.SessionByID(ctx, a.Token.SessionID)
	switch {
	case KindOf(err) == NotFound:
		return false, nil
	case err != nil:
		return false, err
	case !a.Token.Secret.Matches(row.SecretHash) || row.ClientID != a.Holder.Client.ID:
		return false, nil
	case row.Key != (Thumbprint{}) && row.Key != a.Holder.sessionKey():
		return false, errKey
	case !row.Alive(s.Now()):
		return false, nil
	case !a.Device:
		return s.Store.EndSession(ctx, row.ID, EndSignedOut)
	}
	all, err := s.Store.EndSignIn(ctx, SignInEnding{ID: row.SignInID, Cause: EndSignedOut, Offline: true, Session: row.ID})
	return slices.ContainsFunc(all, func(e Ended) bool { return e.SessionID == row.ID }), err
}
