package identity_test

import (
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestEvent_peopleGetMailOnlyOfWhatTheyMightNotKnow(t *testing.T) {
	t.Parallel()
	ada := identity.NewID()
	for name, c := range map[string]struct {
		event identity.Event
		want  bool
	}{
		"a password":                   {identity.Event{Kind: identity.PasswordChanged, UserID: ada}, true},
		"an authenticator":             {identity.Event{Kind: identity.FactorAdded, UserID: ada, Detail: "totp"}, true},
		"an authenticator they had":    {identity.Event{Kind: identity.FactorAdded, UserID: ada, Detail: identity.FactorImported}, false},
		"two copies of a token":        {identity.Event{Kind: identity.SessionEnded, UserID: ada, Detail: string(identity.EndReuse)}, true},
		"a sign-out of their own":      {identity.Event{Kind: identity.SessionEnded, UserID: ada, Detail: string(identity.EndSignedOut)}, false},
		"a sign-in":                    {identity.Event{Kind: identity.SignedIn, UserID: ada}, false},
		"a browser nobody knew":        {identity.Event{Kind: identity.NewBrowser, UserID: ada}, true},
		"something of nobody's":        {identity.Event{Kind: identity.PasswordChanged}, false},
		"a client that was registered": {identity.Event{Kind: identity.ClientRegistered, ClientID: "app"}, false},
	} {
		if got := c.event.Mailed(); got != c.want {
			t.Errorf("%s: mailed %v", name, got)
		}
	}
}
