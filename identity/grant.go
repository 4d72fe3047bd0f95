package identity

import (
	"context"
	"net/url"
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

type grantStore interface {
	InTx(ctx context.Context, fn func(context.Context) error) error
	GrantOf(ctx context.Context, userID ID, clientID string) (Grant, error)
	SaveGrant(ctx context.Context, g Grant) error
	AddEvent(ctx context.Context, e Event) error
}

// Grants keeps what people allowed.
type Grants struct {
	Store grantStore
	Now   func() time.Time
}

// Allow adds scopes to what the person of s allows the client, with its Event.
func (g Grants) Allow(ctx context.Context, s Standing, clientID string, scopes []string) error {
	now := g.Now()
	return g.Store.InTx(ctx, func(ctx context.Context) error {
		grant, err := g.Store.GrantOf(ctx, s.User.ID, clientID)
		if err != nil {
			return err
		}
		all := SplitScope(strings.Join(append(slices.Clone(grant.Scopes), scopes...), " "))
		err = g.Store.SaveGrant(ctx, Grant{UserID: s.User.ID, ClientID: clientID, Scopes: all, UpdatedAt: now})
		if err != nil {
			return err
		}
		return g.Store.AddEvent(ctx, Event{
			ID: NewID(), At: now, Kind: ConsentGiven, UserID: s.User.ID, ClientID: clientID,
			Detail: strings.Join(scopes, " "), Address: s.SignIn.Address,
		})
	})
}

// Suffices reports whether the grant answers this request: it covers the scopes, and it is either remembered or was
// given since the request was first asked, which also answers prompt=consent (DESIGN §9, Freshness).
func (g Grant) Suffices(c Client, asked Asked, scopes []string) bool {
	if g.UpdatedAt.IsZero() || !g.Covers(scopes) {
		return false
	}
	fresh := !g.UpdatedAt.Before(asked.At)
	return fresh || c.RemembersConsent() && !HasScope(strings.Fields(asked.Get("prompt")), "consent")
}

// RemembersConsent reports whether a consent lasts beyond one request. Anyone can pose as a self-registered public
// client that is reached on a private-use scheme or on loopback (RFC 8252 §8.6), so its consent never does.
func (c Client) RemembersConsent() bool {
	if !c.SelfRegistered || !c.Public() {
		return true
	}
	return !slices.ContainsFunc(c.RedirectURIs, func(uri string) bool {
		u, err := url.Parse(uri)
		return err != nil || u.Scheme != "https"
	})
}
