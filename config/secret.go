package config

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

const (
	secretBytes  = 32
	secretsAtAll = 16
	hidden       = "[secret]"
	makeOne      = "make one with: openssl rand -base64 32"
)

// Secret is the root secrets, 32 bytes each: the first seals, all open. It never shows itself.
type Secret [][]byte

// Set reads a comma-separated list of base64, standard or URL alphabet, padded or not. No error of it repeats the text.
func (s *Secret) Set(text string) error {
	var all Secret
	for i, item := range list(text) {
		key, err := parseKey(item)
		if err != nil {
			return fmt.Errorf("secret %d %w; %s", i+1, err, makeOne)
		}
		all = append(all, key)
	}
	if len(all) > secretsAtAll {
		return fmt.Errorf("%d secrets are too many: at most %d", len(all), secretsAtAll)
	}
	*s = all
	return nil
}

func parseKey(text string) ([]byte, error) {
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	key, err := base64.RawStdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errors.New("is not base64")
	}
	if len(key) != secretBytes {
		return nil, fmt.Errorf("is %d bytes long, must be exactly %d", len(key), secretBytes)
	}
	distinct := map[byte]bool{}
	for _, b := range key {
		distinct[b] = true
	}
	if len(distinct) < 8 { // 32 random bytes have fewer once in 10^44 times
		return nil, errors.New("is not random")
	}
	return key, nil
}

// String hides the secrets.
func (s Secret) String() string {
	if len(s) == 0 {
		return ""
	}
	return strings.Repeat(hidden+",", len(s)-1) + hidden
}

// Format hides them from every verb of fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText hides them from JSON and slog.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

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

// Database says where the record is: sqlite:PATH or postgres://…. It shows itself without the password; convert it to
// string to connect.
type Database string

// Set keeps the text; validate judges it.
func (d *Database) Set(text string) error {
	*d = Database(text)
	return nil
}

// File is the path of a SQLite database; ok is false for any other.
func (d Database) File() (path string, ok bool) { return strings.CutPrefix(string(d), "sqlite:") }

// IsPostgres reports whether the record is in PostgreSQL.
func (d Database) IsPostgres() bool {
	return strings.HasPrefix(string(d), "postgres://") || strings.HasPrefix(string(d), "postgresql://")
}

// String hides the password, and everything where it cannot be told which part that is.
func (d Database) String() string {
	if _, ok := d.File(); ok || d == "" {
		return string(d)
	}
	u, err := url.Parse(string(d))
	if err != nil || !d.IsPostgres() {
		return hidden
	}
	return redacted(u)
}

// Format hides the password from every verb of fmt.
func (d Database) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, d.String()) }

// MarshalText hides it from JSON and slog.
func (d Database) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Redis is where servers wake each other and share what may be lost: redis://, or rediss:// for TLS; empty: nowhere. It
// shows itself without passwords; convert it to string to connect.
type Redis string

// Set keeps the text; validate judges it.
func (r *Redis) Set(text string) error {
	*r = Redis(text)
	return nil
}

// String hides passwords, and everything where it cannot be told which part that is.
func (r Redis) String() string {
	u, err := url.Parse(string(r))
	switch {
	case r == "":
		return ""
	case err != nil || u.Host == "":
		return hidden
	}
	return redacted(u)
}

// Format hides passwords from every verb of fmt.
func (r Redis) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// MarshalText hides them from JSON and slog.
func (r Redis) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// redacted is a URL without its passwords.
func redacted(u *url.URL) string {
	query := u.Query()
	for key := range query {
		if strings.Contains(strings.ToLower(key), "password") {
			query.Set(key, "xxxxx")
		}
	}
	u.RawQuery = query.Encode()
	return u.Redacted()
}

// SMTP says how mail leaves: smtp://user:password@host:port, smtps://…, or print: to show it on the terminal. Empty: no
// mail at all. It shows itself without the password; convert it to string to connect.
type SMTP string

// Set keeps the text; validate judges it.
func (s *SMTP) Set(text string) error {
	*s = SMTP(text)
	return nil
}

// Prints reports whether mails are only shown.
func (s SMTP) Prints() bool { return s == "print:" }

// String hides the password, and everything where it cannot be told which part that is.
func (s SMTP) String() string {
	if s == "" || s.Prints() {
		return string(s)
	}
	u, err := url.Parse(string(s))
	if err != nil || u.Host == "" {
		return hidden
	}
	return u.Redacted()
}

// Format hides the password from every verb of fmt.
func (s SMTP) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText hides it from JSON and slog.
func (s SMTP) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
