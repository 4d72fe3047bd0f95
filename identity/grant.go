package identity

import (
	"slices"
	"strings"
	"time"
)

// Grant is what a user allowed a client.
type Grant struct {
	UserID    ID
	ClientID  string
	Scopes    []string
	UpdatedAt time.Time
}

// Covers reports whether everything asked was allowed before.
func (g Grant) Covers(asked []string) bool {
	return !slices.ContainsFunc(asked, func(s string) bool { return !HasScope(g.Scopes, s) })
}

// HasScope reports whether s is among scopes.
func HasScope(scopes []string, s string) bool { return slices.Contains(scopes, s) }

// SplitScope reads a scope parameter: names between spaces, each once, in the order given (RFC 6749 §3.3).
func SplitScope(scope string) []string {
	var out []string
	for _, s := range strings.Split(scope, " ") {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
