package config

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// ClaimsHook is the operator's own program that says more of people before tokens are issued.
type ClaimsHook struct {
	URL     string     // empty: there is none
	Secret  HookSecret // that questions are signed with
	Timeout time.Duration
	Cache   time.Duration // how long an answer counts
	Failure string        // Closed: without an answer there is no token; Open: there is
}

const (
	hookPrefix  = "hook." // of a claim's source
	maxHookURL  = 512     // bytes
	leastSecret = 24      // bytes of a secret (Standard Webhooks, "Signature scheme")
	mostSecret  = 64
)

// claimsProblem wants a hook where claims are made of what it says.
func (c Config) claimsProblem() string {
	for _, r := range c.Claims {
		if strings.HasPrefix(r.From, hookPrefix) && c.ClaimsHook.URL == "" {
			return fmt.Sprintf("%s is made of %s, and nobody is asked for it: set %sCLAIMS_HOOK", r.Claim, r.From, prefix)
		}
	}
	return ""
}

// problem lets plain http lead to this machine alone: answers are believed because they come over TLS.
func (h ClaimsHook) problem() string {
	if h.URL == "" {
		return ""
	}
	u, err := url.Parse(h.URL)
	if err != nil || !isServer(u.Hostname()) || !isPort(u.Port()) || u.User != nil || u.Fragment != "" || len(h.URL) > maxHookURL {
		return "is not a URL like https://claims.internal/ask, without a user and a fragment, of at most 512 bytes"
	}
	address, err := netip.ParseAddr(u.Hostname())
	here := u.Hostname() == "localhost" || err == nil && address.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !here) {
		return "must be https; http is for a program on this machine alone"
	}
	return ""
}

// secretProblem never repeats the text.
func (h ClaimsHook) secretProblem() string {
	const makeIt = `make one with: echo "whsec_$(openssl rand -base64 32)"`
	switch {
	case h.URL == "" && h.Secret != "":
		return fmt.Sprintf("is of no use without %sCLAIMS_HOOK", prefix)
	case h.URL == "":
		return ""
	case h.Secret == "":
		return fmt.Sprintf("is required with %sCLAIMS_HOOK, so that it knows who asks; %s", prefix, makeIt)
	}
	text, whole := strings.CutPrefix(string(h.Secret), "whsec_")
	key, err := base64.StdEncoding.DecodeString(text)
	if !whole || err != nil || len(key) < leastSecret || len(key) > mostSecret {
		return "is not whsec_ and the base64 of 24 to 64 random bytes; " + makeIt
	}
	return ""
}

// HookSecret signs what the hook is asked. It never shows itself; convert it to string to use it.
type HookSecret string

// Set keeps the text; validate judges it.
func (s *HookSecret) Set(text string) error {
	*s = HookSecret(text)
	return nil
}

// String hides the secret.
func (s HookSecret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// Format hides it from every verb of fmt.
func (s HookSecret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText hides it from JSON and slog.
func (s HookSecret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
