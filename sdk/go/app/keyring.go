package app

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/zalando/go-keyring"
)

const secretLen = 32 // AES-256

// fileSecret is a key in a file that only its owner can read.
type fileSecret string

// get reads the key. Without a good one it makes one if it shall, and otherwise returns nil.
func (f fileSecret) get(create bool) ([]byte, error) {
	secret, err := readOwn(string(f))
	switch {
	case err == nil && len(secret) == secretLen:
		return secret, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	case !create:
		return nil, nil
	case err == nil: // damaged: nothing can be read with it
		if err := os.Remove(string(f)); err != nil {
			return nil, err
		}
	}
	secret = newSecret()
	file, err := os.OpenFile(string(f), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) { // another process was quicker
		return f.get(false)
	}
	if err != nil {
		return nil, err
	}
	_, err = file.Write(secret)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		_ = os.Remove(string(f))
		return nil, err
	}
	return secret, nil
}

// keyringSecret is a key in the system's keyring; in a file where there is no keyring. Where it once was it stays: a keyring
// that can't be asked today (over ssh, say) is no reason to make another key.
type keyringSecret struct {
	file          string
	service, user string

	mu    sync.Mutex
	known []byte // asking a keyring takes time, and may ask the person
}

func (k *keyringSecret) get(create bool) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known != nil {
		return k.known, nil
	}
	secret, err := k.ask(create)
	k.known = secret
	return secret, err
}

func (k *keyringSecret) ask(create bool) ([]byte, error) {
	if _, err := os.Stat(k.file); err == nil {
		return fileSecret(k.file).get(false)
	}
	text, err := askKeyring(k.service, k.user)
	switch {
	case err == nil:
		secret, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(secret) != secretLen {
			return nil, errors.New("the key in the keyring is damaged")
		}
		return secret, nil
	case errors.Is(err, keyring.ErrNotFound) && !create:
		return nil, nil
	case errors.Is(err, keyring.ErrNotFound):
		secret := newSecret()
		if err := keyring.Set(k.service, k.user, base64.StdEncoding.EncodeToString(secret)); err != nil {
			return nil, fmt.Errorf("keep the key in the keyring: %w", err)
		}
		return secret, nil
	case create && k.never():
		return fileSecret(k.file).get(true)
	}
	return nil, fmt.Errorf("ask the keyring: %w", err)
}

// never reports whether nothing was kept here yet, so that no keyring can hold the key of it.
func (k *keyringSecret) never() bool {
	for _, item := range []string{itemRecord, itemKey} {
		for _, copied := range []string{item, item + ".old"} {
			if _, err := os.Stat(filepath.Join(k.user, copied)); !errors.Is(err, fs.ErrNotExist) {
				return false
			}
		}
	}
	return true
}

// keyringPatience is how long a keyring may ask a person to unlock it.
const keyringPatience = 15 * time.Second

// askKeyring reads the keyring, which may wait for a person for ever.
func askKeyring(service, user string) (string, error) {
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := keyring.Get(service, user)
		answers <- answer{text, err}
	}()
	select {
	case a := <-answers:
		return a.text, a.err
	case <-time.After(keyringPatience):
		return "", errors.New("it is locked, or does not answer")
	}
}

func newSecret() []byte {
	secret := make([]byte, secretLen)
	_, _ = rand.Read(secret) // never fails
	return secret
}
