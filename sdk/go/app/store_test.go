package app

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"
)

func newFolder(t *testing.T) (*Folder, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "app")
	f, err := NewFileFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f, dir
}

func save(t *testing.T, s Storage, text string) {
	t.Helper()
	if err := s.Save("session", []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func holds(t *testing.T, s Storage, want string) {
	t.Helper()
	if got, err := s.Load("session"); err != nil || string(got) != want {
		t.Errorf("it holds %q (%v), want %q", got, err, want)
	}
}

func TestFolder_theNewestThatIsWholeCounts(t *testing.T) {
	t.Parallel()
	f, dir := newFolder(t)
	if got, err := f.Load("session"); got != nil || err != nil {
		t.Errorf("an empty one holds %q, %v", got, err)
	}
	save(t, f, "one")
	save(t, f, "two")
	holds(t, f, "two")
	for _, c := range []struct {
		name string
		harm func(path string) error
	}{
		{"cut", func(path string) error { return os.Truncate(path, 5) }},
		{"emptied", func(path string) error { return os.Truncate(path, 0) }},
		{"gone", os.Remove},
	} {
		save(t, f, "two")
		save(t, f, "three")
		if err := c.harm(filepath.Join(dir, "session")); err != nil {
			t.Fatal(err)
		}
		t.Log(c.name)
		holds(t, f, "two")
	}
	for _, name := range []string{"session", "session.old"} {
		save(t, f, "x")
		if err := os.WriteFile(filepath.Join(dir, name), []byte("nonsense"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "session"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Load("session"); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
}

func TestFolder_isForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		return // the profile's own rights hold there
	}
	f, dir := newFolder(t)
	save(t, f, "secret text")
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder is %v, %v", info.Mode(), err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s is %v, %v", entry.Name(), info.Mode(), err)
		}
		if content, _ := os.ReadFile(filepath.Join(dir, entry.Name())); bytes.Contains(content, []byte("secret")) {
			t.Errorf("%s can be read", entry.Name())
		}
	}
	if err := os.Chmod(filepath.Join(dir, "session"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Load("session"); err == nil || errors.Is(err, ErrDamaged) {
		t.Errorf("what everybody can read is read: %v", err)
	}
}

func TestFolder_oneItemIsNotAnother(t *testing.T) {
	t.Parallel()
	f, dir := newFolder(t)
	save(t, f, "one")
	if err := os.Rename(filepath.Join(dir, "session"), filepath.Join(dir, "key")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Load("key"); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
}

func TestFolder_whatKilledWritersLeftIsRemoved(t *testing.T) {
	t.Parallel()
	f, dir := newFolder(t)
	if err := os.WriteFile(filepath.Join(dir, "new-123"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Check(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "new-*")); len(left) > 0 {
		t.Error(left)
	}
}

// Sixteen that read, add one and write never lose an addition.
func TestFolder_lockHasOneHolder(t *testing.T) {
	t.Parallel()
	_, dir := newFolder(t)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			f, err := NewFileFolder(dir) // as another process would
			if err != nil {
				t.Error(err)
				return
			}
			unlock, err := f.Lock(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			defer unlock()
			content, _ := f.Load("session")
			n, _ := strconv.Atoi(string(content))
			if err := f.Save("session", []byte(strconv.Itoa(n+1))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	f, err := NewFileFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	holds(t, f, "16")
	unlock, err := f.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := f.Lock(soon); err == nil {
		t.Error("two hold the lock")
	}
}
