package config

import (
	"fmt"
	"io"
	"net/mail"
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

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

// smtpProblem never repeats the text: it may hold a password.
func (c Config) smtpProblem() string {
	const like = "is not a URL like smtp://user:password@mail.example.com:587 or smtps://mail.example.com"
	if c.SMTP == "" {
		return ""
	}
	if c.SMTP.Prints() {
		if !c.Loopback() {
			return "print: shows everyone's links to whoever reads the terminal: it is for an issuer on this machine alone"
		}
		return ""
	}
	u, err := url.Parse(string(c.SMTP))
	switch {
	case err != nil:
		return like + "; what is special in the password must be percent-encoded"
	case u.Scheme != "smtp" && u.Scheme != "smtps" || !isServer(u.Hostname()) || !isPort(u.Port()):
		return like
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return "has something after the host and the port: it " + like
	}
	if password, given := u.User.Password(); u.User != nil && (!given || password == "" || u.User.Username() == "") {
		return "names a user or a password alone: write both, or none"
	}
	return ""
}

// isPort accepts none, too.
func isPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}

func (c Config) mailFromProblem() string {
	const like = "like Harbour <no-reply@example.com>"
	if c.MailFrom == "" {
		if c.SMTP == "" {
			return ""
		}
		return fmt.Sprintf("is required with %sSMTP: whom mails are from, %s", prefix, like)
	}
	_, err := mail.ParseAddress(c.MailFrom)
	if err != nil || len(c.MailFrom) > 320 || strings.ContainsFunc(c.MailFrom, unicode.IsControl) {
		return fmt.Sprintf("%q is not an address %s", c.MailFrom, like)
	}
	return ""
}
