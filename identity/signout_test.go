package identity_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestSignOutText_isReadBackAndNothingElseIs(t *testing.T) {
	t.Parallel()
	keys, err := identity.NewKeyring(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	asked := identity.AskedSignOut{
		ClientID: "app", Sub: "sub", SessionID: identity.NewID(), LoginHint: "a@example.com", Back: "https://a.example/?q=ü", State: "s\"<&",
	}
	text, err := keys.SignOutText(asked)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := keys.ReadSignOut(text); err != nil || got != asked {
		t.Errorf("read %+v, %v", got, err)
	}
	if strings.Contains(text, "example") {
		t.Error("it can be read by anyone")
	}
	asked.Back = strings.Repeat("x", 4096)
	if _, err := keys.SignOutText(asked); identity.KindOf(err) != identity.Invalid {
		t.Errorf("one that is too long: %v", err)
	}
}

// What comes back from a browser may be anything, also something that an earlier version sealed.
func FuzzReadSignOut(f *testing.F) {
	keys, err := identity.NewKeyring(make([]byte, 32))
	if err != nil {
		f.Fatal(err)
	}
	text, err := keys.SignOutText(identity.AskedSignOut{ClientID: "c", Sub: "u", Back: "https://a.example/?q=1", State: "s"})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", "sj_so_", text, text + "A", text[:len(text)-1], strings.Replace(text, "_so_", "_rq_", 1)} {
		f.Add(seed, []byte(`{"c":"app","s":"01890000-0000-7000-8000-000000000000","t":"\ud800"}`))
	}
	f.Fuzz(func(t *testing.T, text string, body []byte) {
		sealed := base64.RawURLEncoding.EncodeToString(keys.Seal(identity.ForSignOut, body, nil))
		for _, text := range []string{text, "sj_so_" + sealed} {
			asked, err := keys.ReadSignOut(text)
			if err != nil {
				continue
			}
			again, err := keys.SignOutText(asked)
			if err != nil {
				continue // too long for us to have sealed it
			}
			if same, err := keys.ReadSignOut(again); err != nil || same != asked {
				t.Errorf("%+v became %+v (%v)", asked, same, err)
			}
		}
	})
}
