package app

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// ringFolder is a folder whose key is in the keyring, as a new process opens it.
func ringFolder(t *testing.T, dir string) *Folder {
	t.Helper()
	f, err := NewFolder(dir, "test")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// One test, because the keyring is one for the process.
func TestKeyring_holdsTheKeyWhereThereIsOne(t *testing.T) {
	ring, inRing, inFile := newSecretService(t), filepath.Join(t.TempDir(), "ring"), filepath.Join(t.TempDir(), "file")
	save(t, ringFolder(t, inRing), "one")
	if _, err := os.Stat(filepath.Join(inRing, "secret")); err == nil {
		t.Error("the key lies beside what it protects")
	}
	holds(t, ringFolder(t, inRing), "one")

	// Locked, and the person does not unlock it: the session is neither lost nor kept under another key.
	waits := func(why string) {
		t.Helper()
		if _, err := ringFolder(t, inRing).Load("session"); err == nil || errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", why, err)
		}
		if err := ringFolder(t, inRing).Check(); err == nil {
			t.Errorf("%s: it can be written to", why)
		} else {
			t.Logf("%s: %v", why, err)
		}
		if err := ringFolder(t, inRing).Save("session", []byte("two")); err == nil {
			t.Errorf("%s: it was written to", why)
		}
	}
	ring.lock(true)
	waits("locked")
	atFirst := filepath.Join(t.TempDir(), "first")
	save(t, ringFolder(t, atFirst), "two") // nothing was kept yet: as if there were no keyring
	ring.lock(false)
	holds(t, ringFolder(t, atFirst), "two")
	holds(t, ringFolder(t, inRing), "one")

	// Over ssh, say, where the bus can't be had.
	ring.leave()
	waits("no bus")

	// A machine without one.
	save(t, ringFolder(t, inFile), "two")
	if _, err := os.Stat(filepath.Join(inFile, "secret")); err != nil {
		t.Error(err)
	}
	holds(t, ringFolder(t, inFile), "two")

	// A keyring that comes later does not hide what a file protects; one that was emptied has lost it.
	newSecretService(t)
	holds(t, ringFolder(t, inFile), "two")
	if _, err := ringFolder(t, inRing).Load("session"); !errors.Is(err, ErrDamaged) {
		t.Errorf("an emptied keyring: %v", err)
	}
	save(t, ringFolder(t, inRing), "three")
	holds(t, ringFolder(t, inRing), "three")
}

// An app whose keyring is locked waits: it sends nothing, ends nothing, and goes on once that is unlocked.
func TestKeyring_lockedMakesTheAppWait(t *testing.T) {
	ring, dir := newSecretService(t), filepath.Join(t.TempDir(), "ring")
	config := Config{Issuer: "https://id.example.com", ClientID: "notes"}
	open := func() *App {
		config.Storage = ringFolder(t, dir)
		a, err := Open(config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.Close)
		return a
	}
	first := open()
	if err := first.save(&record{Of: config.Issuer + " " + config.ClientID, Tokens: &tokens{Access: "live", Type: "Bearer"}}); err != nil {
		t.Fatal(err)
	}
	ring.lock(true)
	later := open()
	if _, err := later.Token(t.Context()); KindOf(err) != Store {
		t.Errorf("a locked keyring: %v", err)
	}
	if heard, err := later.SignOut(t.Context()); KindOf(err) != Store || heard {
		t.Errorf("signing out: %v, %v", heard, err)
	}
	ring.lock(false)
	if got, err := later.Token(t.Context()); err != nil || got.AccessToken != "live" {
		t.Errorf("unlocked: %v, %v", got, err)
	}
}
