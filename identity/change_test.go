package identity_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestPosition_isReadByTheAppThatItWasMadeFor(t *testing.T) {
	t.Parallel()
	user := identity.NewID()
	want := identity.Position{At: time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC), Change: identity.NewID()}
	text := want.Text(user, "app")
	if got, ok := identity.ReadPosition(text, user, "app"); !ok || got != want {
		t.Errorf("read %+v (%v), want %+v", got, ok, want)
	}
	if strings.ContainsAny(text, "\r\n\x00") || len(text) > 64 {
		t.Errorf("%q is no id of an event", text)
	}
	for name, read := range map[string]func() (identity.Position, bool){
		"another person's":  func() (identity.Position, bool) { return identity.ReadPosition(text, identity.NewID(), "app") },
		"another app's":     func() (identity.Position, bool) { return identity.ReadPosition(text, user, "other") },
		"cut short":         func() (identity.Position, bool) { return identity.ReadPosition(text[:42], user, "app") },
		"with more":         func() (identity.Position, bool) { return identity.ReadPosition(text+"A", user, "app") },
		"with a line break": func() (identity.Position, bool) { return identity.ReadPosition(text+"\n", user, "app") },
		"empty":             func() (identity.Position, bool) { return identity.ReadPosition("", user, "app") },
	} {
		if got, ok := read(); ok {
			t.Errorf("an id that is %s was read as %+v", name, got)
		}
	}
}

// FuzzReadPosition checks that nothing but what Text spells is read, and that it is read as it was.
func FuzzReadPosition(f *testing.F) {
	user := identity.ID{1, 2, 3}
	f.Add(identity.Position{At: time.UnixMicro(1).UTC()}.Text(user, "app"))
	f.Add(identity.Position{At: time.UnixMicro(-1).UTC(), Change: identity.ID{9}}.Text(user, "app"))
	f.Add("42")
	f.Fuzz(func(t *testing.T, text string) {
		if p, ok := identity.ReadPosition(text, user, "app"); ok && p.Text(user, "app") != text {
			t.Errorf("%q was read as %+v, which is spelt %q", text, p, p.Text(user, "app"))
		}
	})
}
