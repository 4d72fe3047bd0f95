package config

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// EnsureSecret returns c with a secret. With a SQLite database and none set, it is kept in the file PATH.secret beside the
// database, made at the first start (0600, in a folder 0700) and read at later ones. Of several processes that start
// together one makes it and all read it.
func EnsureSecret(c Config) (Config, error) {
	database, embedded := c.Database.File()
	if len(c.Secret) > 0 || !embedded {
		return c, nil
	}
	path := database + ".secret"
	secret, err := readSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeSecret(path); err != nil {
			return c, fmt.Errorf("make the secret: %w", err)
		}
		secret, err = readSecret(path)
	}
	if err != nil {
		return c, fmt.Errorf("read the secret: %w", err)
	}
	c.Secret = secret
	return c, nil
}

// makeSecret writes 32 random bytes to path, whole or not at all, and never over another's.
func makeSecret(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	draft, err := os.CreateTemp(dir, ".secret-*") // for its owner only, by its own promise
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(draft.Name()) }()
	key := make([]byte, secretBytes)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the program instead
	_, err = draft.WriteString(base64.StdEncoding.EncodeToString(key) + "\n")
	if err := errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return err
	}
	// Unlike a rename, a link fails where a file is: who came first wins.
	if err := os.Link(draft.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(dir)
}

// syncFolder makes the new name outlive a power cut: what the secret sealed would be lost with it.
func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = folder.Sync()
	if runtime.GOOS == "windows" {
		err = nil // cannot
	}
	return errors.Join(err, folder.Close())
}

func readSecret(path string) (Secret, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others on this machine can read %s: chmod 600 %s", path, path)
	}
	content, err := read(path)
	if err != nil {
		return nil, err
	}
	var secret Secret
	if err := secret.Set(strings.TrimSpace(string(content))); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(secret) == 0 {
		return nil, fmt.Errorf("%s is empty: restore it from a backup; without it nothing that the database seals can be opened", path)
	}
	return secret, nil
}
