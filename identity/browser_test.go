package identity_test

import (
	"testing"

	"github.com/sojourn-auth/sojourn/identity"
)

func TestBrowser_knowsTheLastEight(t *testing.T) {
	t.Parallel()
	ring := keyring(t, 1)
	var b identity.Browser
	var users []identity.User
	for range 9 {
		users = append(users, identity.User{ID: identity.NewID(), Epoch: 3})
		b = ring.ReadBrowser(ring.BrowserText(b.With(users[len(users)-1]))) // by way of the cookie
	}
	for i, id := range users {
		if want := i > 0; b.Knows(id) != want {
			t.Errorf("knows number %d of 9: %v", i+1, !want)
		}
	}
	if again := b.With(users[1]).With(identity.User{ID: identity.NewID()}); !again.Knows(users[1]) || again.Knows(users[2]) {
		t.Error("whoever signed in again is forgotten before whoever did longest ago")
	}
	changed := users[1]
	changed.Epoch++
	if b.Knows(changed) {
		t.Error("knows somebody whose credentials changed since")
	}
	if n := len(ring.BrowserText(b)); n > 300 {
		t.Errorf("the cookie has %d characters", n)
	}
}

func TestBrowser_isOnlyReadWithOurKey(t *testing.T) {
	t.Parallel()
	id := identity.User{ID: identity.NewID()}
	text := keyring(t, 1).BrowserText(identity.Browser{}.With(id))
	for what, b := range map[string]identity.Browser{
		"another key": keyring(t, 2).ReadBrowser(text), "cut short": keyring(t, 1).ReadBrowser(text[:len(text)-4]),
		"nothing": keyring(t, 1).ReadBrowser(""),
	} {
		if b.Knows(id) {
			t.Errorf("%s: knows the person", what)
		}
	}
}

func FuzzReadBrowser(f *testing.F) {
	ring, id := keyring(f, 1), identity.User{ID: identity.NewID()}
	made := ring.BrowserText(identity.Browser{}.With(id))
	f.Add(made)
	f.Add("sj_br_AQAA")
	f.Add(ring.CookieText(identity.Pointer{}))
	f.Fuzz(func(t *testing.T, text string) {
		if ring.ReadBrowser(text).Knows(id) != (text == made) {
			t.Errorf("%q counts otherwise", text)
		}
	})
}
