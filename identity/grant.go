package identity

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
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
	ledger
	GrantOf(ctx context.Context, userID ID, clientID string) (Grant, error)
	SaveGrant(ctx context.Context, g Grant) error
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
		return g.Store.AddRepeat(ctx, Event{
			ID: NewID(), At: now, Kind: ConsentGiven, UserID: s.User.ID, ClientID: clientID,
			Detail: strings.Join(scopes, " "), Address: s.SignIn.Address,
		})
	})
}

// Suffices reports whether the grant answers a request: it covers the scopes, and it is either remembered or was given
// since the request was first asked, which also answers prompt=consent (DESIGN §9, Freshness).
func (g Grant) Suffices(d Demand) bool {
	if g.UpdatedAt.IsZero() || !g.Covers(d.Scopes) {
		return false
	}
	fresh := !g.UpdatedAt.Before(d.At)
	return fresh || d.Client.RemembersConsent() && !d.Again
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

// ConsentBinding ties a consent page to the browser, the person and the request it was shown for, so that none of them
// can be swapped under the button.
func (k *Keyring) ConsentBinding(s Standing, next string) string {
	return toText("", k.Sign(ForBinding, bindingBody(s, next)))
}

// BoundTo reports whether binding is ConsentBinding of the same browser, person and request.
func (k *Keyring) BoundTo(binding string, s Standing, next string) bool {
	body, ok := k.signed(ForBinding, binding)
	return ok && string(body) == string(bindingBody(s, next))
}

func bindingBody(s Standing, next string) []byte {
	sum := sha256.Sum256([]byte(next))
	body := append([]byte{}, s.SignIn.ID[:]...)
	body = append(body, s.SignIn.SecretHash...)
	body = append(body, s.User.ID[:]...)
	return append(body, sum[:]...)
}

// DenialFor is how long a pressed "Don't allow" is good for: as long as the redirect may take that carries it.
const DenialFor = time.Minute

// DenialText says for a minute, in the address that a page leads on to, that the person of s does not allow the request
// next. Nobody else can say it for them, and it is worth nothing in another browser, after another sign-in there, for
// another request, or later (DESIGN law 12).
func (k *Keyring) DenialText(s Standing, next string, now time.Time) string {
	sum := sha256.Sum256(bindingBody(s, next)) // an address is no place for what the binding is made of
	return toText("", k.Sign(ForDenial, binary.BigEndian.AppendUint64(sum[:], uint64(now.UnixMicro()))))
}

// Denied reports whether denial is DenialText of the same browser, person and request, and not too old.
func (k *Keyring) Denied(denial string, s Standing, next string, now time.Time) bool {
	sum := sha256.Sum256(bindingBody(s, next))
	body, ok := k.signed(ForDenial, denial)
	if !ok || len(body) != len(sum)+8 || string(body[:len(sum)]) != string(sum[:]) {
		return false
	}
	at := time.UnixMicro(int64(binary.BigEndian.Uint64(body[len(sum):])))
	return now.Sub(at) < DenialFor
}

func (k *Keyring) signed(p Purpose, text string) (body []byte, ok bool) {
	raw, err := fromText("", text)
	if err != nil {
		return nil, false
	}
	body, err = k.Verify(p, raw)
	return body, err == nil
}
