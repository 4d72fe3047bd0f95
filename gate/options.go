package gate

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/sojourn-auth/sojourn/sdk/go/resource"
)

// Options say for which API a Gate stands, and whose tokens it takes. What is wrong with one is an error that begins with the
// name of its flag.
type Options struct {
	Listen     string   // HOST:PORT
	Issuer     string   // the server's
	ClientID   string   // a client of the operator's, which may introspect and read the endings
	SecretFile string   // holds its secret
	Audience   string   // who the tokens must be for; empty: the issuer, as tokens without a resource are
	Scopes     []string // that every request needs
	PublicURL  string   // where callers find the API, such as https://api.example.com: what DPoP proofs are made for
	Name       string   // of the API, for its metadata
	Stale      string   // introspect, refuse or accept
	Log        *slog.Logger
}

// maxSecret bounds what is read of a secret file.
const maxSecret = 4 << 10

// config says it to what judges the tokens.
func (o Options) config() (resource.Config, error) {
	if err := cmp.Or(o.checkListen(), checkIssuer(o.Issuer), checkClient(o.ClientID), checkAudience(o.Audience),
		checkScopes(o.Scopes), checkPublicURL(o.PublicURL), checkStale(o.Stale)); err != nil {
		return resource.Config{}, err
	}
	secret, err := readSecret(o.SecretFile)
	return resource.Config{
		Issuer: o.Issuer, Audience: o.Audience, ClientID: o.ClientID, ClientSecret: secret, Stale: resource.Stale(o.Stale),
		BaseURL: o.PublicURL, Name: o.Name, Scopes: o.Scopes, Log: o.Log,
	}, err
}

func (o Options) checkListen() error {
	host, _, err := net.SplitHostPort(o.Listen)
	switch {
	case err != nil:
		return fmt.Errorf("listen: %q is no HOST:PORT, such as 127.0.0.1:8082", o.Listen)
	case o.Log != nil && !loopback(host):
		o.Log.Warn("the gate speaks plain HTTP, and whoever reaches it may ask it: let the proxy alone do so", "listen", o.Listen)
	}
	return nil
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func checkIssuer(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("issuer: %q is no issuer: say the server's, such as https://id.example.com", text)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return fmt.Errorf("issuer: %s must be https: a secret is sent there (http is for this machine alone)", text)
	}
	return nil
}

func checkClient(id string) error {
	if id == "" {
		return errors.New("client-id: say which client the gate is, one that the operator added with a secret")
	}
	return nil
}

func checkAudience(text string) error {
	if strings.ContainsFunc(text, odd) {
		return fmt.Errorf("audience: %q is no audience: say the resource that apps ask tokens for, such as https://api.example.com", text)
	}
	return nil
}

func checkScopes(scopes []string) error {
	for _, scope := range scopes {
		if !isScope(scope) {
			return fmt.Errorf("scope: %q is no scope: say each by a --scope of its own", scope)
		}
	}
	return nil
}

// isScope reports whether a text is one scope (RFC 6749 §3.3).
func isScope(text string) bool {
	return text != "" && !strings.ContainsFunc(text, odd) && !strings.ContainsAny(text, `"\`)
}

func odd(r rune) bool { return r <= ' ' || r > '~' }

func checkPublicURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Scheme+"://"+u.Host != text || u.Hostname() == "" {
		return fmt.Errorf("public-url: %q is no origin: say scheme and host alone, such as https://api.example.com", text)
	}
	return nil
}

func checkStale(text string) error {
	switch resource.Stale(text) {
	case resource.Introspect, resource.Refuse, resource.Accept:
		return nil
	}
	return fmt.Errorf("stale: %q is none of introspect, refuse and accept", text)
}

// readSecret reads a file that holds a secret on its only line.
func readSecret(path string) (string, error) {
	if path == "" {
		return "", errors.New("secret-file: say which file holds the client's secret")
	}
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("secret-file: %w", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("secret-file: %w", err)
	}
	secret := string(bytes.TrimRight(content, "\r\n"))
	if secret == "" || len(content) > maxSecret || strings.ContainsAny(secret, "\r\n") {
		return "", fmt.Errorf("secret-file: %s must hold the secret on its only line, and nothing else", path)
	}
	return secret, nil
}
