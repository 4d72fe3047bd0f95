package app

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// ErrDamaged says that something was kept, and that no copy of it can be read.
var ErrDamaged = errors.New("what was kept is damaged")

// A Storage keeps a few small items for one app on one device. All processes of the app share it.
type Storage interface {
	// Load returns the newest copy of an item that is whole: nil where there never was one, ErrDamaged where none is whole.
	Load(item string) ([]byte, error)
	// Check fails if nothing could be saved now.
	Check() error
	// Save writes an item through to the disk and replaces it at once: no reader ever sees half of it.
	Save(item string, content []byte) error
	// Lock waits until no other process holds it. It is let go of when the process dies.
	Lock(ctx context.Context) (unlock func(), err error)
}

// Folder keeps each item as a file of its own in a folder, encrypted (AES-256-GCM). Of each it keeps the copy before, too:
// where a disk fault takes the newest one, an older refresh token still is good.
//
// What the encryption protects depends on where its key is. In the system's keyring (macOS Keychain, Windows Credential
// Manager, Secret Service) the files are worth nothing in a backup or on another machine, and to programs that the keyring
// does not trust. Where there is no keyring the key lies beside the files, for their owner alone (0600): that keeps out other
// users of the machine, and whoever gets the files without the key, and nobody else.
type Folder struct {
	dir    string
	secret func(create bool) ([]byte, error) // the key; nil without an error: there is none yet
}

// NewFolder keeps things in a folder, which it makes for the user alone. name tells apart what apps keep in the keyring.
func NewFolder(dir, name string) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder for what is kept: %w", err)
	}
	f := &Folder{dir: dir}
	f.secret = (&keyringSecret{file: f.path("secret"), service: name, user: dir}).get
	return f, nil
}

// NewFileFolder is a Folder whose key lies beside the files, whether or not there is a keyring.
func NewFileFolder(dir string) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder for what is kept: %w", err)
	}
	f := &Folder{dir: dir}
	f.secret = fileSecret(f.path("secret")).get
	return f, nil
}

func (f *Folder) path(name string) string { return filepath.Join(f.dir, name) }

// Load reads an item, or the copy before it where the newest is damaged.
func (f *Folder) Load(item string) ([]byte, error) {
	var found bool
	for _, name := range []string{item, item + ".old"} {
		sealed, err := readOwn(f.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = true
		secret, err := f.secret(false)
		if err != nil {
			return nil, err
		}
		if content, err := open(secret, item, sealed); err == nil {
			return content, nil
		}
	}
	if found {
		return nil, ErrDamaged
	}
	return nil, nil
}

// Check writes a file as large as any item and removes it, with what processes left that were killed while they wrote. Like
// Save it is called under the lock.
func (f *Folder) Check() error {
	if left, err := filepath.Glob(f.path(unfinished + "*")); err == nil {
		for _, name := range left {
			_ = os.Remove(name)
		}
	}
	if _, err := f.secret(true); err != nil {
		return err
	}
	const asLargeAsAny = 64 << 10
	trial, err := f.write(make([]byte, asLargeAsAny), func(*os.File) error { return nil })
	if err != nil {
		return err
	}
	return os.Remove(trial)
}

// Save writes an item: into a file of its own, flushed, which then takes the name.
func (f *Folder) Save(item string, content []byte) error {
	secret, err := f.secret(true)
	if err != nil {
		return err
	}
	sealed, err := seal(secret, item, content)
	if err != nil {
		return err
	}
	fresh, err := f.write(sealed, (*os.File).Sync)
	if err != nil {
		return err
	}
	err = os.Rename(f.path(item), f.path(item+".old"))
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = os.Rename(fresh, f.path(item))
	}
	if err != nil {
		_ = os.Remove(fresh)
		return fmt.Errorf("replace what was kept: %w", err)
	}
	return syncDir(f.dir)
}

// unfinished is how the names of files begin that are being written.
const unfinished = "new-"

// write makes a file with a name of its own, and flushes it by flush.
func (f *Folder) write(content []byte, flush func(*os.File) error) (name string, err error) {
	file, err := os.CreateTemp(f.dir, unfinished) // 0600
	if err != nil {
		return "", fmt.Errorf("keep: %w", err)
	}
	_, err = file.Write(content)
	if err := errors.Join(err, flush(file), file.Close()); err != nil {
		_ = os.Remove(file.Name())
		return "", fmt.Errorf("keep: %w", err)
	}
	return file.Name(), nil
}

// Lock locks a file in the folder. The operating system lets go of it when the process dies.
func (f *Folder) Lock(ctx context.Context) (unlock func(), err error) {
	lock := flock.New(f.path("lock"), flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, 10*time.Millisecond); err != nil {
		return nil, fmt.Errorf("lock the store: %w", err)
	}
	return func() { _ = lock.Unlock() }, nil
}

// readOwn reads a file that must be the user's own.
func readOwn(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := ownedByUs(info); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return os.ReadFile(path)
}

// syncDir flushes the names of a folder, where the system can.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !isWindows {
		return fmt.Errorf("flush the folder: %w", err)
	}
	return nil
}

// seal encrypts an item under its name, so that one can't be put in another's place.
func seal(secret []byte, item string, content []byte) ([]byte, error) {
	aead, err := newAEAD(secret)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return aead.Seal(nonce, nonce, content, []byte(item)), nil
}

func open(secret []byte, item string, sealed []byte) ([]byte, error) {
	aead, err := newAEAD(secret)
	if err != nil {
		return nil, err
	}
	if len(sealed) < aead.NonceSize() {
		return nil, ErrDamaged
	}
	return aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], []byte(item))
}

func newAEAD(secret []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
