package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
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
	query := u.Query()
	for key := range query {
		if strings.Contains(strings.ToLower(key), "password") {
			query.Set(key, "xxxxx")
		}
	}
	u.RawQuery = query.Encode()
	return u.Redacted()
}

// Format hides the password from every verb of fmt.
func (d Database) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, d.String()) }

// MarshalText hides it from JSON and slog.
func (d Database) MarshalText() ([]byte, error) { return []byte(d.String()), nil }
