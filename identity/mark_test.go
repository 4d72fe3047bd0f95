package identity_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestMark_refusesWhatItNamesAndNothingElse(t *testing.T) {
	t.Parallel()
	kept := uuid.MustParse("0190b2a0-0000-7000-8000-000000000001")
	token := identity.Marked{Sub: "ada", SessionID: "s1", ID: "j1", ClientID: "notes", Epoch: 3, ClientEpoch: 1700}
	with := func(change func(*identity.Marked)) identity.Marked {
		other := token
		change(&other)
		return other
	}
	for name, c := range map[string]struct {
		mark  identity.Mark
		token identity.Marked
		want  bool
	}{
		"its session":               {identity.Mark{Kind: identity.MarkSession, Subject: "s1"}, token, true},
		"another session":           {identity.Mark{Kind: identity.MarkSession, Subject: "s2"}, token, false},
		"a session named as a jti":  {identity.Mark{Kind: identity.MarkToken, Subject: "s1"}, token, false},
		"its jti":                   {identity.Mark{Kind: identity.MarkToken, Subject: "j1"}, token, true},
		"an older epoch":            {identity.Mark{Kind: identity.MarkPerson, Subject: "ada", Epoch: 4}, token, true},
		"the epoch that began":      {identity.Mark{Kind: identity.MarkPerson, Subject: "ada", Epoch: 3}, token, false},
		"another person":            {identity.Mark{Kind: identity.MarkPerson, Subject: "eve", Epoch: 4}, token, false},
		"no epoch is 0":             {identity.Mark{Kind: identity.MarkPerson, Subject: "ada", Epoch: 1}, with(func(m *identity.Marked) { m.Epoch = 0 }), true},
		"a client that is a person": {identity.Mark{Kind: identity.MarkPerson, Subject: "ada", Epoch: 4}, with(func(m *identity.Marked) { m.SessionID = "" }), false},
		"a session that is kept": {
			identity.Mark{Kind: identity.MarkPerson, Subject: "ada", Epoch: 4, Keep: []identity.ID{kept}},
			with(func(m *identity.Marked) { m.SessionID = kept.String() }), false,
		},
		"a session beside one that is kept": {identity.Mark{Kind: identity.MarkPerson, Subject: "ada", Epoch: 4, Keep: []identity.ID{kept}}, token, true},
		"an older epoch of the client":      {identity.Mark{Kind: identity.MarkClient, Subject: "notes", Epoch: 1701}, token, true},
		"the client's own token":            {identity.Mark{Kind: identity.MarkClient, Subject: "notes", Epoch: 1701}, with(func(m *identity.Marked) { m.SessionID = "" }), true},
		"the client's epoch that began":     {identity.Mark{Kind: identity.MarkClient, Subject: "notes", Epoch: 1700}, token, false},
		"a kind that nobody knows":          {identity.Mark{Kind: "x", Subject: "s1", Epoch: 9000}, token, false},
	} {
		if got := c.mark.Refuses(c.token); got != c.want {
			t.Errorf("%s: refused is %v", name, got)
		}
	}
}

func TestMark_keepsAHundredSessionsByNameOrNone(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{0: 0, 1: 1, 100: 100, 101: 0} {
		if got := len((identity.Mark{}).Keeping(make([]identity.ID, n)).Keep); got != want {
			t.Errorf("of %d it keeps %d, want %d", n, got, want)
		}
	}
}

func FuzzMarkPlace(f *testing.F) {
	for _, text := range []string{"0.00000000", "45.0a1b2c3d", "9223372036854775807.ffffffff", "9223372036854775808.00000000", "01.00000000", "1.0000000", "-1.00000000", "1.00000000\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if place, ok := identity.ReadMarkPlace(text); ok && (place.Text() != text || place.Position < 0) {
			t.Errorf("%q is read as %+v", text, place)
		}
	})
}
