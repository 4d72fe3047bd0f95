package templates

import (
	"errors"
	"fmt"
	"html/template"
	"net/url"
	"strings"
)

// link passes an address that leads back to an app or to a page of ours. html/template
// knows only web schemes; apps have their own, with a dot in it (RFC 8252 §7.1), which
// script-bearing schemes never have.
func link(address string) (template.URL, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("link: %w", err)
	}
	ours := u.Scheme == "" && u.Host == "" && strings.HasPrefix(address, "/")
	if ours || isWeb(u) || strings.Contains(u.Scheme, ".") {
		return template.URL(address), nil //nolint:gosec // its scheme was checked
	}
	return "", fmt.Errorf("link: scheme %q is neither web nor private-use", u.Scheme)
}

// weblink passes an http(s) address and drops any other: clients name these themselves.
func weblink(address string) template.URL {
	u, err := url.Parse(address)
	if err != nil || !isWeb(u) {
		return ""
	}
	return template.URL(address) //nolint:gosec // its scheme was checked
}

func isWeb(u *url.URL) bool {
	return (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// otpauth passes the address of an authenticator's key.
func otpauth(address string) (template.URL, error) {
	if !strings.HasPrefix(address, "otpauth://totp/") {
		return "", errors.New("otpauth: address must begin with otpauth://totp/")
	}
	return template.URL(address), nil //nolint:gosec // its scheme was checked
}
