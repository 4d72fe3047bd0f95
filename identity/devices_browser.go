package identity

import "context"

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
	_, err = d.Store.EndSignIn(ctx, SignInEnding{ID: signInID, Cause: EndDevice})
	return err
}
